"""Looking at one user while a sync is under way: what it lacks stays a gap."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.aws.account import Simulator
from inventory import clock, refresh
from inventory.aws.holdings import read_user
from inventory.aws.session import open_session
from inventory.models import Account, Activity, IamUser, Sync
from inventory.refresh import judging, listing, looking, signs
from inventory.refresh import run as runs
from inventory.signals import account_synced
from tests.inventory import syncs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


@pytest.fixture
def account(simulator: Simulator) -> Account:
    """`production`, read once."""
    account = syncs.production()
    syncs.sync(account)
    syncs.move(hours=1)
    return account


def dormant() -> IamUser:
    return IamUser.objects.filter(verdict="dormant", gone_at=None).order_by("pk")[0]


def look(user: IamUser) -> bool:
    session = open_session(user.account, "reader")
    whole = refresh.look_at_user(user, session, read_user(session, user.user_name))
    user.refresh_from_db()
    return whole


def listed_anew(account: Account) -> None:
    """A sync that has read who is there, and nothing else yet."""
    run = runs.claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    run.session = open_session(account, "reader")
    run.begin("users")
    listing.read_users(run)
    run.release()


def test_a_gap_of_the_last_sync_holds_until_its_own_step_reads_again(
    simulator: Simulator, account: Account
) -> None:
    user = dormant()
    syncs.fault(simulator, "access-denied", "GenerateServiceLastAccessedDetails")
    syncs.sync(account)
    syncs.move(hours=1)
    listed_anew(account)
    assert look(user) is False
    assert (user.verdict, user.coverage_whole) == ("unknown", False)
    simulator.faults.clear()
    assert syncs.sync(account).status == Sync.Status.WHOLE
    user.refresh_from_db()
    assert (user.verdict, user.coverage_whole) == ("dormant", True)
    assert not IamUser.objects.filter(coverage__gaps__has_key="services").exists()


def test_a_gap_of_a_user_that_came_into_use_is_forgotten(
    simulator: Simulator, account: Account
) -> None:
    user = dormant()
    syncs.fault(simulator, "access-denied", "GenerateServiceLastAccessedDetails")
    syncs.sync(account)
    IamUser.objects.filter(pk=user.pk).update(password_last_used_at=clock.now())
    syncs.move(hours=1)
    syncs.sync(account)
    user.refresh_from_db()
    assert user.verdict == "active"
    assert "services" not in user.coverage["gaps"]


def test_a_read_that_failed_is_not_whole_though_a_sync_wrote_over_its_gap(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = dormant()
    kept = user.coverage

    def judged_by_a_sync(users: list[IamUser], *_: object) -> None:
        IamUser.objects.filter(pk=user.pk).update(coverage=kept, coverage_whole=True)

    monkeypatch.setattr(looking, "judge", judged_by_a_sync)
    monkeypatch.setattr(looking, "read_last_used", lambda *_: None)
    assert look(user) is False


def test_an_older_judgement_never_writes_over_a_later_one(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, now, real = dormant(), clock.now(), signs.company_of
    told: list[str] = []

    def looked_at_meanwhile(*whom: Any) -> Any:
        if not told:
            told.append("used")
            used(user)
            judging.judge([user])
        return real(*whom)

    monkeypatch.setattr(judging, "company_of", looked_at_meanwhile)
    judging.judge([user])
    user.refresh_from_db()
    assert user.verdict == "active"
    assert user.last_activity_at is not None
    assert user.last_activity_at >= now


def used(user: IamUser) -> None:
    now = clock.now()
    Activity.objects.create(
        user=user,
        day=now.date(),
        region="us-east-1",
        service="ec2",
        action="DescribeInstances",
        outcome="ok",
        count=1,
        first_at=now,
        last_at=now,
    )


def test_user_and_credentials_are_written_in_the_order_of_a_sync(
    simulator: Simulator, account: Account
) -> None:
    user = next(one for one in IamUser.objects.all() if one.credentials.exists())
    user.credentials.all().delete()
    session = open_session(account, "reader")
    holdings = read_user(session, user.user_name)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        refresh.read_last_used(user, session, holdings)
    writes = [one["sql"] for one in asked if one["sql"].startswith(("UPDATE", "INSERT"))]
    assert ['"inventory_iamuser"' in writes[0], '"inventory_credential"' in writes[-1]] == [
        True,
        True,
    ]


def test_a_look_for_many_serves_each_of_them(simulator: Simulator, account: Account) -> None:
    users = list(IamUser.objects.filter(verdict="dormant", gone_at=None).order_by("pk")[:5])
    session = open_session(account, "reader")
    refresh.listen_users(account, users, session, clock.now())
    simulator.calls.clear()
    assert all(look(user) for user in users)
    assert "LookupEvents" not in {note["operation"] for note in simulator.calls}
