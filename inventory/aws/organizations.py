"""Which accounts an organization has, as AWS Organizations tells its management account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask, token_listing
from inventory.aws.session import AwsSession

ACTIVE = "ACTIVE"
_ALONE = "AWSOrganizationsNotInUseException"


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the organization. `name` is whatever somebody called it; `state` is AWS's
    word: ACTIVE, SUSPENDED, PENDING_ACTIVATION, PENDING_CLOSURE or CLOSED."""

    account_id: str
    name: str
    state: str

    @property
    def active(self) -> bool:
        return self.state == ACTIVE


@dataclass(frozen=True, slots=True)
class Listed:
    """The organization as one of its accounts sees it."""

    organization_id: str
    management_account: str
    members: tuple[Member, ...]


def read(session: AwsSession) -> Listed:
    """Every account of the session's organization, by name and id. Raises AwsFailure.

    AWS answers the management account and delegated administrators alone; others are refused with
    AccessDeniedException, an account without organization with AWSOrganizationsNotInUseException.
    """
    client = session.client("organizations")
    told = ask(client.describe_organization, "DescribeOrganization")["Organization"]
    members = map(_member, token_listing(client.list_accounts, "ListAccounts", "Accounts"))
    return Listed(
        organization_id=str(told["Id"]),
        management_account=str(told["MasterAccountId"]),
        members=tuple(sorted(members, key=lambda one: (one.name.lower(), one.account_id))),
    )


def management_account(session: AwsSession) -> str:
    """The id of the account that manages the session's organization; "" where it is in none.

    AWS answers every account of an organization. Raises AwsFailure.
    """
    client = session.client("organizations")
    try:
        told = ask(client.describe_organization, "DescribeOrganization")["Organization"]
    except AwsFailure as failed:
        if failed.code == _ALONE:
            return ""
        raise
    return str(told["MasterAccountId"])


def _member(told: dict[str, Any]) -> Member:
    # `Status` ended in September 2026; an endpoint that is behind may know nothing else.
    state = told.get("State") or told.get("Status") or ""
    return Member(str(told["Id"]), str(told.get("Name") or ""), str(state))
