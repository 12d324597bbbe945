"""The organization's accounts, to the last page, and only for whom AWS answers."""

from __future__ import annotations

import pytest

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from demo.aws.organizations import Member as AwsMember
from demo.aws.organizations import Organization
from inventory.aws import organizations
from inventory.aws.organizations import Member
from inventory.aws.session import AwsFailure, AwsSession, open_session
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(simulator: Simulator) -> AwsSession:
    role = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanupReader"
    account = cast.account(reader_role=role, external_id="env:PRODUCTION_EXTERNAL_ID")
    return open_session(account, "reader")


def organization(management: str = cast.ACCOUNT_ID, members: int = 45) -> Organization:
    rows = [AwsMember(f"{number:012d}", f"team-{number:02d}") for number in range(members)]
    return Organization(management, [AwsMember(cast.ACCOUNT_ID, "production"), *rows])


def test_empty_pages_do_not_end_the_listing(simulator: Simulator, session: AwsSession) -> None:
    simulator.organization = organization()
    simulator.organization.empty_pages = 2
    listed = organizations.read(session)
    assert len(listed.members) == 46
    assert listed.management_account == cast.ACCOUNT_ID
    assert listed.members[0] == Member(cast.ACCOUNT_ID, "production", "ACTIVE")


def test_suspended_accounts_are_marked(simulator: Simulator, session: AwsSession) -> None:
    simulator.organization = organization(members=1)
    simulator.organization.members[1].state = "SUSPENDED"
    states = {one.account_id: one.active for one in organizations.read(session).members}
    assert states == {cast.ACCOUNT_ID: True, "000000000000": False}


def test_a_delegated_administrator_is_answered_too(
    simulator: Simulator, session: AwsSession
) -> None:
    simulator.organization = organization("999999999999", members=2)
    with pytest.raises(AwsFailure) as refused:
        organizations.read(session)
    assert refused.value.denied
    simulator.organization.delegated = (cast.ACCOUNT_ID,)
    assert len(organizations.read(session).members) == 3


def test_an_account_without_an_organization_says_so(
    simulator: Simulator, session: AwsSession
) -> None:
    with pytest.raises(AwsFailure, match="AWSOrganizationsNotInUseException"):
        organizations.read(session)


def test_a_listing_that_breaks_off_is_no_listing(simulator: Simulator, session: AwsSession) -> None:
    simulator.organization = organization()
    simulator.faults.add(Fault("access-denied", "ListAccounts", count=None, skip=2))
    with pytest.raises(AwsFailure, match="ListAccounts"):
        organizations.read(session)
