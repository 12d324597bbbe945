"""One CloudTrail record, kept small and written out as AWS's JSON only when it is asked for."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .calls import Caller
from .ids import drawn_id

Identity = dict[str, Any]
DELIVERY_SECONDS = (60, 300)
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


@dataclass(slots=True)
class Event:
    """`identity` is the `userIdentity` element; `seq` its place in the trail, never reused."""

    seq: int
    at: datetime
    region: str
    source: str
    name: str
    username: str
    access_key_id: str
    identity: Identity
    ip: str
    agent: str
    read_only: bool
    error: tuple[str, str] | None
    params: dict[str, Any] | None
    answer: dict[str, Any] | None
    resources: tuple[tuple[str, str], ...]
    account_id: str
    kind: str = "AwsApiCall"
    request_id: str = ""

    @property
    def id(self) -> str:
        """The event id: the same in every run, as the event is."""
        parts = (self.account_id, self.at.isoformat(), self.region, self.name, self.username)
        return str(uuid.uuid5(uuid.NAMESPACE_OID, repr((parts, self.ip, self.request_id))))

    @property
    def visible_at(self) -> datetime:
        """When Event history shows it: one to five minutes later (AWS_FACTS.md 2.10)."""
        low, high = DELIVERY_SECONDS
        return self.at + timedelta(seconds=low + (self.at.second * 7919) % (high - low + 1))

    def record(self) -> dict[str, Any]:
        """The record as it stands in a log file."""
        record: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": self.identity,
            "eventTime": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.ip,
            "userAgent": self.agent,
        }
        if self.error is not None:
            code, message = self.error
            if code:
                record["errorCode"] = code
            record["errorMessage"] = message
        record |= {
            "requestParameters": self.params,
            "responseElements": self.answer,
            "requestID": self.request_id or drawn_id("", 20, self.id, "request"),
            "eventID": self.id,
            "readOnly": self.read_only,
            "eventType": self.kind,
            "managementEvent": True,
            "recipientAccountId": self.account_id,
            "eventCategory": "Management",
        }
        if self.kind == "AwsConsoleSignIn":
            record["additionalEventData"] = {
                "LoginTo": "https://console.aws.amazon.com/console/home",
                "MobileVersion": "No",
                "MFAUsed": "Yes" if (self.answer or {}).get("ConsoleLogin") == "Success" else "No",
            }
        return record

    def shown(self) -> dict[str, Any]:
        """The event as LookupEvents answers it."""
        shown: dict[str, Any] = {
            "EventId": self.id,
            "EventName": self.name,
            "ReadOnly": "true" if self.read_only else "false",
            "EventTime": self.at,
            "EventSource": self.source,
            "Username": self.username,
            "Resources": [{"ResourceType": t, "ResourceName": n} for t, n in self.resources],
            "CloudTrailEvent": json.dumps(self.record()),
        }
        if self.access_key_id:
            shown["AccessKeyId"] = self.access_key_id
        return shown


def identity_of(caller: Caller) -> Identity:
    """The `userIdentity` element of a caller (AWS_FACTS.md 2.3 to 2.6)."""
    base: Identity = {
        "principalId": caller.principal_id,
        "arn": caller.arn,
        "accountId": caller.account.id,
        "accessKeyId": caller.access_key_id,
    }
    if caller.federated and caller.user is not None:
        issuer = _issuer("IAMUser", caller.user.id, caller.user.arn, caller.user.name, caller)
        return {"type": "FederatedUser", **base, "sessionContext": {"sessionIssuer": issuer}}
    if caller.user is not None:
        return {"type": "IAMUser", **base, "userName": caller.user.name}
    if caller.role is None:
        return {"type": "Root", **base}
    context: Identity = {
        "sessionIssuer": _issuer("Role", caller.role.id, caller.role.arn, caller.role.name, caller),
        "attributes": {"mfaAuthenticated": "false"},
    }
    if caller.source_identity:
        context["sourceIdentity"] = caller.source_identity
    return {"type": "AssumedRole", **base, "sessionContext": context}


def assuming(event: str, who: str) -> Identity:
    """The `userIdentity` of whoever assumes a role: a `sub`, a person, a service or an ARN."""
    if event == "AssumeRoleWithWebIdentity":
        return {"type": "WebIdentityUser", "principalId": who, "userName": who}
    if event == "AssumeRoleWithSAML":
        return {"type": "SAMLUser", "principalId": who, "userName": who}
    if who.endswith(".amazonaws.com"):
        return {"type": "AWSService", "invokedBy": who}
    account = who.split(":")[4] if who.count(":") >= 5 else ""
    return {"type": "AWSAccount", "principalId": "AROAEXAMPLE:session", "accountId": account,
            "arn": who}  # fmt: skip


def _issuer(kind: str, principal_id: str, arn: str, name: str, caller: Caller) -> Identity:
    return {
        "type": kind,
        "principalId": principal_id,
        "arn": arn,
        "accountId": caller.account.id,
        "userName": name,
    }


def shown_username(caller: Caller) -> str:
    """What LookupEvents calls the requester: a role session by its session name."""
    if caller.session_name:
        return caller.session_name
    return caller.user.name if caller.user else "root"
