"""One CloudTrail record, read with care: whose it is, what was done, from where, with what.

A record is text that others can shape: whoever calls AWS chooses user agent, session names and
parameters. Whatever its shape, it is an event of this user, somebody else's, or said to be
unreadable; never a crash, and never somebody else's event taken for the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.rights.named import resources_of

USE, DENIED, FAILED_SIGN_IN = "use", "denied", "failed-sign-in"
# Nothing in a record is worth more than this; the columns it goes to are shorter still.
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One event of an IAM user. `kind`: use | denied | failed-sign-in. `at` is aware UTC.

    `resources`: the ARNs that it names.
    """

    event_id: str
    at: datetime
    region: str
    service: str
    action: str
    access_key_id: str
    source_address: str
    user_agent: str
    error_code: str
    kind: str
    principal_id: str
    request: dict[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Creation:
    """Who made an IAM user or one of its access keys. `user_id` is "" where AWS does not say it.

    `by` is what a person would call the maker: an IAM user's name, the session name of a role,
    "root"; `with_` its user agent.
    """

    at: datetime
    user_name: str
    user_id: str
    by: str
    with_: str


def as_event(record: Any, user_id: str) -> TrailEvent | None:
    """`record` (a parsed CloudTrailEvent) as an event of this IAM user; None if somebody else's.

    An IAM user's own calls and its GetSessionToken sessions bear its id as `principalId`, its
    GetFederationToken sessions only as that of the session's issuer. Raises AwsFailure
    "MalformedEvent" where the record does not say whose it is, or is this user's without a time.
    """
    if acting_user(record) != user_id or not user_id:
        return None
    identity = _part(record, "userIdentity")
    request = record.get("requestParameters")
    return TrailEvent(
        event_id=text(record.get("eventID")),
        at=_time(record.get("eventTime")),
        region=text(record.get("awsRegion")),
        service=text(record.get("eventSource")).removesuffix(".amazonaws.com"),
        action=text(record.get("eventName")),
        access_key_id=text(identity.get("accessKeyId")),
        source_address=text(record.get("sourceIPAddress")),
        user_agent=text(record.get("userAgent")),
        error_code=text(record.get("errorCode")),
        kind=_kind(record),
        principal_id=text(identity.get("principalId")),
        request=dict(request) if isinstance(request, Mapping) else {},
        resources=resources_of(record),
    )


def as_creation(record: Any, at: datetime | None) -> Creation | None:
    """A CreateUser or CreateAccessKey `record` of `at` as who made what; None if nothing was."""
    if not isinstance(record, Mapping) or at is None or record.get("errorCode"):
        return None
    request, answer = _part(record, "requestParameters"), _part(record, "responseElements")
    made = _part(answer, "user") or _part(answer, "accessKey")
    name = text(made.get("userName") or request.get("userName"))
    by = actor(_part(record, "userIdentity"))
    if not name or not by:
        return None
    return Creation(at, name, text(made.get("userId")), by, text(record.get("userAgent")))


def actor(identity: Mapping[str, Any]) -> str:
    """Who a `userIdentity` is, as a person would say it; "" where it does not tell."""
    kind = text(identity.get("type"))
    if kind == "Root":
        return "root"
    if kind in {"AssumedRole", "FederatedUser"}:
        session = text(identity.get("principalId")).partition(":")[2]
        return session or text(identity.get("arn")).rpartition("/")[2]
    name = identity.get("userName") or identity.get("invokedBy")
    return text(name) or text(identity.get("arn")).rpartition("/")[2]


def failed_sign_in(record: Mapping[str, Any]) -> bool:
    """Whether somebody tried to sign in and AWS did not let them: anybody who knows a name can."""
    if record.get("eventSource") != "signin.amazonaws.com":
        return False
    answers = _part(record, "responseElements").values()
    return record.get("errorMessage") == "Failed authentication" or any(
        value == "Failure" for value in answers
    )


def text(value: Any) -> str:
    """`value` as text that PostgreSQL takes: no NUL, no half of a surrogate pair, cut.

    A list or an object where AWS writes text is nothing that could be shown.
    """
    if value is None or isinstance(value, (list, dict)):
        return ""
    cut = str(value)[:_LONGEST].replace("\x00", "")
    return cut.encode("utf-8", "replace").decode("utf-8")


def acting_user(record: Any) -> str:
    """The id of the IAM user that acted in `record`; "" if none did.

    Raises AwsFailure "MalformedEvent" where it does not say.
    """
    if not isinstance(record, Mapping):
        raise _malformed("An event of event history cannot be read.")
    identity = record.get("userIdentity")
    if not isinstance(identity, Mapping):
        raise _malformed("An event of event history does not say whose it is.")
    kind = identity.get("type")
    # Without a principal: a sign-in under a name that no user bears, which AWS hides.
    principal = identity.get("principalId", "")
    if kind == "FederatedUser":
        issuer = _part(_part(identity, "sessionContext"), "sessionIssuer")
        if "principalId" not in issuer:
            raise _malformed("An event of a federated session does not say whose session it is.")
        principal = issuer["principalId"]
    elif kind != "IAMUser":
        return ""
    if principal is not None and not isinstance(principal, str):
        raise _malformed("An event of event history does not say whose it is.")
    return principal or ""


def _kind(record: Mapping[str, Any]) -> str:
    if failed_sign_in(record):
        return FAILED_SIGN_IN
    code = text(record.get("errorCode"))
    refused = code.startswith("AccessDenied") or code.endswith("UnauthorizedOperation")
    return DENIED if refused else USE


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _malformed("An event of this user has no time that can be read.") from error


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _malformed(message: str) -> AwsFailure:
    return AwsFailure("MalformedEvent", message, operation="LookupEvents")
