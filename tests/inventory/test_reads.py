"""Times noted once for an account never speak for a user that was not read."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection

from demo.aws.account import Simulator
from inventory import clock, reads, refresh
from inventory.models import Account, IamUser, ReadPass, Sync, TrailCoverage
from inventory.refresh import credentials, listing
from tests import cast
from tests.inventory.syncs import fault, move, production, recreate, row, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return production()


def read_at(name: str, key: str = reads.CREDENTIALS) -> datetime:
    found = reads.read_at(row(name), key)
    assert found is not None
    return found


def began(of: Sync) -> datetime:
    of.refresh_from_db()
    assert of.started_at is not None
    return of.started_at


def test_a_gap_is_not_covered_by_the_times_of_the_others(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = read_at("marta.ruiz")
    move(hours=6)
    fault(simulator, "error", "GetLoginProfile", match={"UserName": "marta.ruiz"})
    again = sync(account)
    assert "credentials" in row("marta.ruiz").coverage["gaps"]
    assert read_at("marta.ruiz") == before
    other = read_at("lena.koch")
    assert other >= began(again)
    # Nor by those of the sync after, which reads it again.
    move(hours=6)
    sync(account)
    assert read_at("marta.ruiz") == before
    simulator.faults.clear()
    move(hours=6)
    last = sync(account)
    assert "credentials" not in row("marta.ruiz").coverage["gaps"]
    assert read_at("marta.ruiz") >= began(last)


def test_policies_that_could_not_be_read_keep_their_time(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = read_at("lena.koch", reads.DETAILS)
    move(hours=6)
    fault(simulator, "access-denied", "GetAccountAuthorizationDetails")
    sync(account)
    assert read_at("lena.koch", reads.DETAILS) == before
    assert read_at("lena.koch", reads.LISTED) > before


def test_a_slice_that_ends_claims_only_what_it_read(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    users = list(IamUser.objects.order_by("pk"))
    before = {user.pk: reads.read_at(user, reads.CREDENTIALS) for user in users}
    move(hours=6)
    monkeypatch.setattr(credentials, "_CHUNK", 5)
    asked = refresh.ask_sync(account, None)
    real = credentials._read
    calls = 0

    def once(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise RuntimeError("killed")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(credentials, "_read", once)
    refresh.run_sync(asked.pk)
    now = {user.pk: reads.read_at(user, reads.CREDENTIALS) for user in users}
    moved = [pk for pk in now if now[pk] != before[pk]]
    assert moved == [user.pk for user in users[:10]]
    monkeypatch.setattr(credentials, "_read", real)
    while refresh.run_sync(asked.pk):
        pass
    assert Sync.objects.get(pk=asked.pk).status == Sync.Status.WHOLE
    assert all(read_at(user.user_name) >= began(asked) for user in users)


def test_a_user_that_is_not_listed_keeps_its_times(simulator: Simulator, account: Account) -> None:
    sync(account)
    old = row("lena.koch")
    before = {key: reads.read_at(old, key) for key in (reads.LISTED, reads.CREDENTIALS)}
    move(hours=6)
    recreate(simulator, "lena.koch")
    sync(account)
    old.refresh_from_db()
    assert old.missing_since is not None
    assert {key: reads.read_at(old, key) for key in before} == before


def test_who_is_listed_again_is_not_read_before_it_is_read(account: Account) -> None:
    first = Sync.objects.create(account=account, asked_at=clock.now())
    user = cast.iam_user("back", account)
    long_ago = clock.now() - timedelta(days=3)
    reads.mark_all(account, ReadPass.Part.CREDENTIALS, first, [user.pk], long_ago)
    listing._note_missing(account, [user.pk])
    second = Sync.objects.create(account=account, asked_at=clock.now(), status="whole")
    reads.mark_all(account, ReadPass.Part.CREDENTIALS, second, [user.pk], clock.now())
    user.refresh_from_db()
    assert reads.read_at(user, reads.CREDENTIALS) == long_ago
    user.missing_since = None
    assert reads.read_at(user, reads.CREDENTIALS) == long_ago


def test_a_pass_that_was_broken_off_leaves_the_one_before_to_the_others(account: Account) -> None:
    users = [cast.iam_user(f"u{number}", account) for number in range(3)]
    now = clock.now()
    syncs = [Sync.objects.create(account=account, asked_at=now, status="whole") for _ in range(3)]
    times = [now - timedelta(hours=hours) for hours in (12, 6, 0)]
    part = ReadPass.Part.CREDENTIALS
    for user in users:
        reads.mark(reads.begun(account, part, syncs[0]), user.pk, times[0])
    reads.mark(reads.begun(account, part, syncs[1]), users[1].pk, times[1])
    reads.mark(reads.begun(account, part, syncs[2]), users[0].pk, times[2])
    told = [reads.read_at(user, reads.CREDENTIALS) for user in users]
    assert told == [times[2], times[1], times[0]]


def test_a_second_sync_with_nothing_changed_leaves_the_rows_of_users_in_use_alone(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    sync(account)
    before = _versions()
    sync(account)
    after = _versions()
    doubtful = set(IamUser.objects.exclude(verdict="active").values_list("pk", flat=True))
    assert {pk for pk in after if after[pk] != before[pk]} <= doubtful
    assert len(doubtful) < len(after)


def _versions() -> dict[int, str]:
    """PostgreSQL's own mark of who wrote each row last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text || ctid::text FROM inventory_iamuser")
        return dict(cursor.fetchall())


def test_who_becomes_dormant_by_time_alone_is_judged_so(account: Account) -> None:
    account.enabled_regions = ["us-east-1"]
    account.save()
    now = clock.now()
    user = cast.iam_user(
        "old-job", account, verdict="", coverage={"credentials_at": now.isoformat()}
    )
    cast.access_key(user, last_used_at=now - timedelta(days=89, hours=20))
    TrailCoverage.objects.create(
        user=user,
        region="us-east-1",
        read_from=now - timedelta(days=90),
        read_to=now,
        looked_at=now,
    )
    refresh.judge([user])
    user.refresh_from_db()
    assert user.verdict == "active"
    move(hours=6)
    refresh.judge([user])
    user.refresh_from_db()
    assert user.verdict == "dormant"


def test_the_run_of_a_step_is_remembered_in_the_pass(account: Account) -> None:
    asked = Sync.objects.create(account=account, asked_at=clock.now())
    walk = reads.begun(account, ReadPass.Part.CREDENTIALS, asked)
    assert reads.cursor(walk) == 0
    reads.mark(walk, 17, clock.now())
    assert reads.cursor(reads.begun(account, ReadPass.Part.CREDENTIALS, asked)) == 17
