"""The organization that an account may belong to: who its management account is, who its members.

Listings are the management account's and its delegated administrators'. A page may be empty and go
on all the same (AWS's note on every List operation of Organizations).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .calls import Context, operation
from .errors import AwsError

_PAGE = 20
_JOINED = datetime(2021, 4, 12, 9, 30, tzinfo=UTC)


@dataclass
class Member:
    """An account of the organization. `state` as Organizations names it."""

    account_id: str
    name: str
    email: str = ""
    state: str = "ACTIVE"


@dataclass
class Organization:
    """`empty_pages` come before the first member."""

    management_account: str
    members: list[Member] = field(default_factory=list)
    delegated: tuple[str, ...] = ()
    id: str = "o-exampleorgid"
    empty_pages: int = 1


def _organization(context: Context) -> Organization:
    """AWSOrganizationsNotInUseException outside an organization."""
    found: Organization | None = context.simulator.organization
    known = {member.account_id for member in found.members} if found else set()
    if found is None or context.account.id not in {found.management_account, *known}:
        message = "Your account is not a member of an organization."
        raise AwsError("AWSOrganizationsNotInUseException", message, 400)
    return found


@operation("organizations", "DescribeOrganization")
def describe_organization(context: Context) -> dict[str, Any]:
    """Any member may ask."""
    found = _organization(context)
    management = found.management_account
    return {
        "Organization": {
            "Id": found.id,
            "Arn": f"arn:aws:organizations::{management}:organization/{found.id}",
            "FeatureSet": "ALL",
            "MasterAccountArn": (
                f"arn:aws:organizations::{management}:account/{found.id}/{management}"
            ),
            "MasterAccountId": management,
        }
    }


@operation("organizations", "ListAccounts")
def list_accounts(context: Context) -> dict[str, Any]:
    """AccessDeniedException for members; InvalidInputException for a token that is none."""
    found = _organization(context)
    if context.account.id not in (found.management_account, *found.delegated):
        message = "You don't have permissions to access this resource."
        raise AwsError("AccessDeniedException", message, 400)
    size = min(int(context.params.get("MaxResults") or _PAGE), _PAGE, context.page_limit)
    try:
        pages, start = map(int, str(context.params.get("NextToken") or "0/0").split("/"))
    except ValueError:
        raise AwsError("InvalidInputException", "The NextToken is invalid.", 400) from None
    if pages < found.empty_pages:
        return {"Accounts": [], "NextToken": f"{pages + 1}/0"}
    last = start + size
    answer: dict[str, Any] = {
        "Accounts": [_shown(found, member) for member in found.members[start:last]]
    }
    if last < len(found.members):
        answer["NextToken"] = f"{pages}/{last}"
    return answer


def _shown(found: Organization, member: Member) -> dict[str, Any]:
    management, account = found.management_account, member.account_id
    return {
        "Id": account,
        "Arn": f"arn:aws:organizations::{management}:account/{found.id}/{account}",
        "Email": member.email or f"aws+{account}@acme.example",
        "Name": member.name,
        "State": member.state,
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": _JOINED,
    }
