"""An API call as CloudTrail records it: who, what, on which resource, with which parameters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .calls import OPERATIONS, Call, Caller
from .errors import AwsError
from .events import HIDDEN, Event, identity_of, shown_username

_SECRET = {"Password", "NewPassword", "OldPassword"}
_RESOURCES = {
    "UserName": "AWS::IAM::User",
    "GroupName": "AWS::IAM::Group",
    "RoleName": "AWS::IAM::Role",
    "AccessKeyId": "AWS::IAM::AccessKey",
    "PolicyArn": "AWS::IAM::Policy",
    "RoleArn": "AWS::IAM::Role",
    "SerialNumber": "AWS::IAM::MfaDevice",
}


def safe_params(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as they may be written down: secrets hidden, times as text."""
    return {name: HIDDEN if name in _SECRET else _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def resources_of(call: Call) -> tuple[tuple[str, str], ...]:
    """The resources a call names, by CloudFormation type and name."""
    return tuple(
        (kind, str(call.params[name])) for name, kind in _RESOURCES.items() if name in call.params
    )


def event_of_call(
    seq: int, at: datetime, call: Call, caller: Caller, error: AwsError | None
) -> Event:
    """The event of one authenticated call. IAM's are in us-east-1 (AWS_FACTS.md 2.7)."""
    found = OPERATIONS.get((call.service, call.operation))
    params = {name[0].lower() + name[1:]: value for name, value in safe_params(call.params).items()}
    return Event(
        seq=seq,
        at=at,
        region="us-east-1" if call.service == "iam" else call.region,
        source=f"{call.service}.amazonaws.com",
        name=call.operation,
        username=shown_username(caller),
        access_key_id=caller.access_key_id,
        identity=identity_of(caller),
        ip=call.source_ip,
        agent=call.user_agent,
        read_only=found is None or not found.writes,
        error=(error.code, error.message) if error else None,
        params=params or None,
        answer=None,
        resources=resources_of(call),
        account_id=caller.account.id,
        request_id=call.request_id,
    )
