"""Many accounts: each gets its turn, a broken one stops no other, each says when it was seen."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connections

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from inventory import clock, refresh, tasks
from inventory.management.commands import refresh as command
from inventory.models import Account, Alert, IamUser, Sync
from inventory.refresh import run as runs
from inventory.refresh import syncing
from inventory.signals import account_synced
from tests import cast
from tests.inventory.test_refresh import ROLE, sync

pytestmark = pytest.mark.django_db

SECOND, THIRD = "222222222222", "333333333333"


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


def declare(account_id: str, name: str, **columns: Any) -> Account:
    columns.setdefault("reader_role", f"arn:aws:iam::{account_id}:role/IamCleanupReader")
    columns.setdefault("external_id", "env:PRODUCTION_EXTERNAL_ID")
    return cast.account(account_id, name, enabled_regions=[], last_whole_at=None, **columns)


@pytest.fixture
def accounts(simulator: Simulator) -> list[Account]:
    """`production`, `staging` and `sandbox` in AWS and declared."""
    simulator.add_account(SECOND, "staging", seed=8, size=24)
    simulator.add_account(THIRD, "sandbox", seed=9, size=24)
    return [
        declare(cast.ACCOUNT_ID, "production", reader_role=f"{ROLE}Reader"),
        declare(SECOND, "staging"),
        declare(THIRD, "sandbox"),
    ]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> deque[int]:
    """The queue of the read workers: ids of syncs, in the order of their messages."""
    messages: deque[int] = deque()

    def send(name: str, args: list[int], queue: str) -> None:
        assert (name, queue) == ("inventory.tasks.run_sync", "read")
        messages.append(args[0])

    monkeypatch.setattr(syncing, "current_app", SimpleNamespace(send_task=send))
    return messages


def ids(account: Account) -> set[str]:
    return set(account.users.values_list("user_id", flat=True))


def test_each_account_is_read_with_its_own_users(
    simulator: Simulator, accounts: list[Account]
) -> None:
    for account in accounts:
        assert sync(account).status == Sync.Status.WHOLE
        there = simulator.accounts[account.account_id].users.values()
        assert ids(account) == {user.id for user in there}


def test_syncs_of_two_accounts_go_on_side_by_side_and_mix_nothing(
    simulator: Simulator, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SLICE_SECONDS", 0.0)
    open_syncs = [refresh.ask_sync(account, None) for account in accounts[:2]]
    more = [True, True]
    while any(more):
        more = [refresh.run_sync(one.pk) for one in open_syncs]
    for account in accounts[:2]:
        assert account.syncs.get().status == Sync.Status.WHOLE
        there = simulator.accounts[account.account_id].users.values()
        assert ids(account) == {user.id for user in there}


@pytest.mark.django_db(transaction=True)
def test_two_workers_read_two_accounts_at_once(
    simulator: Simulator, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other in the middle of its sync: one after the other, none would end."""
    meeting = threading.Barrier(2, timeout=30)
    work = syncing._WORK["users"]

    def meets(run: runs.Run) -> bool:
        meeting.wait()
        return work(run)

    def one_worker(sync_id: int) -> None:
        while refresh.run_sync(sync_id):
            pass
        connections.close_all()

    monkeypatch.setitem(syncing._WORK, "users", meets)
    monkeypatch.setattr(syncing, "enqueue", lambda sync_id: None)
    asked = [refresh.ask_sync(account, None) for account in accounts[:2]]
    threads = [threading.Thread(target=one_worker, args=[one.pk]) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert {Sync.objects.get(pk=one.pk).status for one in asked} == {Sync.Status.WHOLE}


def _turns(queue: deque[int], slices: dict[int, int], between: Callable[[], None]) -> list[int]:
    """Who got a slice, in order, while one worker empties the queue."""
    turns = []
    while queue:
        sync_id = queue.popleft()
        slices.setdefault(sync_id, 1)
        turns.append(sync_id)
        tasks.run_sync(sync_id)
        between()
        assert len(queue) == len(set(queue)), "One sync has two messages in the queue."
    return turns


def test_a_large_account_waits_behind_one_slice_of_every_other(
    accounts: list[Account], queue: deque[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    large, *small = (refresh.ask_sync(account, None).pk for account in accounts)
    left = {large: 60, small[0]: 2, small[1]: 2}

    def one_slice(sync_id: int) -> bool:
        left[sync_id] -= 1
        if left[sync_id] == 0:
            Sync.objects.filter(pk=sync_id).update(status=Sync.Status.WHOLE)
        return left[sync_id] > 0

    monkeypatch.setattr(refresh, "run_sync", one_slice)
    tasks.sync_due()

    # The beat nudges all the time, and nobody gets a turn more for it.
    turns = _turns(queue, {}, tasks.sync_due)

    assert turns[:6] == [large, *small] * 2
    assert len(turns) == 64


def test_a_lost_message_is_sent_again(
    accounts: list[Account], queue: deque[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh.ask_sync(accounts[0], None)
    monkeypatch.setattr(syncing, "_due", lambda now: [])
    tasks.sync_due()
    queue.clear()
    tasks.sync_due()
    assert not queue
    cache.clear()
    tasks.sync_due()
    assert len(queue) == 1


def test_accounts_never_read_whole_come_first(accounts: list[Account]) -> None:
    production, staging, sandbox = accounts
    now = clock.now()
    for account, seen in ((production, 7), (sandbox, 9)):
        account.last_whole_at = now - timedelta(hours=seen)
        account.save()
    order = [Sync.objects.get(pk=pk).account for pk in refresh.due_syncs()]
    assert order == [staging, sandbox, production]


def test_asking_for_what_is_due_costs_the_same_for_many_accounts(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(40):
        account = declare(f"{number:012d}", f"account-{number}")
        Sync.objects.create(account=account, asked_at=clock.now(), status=Sync.Status.WHOLE)
    with django_assert_max_num_queries(6):
        tasks.sync_due()


def _stranger(simulator: Simulator, account: Account) -> None:
    """The role is of another account than the declared one."""
    account.reader_role = f"arn:aws:iam::{THIRD}:role/IamCleanupReader"
    account.save()


def _no_role(simulator: Simulator, account: Account) -> None:
    account.reader_role = f"arn:aws:iam::{SECOND}:role/Nobody"
    account.save()


def _wrong_external_id(simulator: Simulator, account: Account) -> None:
    account.external_id = "not-the-right-one"
    account.save()


def _unset_external_id(simulator: Simulator, account: Account) -> None:
    account.external_id = "env:NOWHERE"
    account.save()


def _forbidden(simulator: Simulator, account: Account) -> None:
    simulator.accounts[SECOND].scps = [
        {"Statement": {"Effect": "Deny", "Action": "iam:List*", "Resource": "*"}}
    ]


def _unfit_for_the_database(simulator: Simulator, account: Account) -> None:
    """Longer than IAM allows: PostgreSQL refuses the row."""
    next(iter(simulator.accounts[SECOND].users.values())).path = f"/{'x' * 600}/"


BROKEN = [
    (_no_role, "AssumeRole: AccessDenied", "See that arn:aws:iam::222222222222:role/Nobody"),
    (_wrong_external_id, "AssumeRole: AccessDenied", "the external id that iamcleanup.yaml"),
    (_unset_external_id, "NOWHERE", "Set that environment variable"),
    (_stranger, "belong to account 333333333333", "correct one of them in iamcleanup.yaml"),
    (_forbidden, "explicit deny in a service control policy", "leave the reader role out"),
    (_unfit_for_the_database, "DataError: value too long", "log of the read worker"),
]


@pytest.mark.parametrize(("break_it", "words", "to_do"), BROKEN)
def test_a_broken_account_says_why_and_stops_no_other(
    simulator: Simulator,
    accounts: list[Account],
    monkeypatch: pytest.MonkeyPatch,
    *,
    break_it: Callable[[Simulator, Account], None],
    words: str,
    to_do: str,
) -> None:
    production, staging, sandbox = accounts
    break_it(simulator, staging)
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=lambda _: None))
    out = StringIO()

    with pytest.raises(CommandError) as failed:
        call_command("refresh", wait=True, stdout=out)

    assert "staging (222222222222)" in str(failed.value)
    assert words in str(failed.value)
    assert "production" not in str(failed.value)
    assert {one.syncs.get().status for one in (production, sandbox)} == {Sync.Status.WHOLE}
    assert "production (123456789012): read whole." in out.getvalue()
    assert not staging.users.exists()
    for account in accounts:
        account.refresh_from_db()
    assert staging.last_whole_at is None
    assert production.last_whole_at is not None

    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(hours=25))
    Account.objects.exclude(pk=staging.pk).update(last_whole_at=clock.now())
    refresh.watch_accounts()
    alert = Alert.objects.get(kind="unseen")
    assert alert.account == staging
    assert alert.text.startswith("Never read whole.")
    assert words in alert.text
    assert to_do in alert.text


def test_two_broken_accounts_are_both_told(
    accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=lambda _: None))
    Account.objects.exclude(name="sandbox").update(external_id="wrong")
    with pytest.raises(CommandError) as failed:
        call_command("refresh", wait=True, stdout=StringIO())
    lines = str(failed.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "production (123456789012)",
        "staging (222222222222)",
    ]
    assert accounts[2].syncs.get().status == Sync.Status.WHOLE


def test_an_account_that_is_not_there_is_named(accounts: list[Account]) -> None:
    with pytest.raises(CommandError) as failed:
        call_command("refresh", account="999999999999")
    assert "no account 999999999999" in str(failed.value)
    assert "production (123456789012)" in str(failed.value)
    assert not Sync.objects.exists()


def test_a_failed_account_is_tried_again_after_an_hour(
    simulator: Simulator, accounts: list[Account]
) -> None:
    staging = accounts[1]
    Account.objects.exclude(pk=staging.pk).update(active=False)
    _wrong_external_id(simulator, staging)
    sync(staging)
    assert refresh.due_syncs() == []
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(hours=1))
    assert len(refresh.due_syncs()) == 1


def unseen() -> Alert | None:
    return Alert.objects.filter(kind="unseen", closed_at=None).first()


def test_an_alert_closes_itself_when_the_account_is_read_whole(
    simulator: Simulator, accounts: list[Account]
) -> None:
    staging = accounts[1]
    Account.objects.exclude(pk=staging.pk).update(active=False)
    sync(staging)
    Account.objects.filter(pk=staging.pk).update(last_whole_at=clock.now() - timedelta(hours=24.5))
    Sync.objects.update(status=Sync.Status.FAILED, error="AssumeRole: AccessDenied: no")
    refresh.watch_accounts()
    refresh.watch_accounts()
    first = unseen()
    assert first is not None
    assert first.text.startswith("Last read whole on ")
    Sync.objects.update(error="ListUsers: AccessDenied: not yours")
    refresh.watch_accounts()
    again = unseen()
    assert again is not None
    assert again.pk == first.pk
    assert "not yours" in again.text
    assert "iam_policy reader --account 222222222222" in again.text
    assert sync(staging).status == Sync.Status.WHOLE
    assert unseen() is None


def test_an_account_taken_off_the_file_leaves_no_alert(accounts: list[Account]) -> None:
    staging = accounts[1]
    Account.objects.filter(pk=staging.pk).update(last_whole_at=clock.now() - timedelta(days=3))
    refresh.watch_accounts()
    assert unseen() is not None
    Account.objects.filter(pk=staging.pk).update(active=False)
    refresh.watch_accounts()
    assert unseen() is None


def test_an_account_that_is_being_read_is_waited_for(accounts: list[Account]) -> None:
    staging = accounts[1]
    Account.objects.filter(pk=staging.pk).update(last_whole_at=clock.now() - timedelta(days=3))
    asked = refresh.ask_sync(staging, None)
    refresh.watch_accounts()
    assert unseen() is None
    Sync.objects.filter(pk=asked.pk).update(asked_at=clock.now() - timedelta(hours=2))
    refresh.watch_accounts()
    alert = unseen()
    assert alert is not None
    assert "See that a read worker runs." in alert.text


def test_a_slice_that_broke_off_is_tried_again(
    simulator: Simulator, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for a moment: the sync goes on where it was."""
    staging, tries = accounts[1], []
    work = syncing._WORK["judge"]

    def breaks_once(run: runs.Run) -> bool:
        tries.append(run)
        if len(tries) == 1:
            raise ConnectionError("the database went away")
        return work(run)

    monkeypatch.setitem(syncing._WORK, "judge", breaks_once)
    asked = refresh.ask_sync(staging, None)
    assert refresh.run_sync(asked.pk) is False
    assert asked.pk in refresh.due_syncs()
    assert refresh.run_sync(asked.pk) is False
    asked.refresh_from_db()
    assert (asked.status, len(tries)) == (Sync.Status.WHOLE, 2)
    assert IamUser.objects.filter(account=staging).exists()


def test_a_throttled_account_takes_nothing_from_the_others(
    simulator: Simulator, accounts: list[Account]
) -> None:
    simulator.faults.add(Fault("throttling", "ListUsers", count=6))
    assert sync(accounts[0]).status == Sync.Status.FAILED
    assert sync(accounts[1]).status == Sync.Status.WHOLE
