"""An API call as CloudTrail records it: who, what, on which resource, with which parameters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .calls import OPERATIONS, Call, Caller
from .errors import AwsError
from .events import HIDDEN, Event, identity_of, shown_username

_SECRET = {"Password", "NewPassword", "OldPassword"}
# Handed out in answers. CloudTrail writes a session's token into its event, nothing else of these.
_GIVEN = {
    "SecretAccessKey",
    "SessionToken",
    "ServicePassword",
    "ServiceCredentialSecret",
    "QRCodePNG",
    "Base32StringSeed",
}
_SECRET_ANSWERS = _SECRET | _GIVEN - {"SessionToken"}
_ANSWERED = {"AssumeRole", "GetFederationToken", "GetSessionToken"}
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


def secrets_of(values: Any) -> set[str]:
    """Every secret in the parameters of a call or in its answer, at any depth."""
    if isinstance(values, list):
        return {secret for value in values for secret in secrets_of(value)}
    if not isinstance(values, dict):
        return set()
    found = {str(values[name]) for name in values.keys() & (_SECRET | _GIVEN)}
    return found | {secret for value in values.values() for secret in secrets_of(value)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def resources_of(call: Call) -> tuple[tuple[str, str], ...]:
    """The resources a call names, by CloudFormation type and name."""
    return tuple(
        (kind, str(call.params[name])) for name, kind in _RESOURCES.items() if name in call.params
    )


def answer_of(call: Call, result: dict[str, Any]) -> dict[str, Any] | None:
    """`responseElements`: what a call that made something answered, secrets left out."""
    found = OPERATIONS.get((call.service, call.operation))
    told = (found is not None and found.writes) or call.operation in _ANSWERED
    return _written(result) or None if told else None


def _written(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        name[0].lower() + name[1:]: _written(value) if isinstance(value, dict) else _shown(value)
        for name, value in answer.items()
        if name not in _SECRET_ANSWERS
    }


def _shown(value: Any) -> Any:
    """Times as CloudTrail writes them in answers: Mar 4, 2026, 10:00:00 AM."""
    if not isinstance(value, datetime):
        return value
    return f"{value:%b} {value.day}, {value:%Y, %I:%M:%S %p}"


def event_of_call(
    seq: int,
    at: datetime,
    call: Call,
    caller: Caller,
    outcome: AwsError | dict[str, Any],
) -> Event:
    """The event of one authenticated call, and of its error or answer. IAM's are in us-east-1
    (AWS_FACTS.md 2.7)."""
    error = outcome if isinstance(outcome, AwsError) else None
    answer = None if isinstance(outcome, AwsError) else answer_of(call, outcome)
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
        answer=answer,
        resources=resources_of(call),
        account_id=caller.account.id,
        request_id=call.request_id,
    )
