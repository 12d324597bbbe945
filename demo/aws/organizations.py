"""The organization that an account may belong to: who its management account is, who its members.

Listings are the management account's and its delegated administrators'. A page may be empty and go
on all the same (AWS's note on every List operation of Organizations).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .calls import Context, operation
from .errors import AwsError

_PAGE = 20
ROOT = "r-acme"
_FULL = "p-FullAWSAccess"
_ALLOWS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
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
    found = _for_managers(context)
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


@operation("organizations", "ListParents")
def list_parents(context: Context) -> dict[str, Any]:
    """Every account lies right below the root here."""
    found = _for_managers(context)
    child = str(context.params.get("ChildId"))
    if child not in {found.management_account, *(one.account_id for one in found.members)}:
        raise AwsError("ChildNotFoundException", "You specified a child that does not exist.", 400)
    return {"Parents": [{"Id": ROOT, "Type": "ROOT"}]}


@operation("organizations", "ListPoliciesForTarget")
def list_policies_for_target(context: Context) -> dict[str, Any]:
    """Those of an account, as its `scps` hold them; the root has the one that allows everything."""
    _for_managers(context)
    target = str(context.params.get("TargetId"))
    if target == ROOT:
        return {"Policies": [{"Id": _FULL, "Name": "FullAWSAccess", "AwsManaged": True}]}
    account = context.simulator.accounts.get(target)
    if account is None:
        raise AwsError("TargetNotFoundException", "There is no such target.", 400)
    names = [f"p-{target}-{number}" for number, _ in enumerate(account.scps)]
    return {"Policies": [{"Id": name, "Name": name, "AwsManaged": False} for name in names]}


@operation("organizations", "DescribePolicy")
def describe_policy(context: Context) -> dict[str, Any]:
    """With its document as text; PolicyNotFoundException."""
    _for_managers(context)
    wanted = str(context.params.get("PolicyId"))
    known: dict[str, Any] = {_FULL: _ALLOWS}
    for account in context.simulator.accounts.values():
        for number, document in enumerate(account.scps):
            known[f"p-{account.id}-{number}"] = document
    if wanted not in known:
        raise AwsError("PolicyNotFoundException", "There is no such policy.", 400)
    summary = {"Id": wanted, "Name": wanted, "Type": "SERVICE_CONTROL_POLICY"}
    return {"Policy": {"PolicySummary": summary, "Content": json.dumps(known[wanted])}}


def _for_managers(context: Context) -> Organization:
    """AccessDeniedException for members."""
    found = _organization(context)
    if context.account.id not in (found.management_account, *found.delegated):
        message = "You don't have permissions to access this resource."
        raise AwsError("AccessDeniedException", message, 400)
    return found


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
