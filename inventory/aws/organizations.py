"""Which accounts an organization has, as AWS Organizations tells its management account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

ACTIVE = "ACTIVE"


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
    members = (_member(row) for page in _pages(client) for row in page.get("Accounts", ()))
    return Listed(
        organization_id=str(told["Id"]),
        management_account=str(told["MasterAccountId"]),
        members=tuple(sorted(members, key=lambda one: (one.name.lower(), one.account_id))),
    )


def _pages(client: Any) -> Iterator[dict[str, Any]]:
    """To the page without a token: one without accounts does not end the listing."""
    arguments: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        page: dict[str, Any] = ask(client.list_accounts, "ListAccounts", **arguments)
        yield page
        token = str(page.get("NextToken") or "")
        if not token:
            return
        if token in seen:
            message = "AWS said that the listing goes on, but not where."
            raise AwsFailure("HalfRead", message, operation="ListAccounts", retryable=True)
        seen.add(token)
        arguments = {"NextToken": token}


def _member(told: dict[str, Any]) -> Member:
    # `Status` ended in September 2026; an endpoint that is behind may know nothing else.
    state = told.get("State") or told.get("Status") or ""
    return Member(str(told["Id"]), str(told.get("Name") or ""), str(state))
