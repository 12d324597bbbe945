"""Many users are listened to at once, the cheaper way in each Region, and nobody is half heard."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.events import Event
from inventory import clock, refresh
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, IamUser, TrailCoverage
from inventory.refresh import regional
from tests import cast
from tests.inventory import syncs

pytestmark = pytest.mark.django_db
HOME, NEAR = "us-east-1", "eu-west-1"


@pytest.fixture
def account(simulator: Simulator) -> Account:
    account = syncs.production()
    account.enabled_regions = [HOME, NEAR]
    account.save()
    return account


@pytest.fixture
def session(account: Account) -> AwsSession:
    return open_session(account, "reader")


@pytest.fixture
def users(simulator: Simulator, account: Account) -> list[IamUser]:
    """Ten users of the simulated account, all read up to half an hour ago."""
    found = sorted(simulator.account.users.values(), key=lambda user: user.name)[:10]
    rows = [
        cast.iam_user(user.name, account, user_id=user.id, arn=user.arn, created_at=user.created_at)
        for user in found
    ]
    read_until(rows, clock.now() - timedelta(minutes=30))
    simulator.calls.clear()
    return rows


def read_until(rows: list[IamUser], at: datetime) -> None:
    """As a whole look up to `at` leaves it."""
    for row in rows:
        for region in (HOME, NEAR):
            TrailCoverage.objects.update_or_create(
                user=row,
                region=region,
                defaults={
                    "read_from": at - timedelta(days=80),
                    "read_to": at,
                    "looked_at": at,
                    "error": "",
                },
            )


def lookups(simulator: Simulator) -> Counter[tuple[str, str]]:
    """How often each Region was asked, for a name or for everybody ("")."""
    found: Counter[tuple[str, str]] = Counter()
    for note in simulator.calls:
        if note["operation"] == "LookupEvents":
            attributes = note["params"].get("LookupAttributes")
            found[note["region"], attributes[0]["AttributeValue"] if attributes else ""] += 1
    return found


def crowd(simulator: Simulator, region: str, events: int) -> None:
    """Others are at work in that Region."""
    for _ in range(events):
        act(simulator, {"act": "session", "role": "ci-runner", "session": "b", "region": region})


def test_a_quiet_region_is_read_once_for_everybody(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    act(simulator, {"act": "call", "user": users[3].user_name, "region": NEAR, "ip": "203.0.113.9"})
    syncs.move(minutes=20)
    until = clock.now()
    found = refresh.listen_users(account, users, session, until)
    assert [event.source_address for event in found[users[3].pk]] == ["203.0.113.9"]
    assert all(not found[user.pk] for user in users if user != users[3])
    assert {name for (region, name) in lookups(simulator) if region == NEAR} == {""}
    assert lookups(simulator)[NEAR, ""] == 1
    assert {refresh.listened_to(user) for user in users} == {until}
    assert refresh.listen_users(account, users, session, clock.now())[users[3].pk] == []


def test_a_busy_region_is_asked_for_each_name(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    act(simulator, {"act": "call", "user": users[3].user_name, "region": NEAR})
    crowd(simulator, NEAR, 600)
    syncs.move(minutes=12)
    until = clock.now()
    found = refresh.listen_users(account, users, session, until)
    assert [event.region for event in found[users[3].pk]] == [NEAR]
    asked = lookups(simulator)
    # Given up once it was plain that it costs more than the lookups; all of it is asked by name.
    assert asked[NEAR, ""] == 3
    assert all(asked[NEAR, user.user_name] == 1 for user in users)
    assert {refresh.listened_to(user) for user in users} == {until}
    # How busy it is was found out; the next round does not try again.
    simulator.calls.clear()
    refresh.listen_users(account, users, session, clock.now())
    assert lookups(simulator)[NEAR, ""] == 0


def test_whoever_was_passed_on_the_way_back_is_heard_and_nobody_else(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    """Half were read lately; what lies further back would take too many pages."""
    late, early = users[:5], users[5:]
    read_until(early, clock.now() - timedelta(days=3))
    act(simulator, {"act": "call", "user": early[0].user_name, "region": NEAR})
    crowd(simulator, NEAR, 600)
    syncs.move(days=1)
    read_until(late, clock.now() - timedelta(minutes=5))
    until = clock.now()
    found = refresh.listen_users(account, users, session, until)
    asked = lookups(simulator)
    assert {name for (region, name) in asked if region == NEAR and name} == {
        user.user_name for user in early
    }
    assert len(found[early[0].pk]) == 1
    assert {refresh.listened_to(user) for user in users} == {until}


@pytest.mark.parametrize("few", [True, False])
def test_a_few_are_looked_up_by_name(
    simulator: Simulator,
    account: Account,
    session: AwsSession,
    users: list[IamUser],
    few: bool,
) -> None:
    refresh.listen_users(account, users[: 4 if few else 5], session, clock.now())
    assert bool(lookups(simulator)[NEAR, ""]) is not few


def test_a_role_session_of_the_same_name_is_somebody_else(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    name = users[2].user_name
    act(simulator, {"act": "session", "role": "ci-runner", "session": name, "region": NEAR})
    syncs.move(minutes=20)
    assert refresh.listen_users(account, users, session, clock.now())[users[2].pk] == []


def test_a_federated_session_is_heard_whoever_is_asked_for(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    act(simulator, {"act": "federation", "user": users[2].user_name, "region": NEAR})
    syncs.move(minutes=20)
    found = refresh.listen_users(account, users, session, clock.now())[users[2].pk]
    assert {(one.region, one.action) for one in found} == {
        (HOME, "GetFederationToken"),
        (NEAR, "ListBuckets"),
    }


def test_what_cannot_be_read_is_a_gap_of_whoever_bears_that_name(
    simulator: Simulator,
    account: Account,
    session: AwsSession,
    users: list[IamUser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    act(simulator, {"act": "call", "user": users[2].user_name, "region": NEAR})
    act(simulator, {"act": "call", "user": users[3].user_name, "region": NEAR})
    syncs.move(minutes=20)
    shown = Event.shown

    def broken(event: Event) -> dict[str, Any]:
        told = shown(event)
        if event.username == users[2].user_name and event.region == NEAR:
            told["CloudTrailEvent"] = "7"
        return told

    monkeypatch.setattr(Event, "shown", broken)
    found = refresh.listen_users(account, users, session, clock.now())
    assert lookups(simulator)[NEAR, ""] == 1
    assert [user for user in users if refresh.listened_to(user) is None] == [users[2]]
    assert len(found[users[3].pk]) == 1


def test_a_region_that_refuses_is_asked_once_and_is_a_gap_for_all(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    act(simulator, {"act": "call", "user": users[3].user_name, "region": HOME})
    syncs.move(minutes=20)
    syncs.fault(simulator, "access-denied", "LookupEvents", region=NEAR)
    until = clock.now()
    found = refresh.listen_users(account, users, session, until)
    assert len(found[users[3].pk]) == 1
    assert sum(n for (region, _), n in lookups(simulator).items() if region == NEAR) == 1
    rows = TrailCoverage.objects.filter(user__in=users)
    assert not rows.filter(region=NEAR, read_to=until).exists()
    assert all("AccessDenied" in row.error for row in rows.filter(region=NEAR))
    assert rows.filter(region=HOME, read_to=until).count() == len(users)


def test_a_look_that_breaks_off_half_way_reads_by_name(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    act(simulator, {"act": "call", "user": users[3].user_name, "region": NEAR})
    crowd(simulator, NEAR, 60)
    syncs.move(minutes=20)
    # The second page of everybody's events is refused, and with it the event on it.
    syncs.fault(simulator, "no-such-entity", "LookupEvents", region=NEAR, skip=1, count=1)
    until = clock.now()
    found = refresh.listen_users(account, users, session, until)
    assert lookups(simulator)[NEAR, ""] == 2
    assert len(found[users[3].pk]) == 1
    assert {refresh.listened_to(user) for user in users} == {until}


def test_a_young_look_serves_again_and_an_old_one_does_not(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    refresh.listen_users(account, users, session, clock.now())
    simulator.calls.clear()
    syncs.move(seconds=100)
    refresh.listen_users(account, users, session, clock.now(), fresh=refresh.LOOK_SERVES)
    assert not lookups(simulator)
    syncs.move(seconds=30)
    refresh.listen_users(account, users, session, clock.now(), fresh=refresh.LOOK_SERVES)
    assert lookups(simulator)


def test_a_young_gap_does_not_serve(
    simulator: Simulator, account: Account, session: AwsSession, users: list[IamUser]
) -> None:
    refresh.listen_users(account, users, session, clock.now())
    TrailCoverage.objects.filter(user=users[0], region=NEAR).update(error="AWS did not answer.")
    simulator.calls.clear()
    refresh.listen_users(account, users, session, clock.now(), fresh=refresh.LOOK_SERVES)
    assert set(lookups(simulator)) == {(NEAR, users[0].user_name)}


def test_whoever_was_not_reached_in_time_is_not_read(
    simulator: Simulator,
    account: Account,
    session: AwsSession,
    users: list[IamUser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regional, "_FEW", len(users))
    before, until = refresh.listened_to(users[-1]), clock.now()

    asked: Counter[str] = Counter()

    def goes_on() -> bool:
        # Each Region has a thread of its own, and either may be the quicker one: a count for each.
        thread = threading.current_thread().name
        asked[thread] += 1
        return thread.startswith("trail ") and asked[thread] <= 4

    heard = dict(refresh.hear(account, users, session, until, goes_on=goes_on))
    assert 0 < len(heard) < len(users)
    assert refresh.listened_to(users[0]) == until
    assert refresh.listened_to(users[-1]) == before


def test_a_fault_of_ours_in_a_thread_is_raised_and_ends_the_others(
    account: Account, session: AwsSession, users: list[IamUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(regional, "look_at_all", broken)
    with pytest.raises(ZeroDivisionError):
        refresh.listen_users(account, users, session, clock.now())
