"""Who assumed a role, and how: the sessions that event history shows of it.

Asked for by the role's ARN, which each of STS's assuming calls names as a resource. The record says
the way in (web identity, SAML, another principal, an AWS service), so that somebody who tried a
role by hand does not pass for the workload it is meant for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.aws.cloudtrail import Line, pages_of
from inventory.aws.paging import listing
from inventory.aws.session import AwsSession
from inventory.aws.trail_events import text

WEB_IDENTITY, SAML = "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"
ASSUME = "AssumeRole"
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class ListedRole:
    """A role of the account."""

    name: str
    arn: str
    role_id: str


@dataclass(frozen=True, slots=True)
class Assumed:
    """One session that began. `event`: one of the three calls; `at` is aware UTC.

    `who` is the identity that asked, in AWS's words: a `sub` of GitHub, a service such as
    `ec2.amazonaws.com`, the ARN of a principal. `account_id` is that of the asking principal, ""
    where it has none.
    """

    at: datetime
    event: str
    who: str
    session: str
    account_id: str = ""


def roles(session: AwsSession) -> list[ListedRole]:
    """Every role of the account; raises AwsFailure rather than giving a part."""
    iam = session.client("iam")
    told = listing(iam.list_roles, "ListRoles", "Roles")
    return [ListedRole(one["RoleName"], one["Arn"], one["RoleId"]) for one in told]


def assumed(line: Line, arn: str, since: datetime, until: datetime) -> list[Assumed]:
    """The newest thousand sessions of a role that began in one Region. Raises AwsFailure.

    Refused tries, and events that cannot be read, are no sessions.
    """
    found: list[Assumed] = []
    for number, page in enumerate(pages_of(line, ("ResourceName", arn), since, until), start=1):
        found += [one for at, record in page.records if (one := as_assumed(record, at, arn))]
        if number >= _MOST_PAGES:
            break
    return found


def as_assumed(record: Any, at: datetime | None, arn: str) -> Assumed | None:
    """A record as a session of this role that began; None if it is anything else."""
    if not isinstance(record, Mapping) or at is None or record.get("errorCode"):
        return None
    event = text(record.get("eventName"))
    source = text(record.get("eventSource"))
    if source != "sts.amazonaws.com" or event not in (ASSUME, WEB_IDENTITY, SAML):
        return None
    request = _part(record, "requestParameters")
    if text(request.get("roleArn")) != arn:
        return None
    identity = _part(record, "userIdentity")
    return Assumed(
        at=at,
        event=event,
        who=_who(identity),
        session=text(request.get("roleSessionName")) or text(identity.get("userName")),
        account_id=text(identity.get("accountId")),
    )


def _who(identity: Mapping[str, Any]) -> str:
    for name in ("invokedBy", "userName", "arn", "principalId"):
        if said := text(identity.get(name)):
            return said
    return ""


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}
