"""Protection row by row: what it leaves of a user's changes, whom an entry means, when it ends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import redis

from inventory import clock
from inventory.aws import identity
from inventory.models import Account, IamUser, LedgerEntry, ProtectedEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import protecting
from migrations_app.lifecycle import State
from migrations_app.models import Call, Departure, Notice
from tests import cast

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def today() -> date:
    return clock.now().date()


def now(row: Departure) -> Departure:
    return Departure.objects.get(pk=row.pk)


def entry(everybody: cast.Cast, name: str, **columns: Any) -> ProtectedEntry:
    columns = {"kind": "exempt", "reason": "declared"} | columns
    return ProtectedEntry.objects.create(account=everybody.account, user_name=name, **columns)


def hold() -> str:
    return Account.objects.get(account_id=cast.ACCOUNT_ID).hold_reason


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────


def test_a_protection_says_why_until_when_and_by_whom(
    everybody: cast.Cast, theirs: Departure
) -> None:
    until = today() + 9 * DAY
    changes.protect(theirs, everybody.ada, " a vendor ", until)
    row = now(theirs)
    assert (row.protection, row.protection_reason, row.protection_until) == (
        "exempt", "a vendor", until,
    )  # fmt: skip
    told = LedgerEntry.objects.get(kind="protection.set")
    assert (told.data["kind"], told.data["reason"], told.data["until"]) == (
        "exempt", "a vendor", str(until),
    )  # fmt: skip
    assert not theirs.changes.exists()


@pytest.mark.parametrize(
    ("move", "status", "after"),
    [
        ("disable", "draft", "left-out"),
        ("disable", "asked", "left-out"),
        ("disable", "queued", "left-out"),
        ("delete", "failed", "left-out"),
        ("disable", "done", "done"),
        ("restore", "queued", "queued"),
        ("restore", "failed", "failed"),
    ],
)
def test_what_waits_for_a_protected_user_is_left_out_and_a_restore_goes_on(
    everybody: cast.Cast, theirs: Departure, *, move: str, status: str, after: str
) -> None:
    change = cast.change(theirs, move, status=status)
    other = cast.change(cast.departure("other", State.OWNER_ASSIGNED), status="queued")
    changes.protect(theirs, everybody.ada, "a vendor")
    change.refresh_from_db()
    other.refresh_from_db()
    assert (change.status, other.status) == (after, "queued")
    if after == "left-out":
        assert change.result == "It was protected meanwhile."
        assert change.finished_at is not None


@pytest.mark.parametrize("how", ["off", "running", "touched"])
def test_who_is_off_or_may_be_touched_is_restored_but_not_past_its_point(
    everybody: cast.Cast, theirs: Departure, how: str
) -> None:
    of = theirs
    if how == "off":
        of = cast.departure("off", State.SOAKING, everybody.payments)
    if how == "running":
        cast.change(of, status="running")
    if how == "touched":
        change = cast.change(of, status="done")
        Call.objects.create(
            change=change, seq=1, kind="write", operation="AttachUserPolicy",
            sent_at=clock.now(), outcome="ok",
        )  # fmt: skip
    changes.protect(of, everybody.jonas, "a vendor")
    assert of.changes.get(move="restore").reason == "It is protected now: a vendor"
    half = cast.departure("half", State.SOAKING, everybody.payments)
    Departure.objects.filter(pk=half.pk).update(irreversible_at=clock.now())
    changes.protect(now(half), everybody.jonas, "a vendor")
    assert not half.changes.exists()


def test_what_is_deleted_or_compromised_is_not_protected_by_just_anybody(
    everybody: cast.Cast,
) -> None:
    with pytest.raises(Refused, match="is deleted"):
        changes.protect(cast.departure("gone", State.DELETED), everybody.ada, "x")
    off = cast.departure("off", State.SOAKING, everybody.payments, compromised=True)
    with pytest.raises(NotAllowed, match="so an engineer does"):
        changes.protect(off, everybody.ada, "x")
    assert changes.protect(off, everybody.jonas, "x").protection == "exempt"


def test_an_exemption_is_only_ever_made_longer(everybody: cast.Cast, theirs: Departure) -> None:
    row = changes.protect(theirs, everybody.ada, "x", today() + 9 * DAY)
    with pytest.raises(Refused, match="exempt for longer"):
        changes.protect(row, everybody.ada, "x", today() + 8 * DAY)
    row = changes.protect(row, everybody.ada, "x", today() + 9 * DAY)
    row = changes.protect(row, everybody.ada, "x", today() + 10 * DAY)
    row = changes.protect(row, everybody.ada, "x")
    assert row.protection_until is None
    with pytest.raises(Refused, match="in the future"):
        changes.protect(row, everybody.ada, "x", today())


def test_an_admin_ends_it_with_a_reason(everybody: cast.Cast, theirs: Departure) -> None:
    row = changes.protect(theirs, everybody.ada, "x", today() + 9 * DAY)
    with pytest.raises(Refused, match="Say why"):
        changes.unprotect(row, everybody.ada, " ")
    row = changes.unprotect(row, everybody.ada, "it moved")
    assert (row.protection, row.protection_reason, row.protection_until) == ("", "", None)
    assert LedgerEntry.objects.get(kind="protection.ended").data["reason"] == "it moved"


# ── By its day ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("declared", "ends"),
    [
        (None, True),
        ({}, False),
        ({"until": 0}, False),
        ({"until": 5}, False),
        ({"until": -1}, True),
    ],
)
def test_a_day_that_has_passed_ends_it_unless_the_file_says_more(
    everybody: cast.Cast, theirs: Departure, *, declared: dict[str, int] | None, ends: bool
) -> None:
    Departure.objects.update(
        protection="exempt", protection_reason="x", protection_until=today() - DAY
    )
    keeper = cast.departure("k", protection="break-glass", protection_until=today() - DAY)
    if declared is not None:
        until = today() + declared["until"] * DAY if "until" in declared else None
        entry(everybody, "ci-pay-old", until=until)
    assert protecting.end_exemptions() == ends
    row = now(theirs)
    assert (row.protection == "") is ends
    assert now(keeper).protection == "break-glass"
    if ends:
        assert (row.protection_reason, row.protection_until) == ("", None)
        assert Notice.objects.filter(kind="unprotected", team=everybody.payments).exists()
        told = LedgerEntry.objects.get(kind="protection.ended")
        assert told.data["reason"] == "its date has passed"


# ── Declared ─────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_protects_whoever_it_means_with_its_own_words(everybody: cast.Cast) -> None:
    row = cast.departure("keeper")
    until = today() + DAY
    made = entry(everybody, "KEEPER", reason="the audit", until=until)
    assert protecting.bind_protection(everybody.account) == []
    assert (now(row).protection, now(row).protection_reason, now(row).protection_until) == (
        "exempt", "the audit", until,
    )  # fmt: skip
    made.refresh_from_db()
    assert (made.bound_user_id, made.bound_at is not None) == (row.user.user_id, True)
    version = now(row).version
    protecting.bind_protection(everybody.account)
    assert now(row).version == version


def test_what_is_deleted_or_has_no_row_yet_is_not_protected(everybody: cast.Cast) -> None:
    gone = cast.departure("gone", State.DELETED)
    cast.iam_user("new")
    entry(everybody, "gone")
    entry(everybody, "new")
    protecting.bind_protection(everybody.account)
    assert now(gone).protection == ""


def test_of_two_who_bear_the_name_it_is_the_one_listed_last(everybody: cast.Cast) -> None:
    old = cast.iam_user("keeper", last_seen_at=clock.now() - DAY)
    new = cast.iam_user("keeper", last_seen_at=clock.now())
    made = entry(everybody, "keeper")
    users = [old, new]
    assert protecting._bearer(made, users) == new
    new.missing_since = clock.now()
    assert protecting._bearer(made, users) == old
    old.missing_since = clock.now()
    assert protecting._bearer(made, users) == new
    assert protecting._bearer(made, [cast.iam_user("other")]) is None


def test_a_name_that_is_another_user_now_holds_the_account_and_both_are_protected(
    everybody: cast.Cast,
) -> None:
    before = cast.departure("renamed")
    bearer = cast.departure("keeper")
    made = entry(everybody, "keeper", bound_user_id=before.user.user_id)
    (problem,) = protecting.bind_protection(everybody.account)
    assert problem == f"Protected entry keeper is another user now ({bearer.user.user_id})."
    assert (now(before).protection, now(bearer).protection) == ("exempt", "exempt")
    assert hold() == problem
    assert Account.objects.get(account_id=cast.ACCOUNT_ID).hold_since is not None
    made.refresh_from_db()
    assert made.bound_user_id == before.user.user_id
    with pytest.raises(NotAllowed):
        changes.bind_entry(made, bearer.user, everybody.ada)
    changes.bind_entry(made, bearer.user, everybody.jonas)
    made.refresh_from_db()
    assert (made.bound_user_id, hold()) == (bearer.user.user_id, "")
    assert Account.objects.get(account_id=cast.ACCOUNT_ID).hold_since is None
    told = LedgerEntry.objects.get(kind="protection.bound")
    assert (told.user_id, told.data["entry"]) == (bearer.user.user_id, "keeper")


def test_an_entry_whose_user_is_there_is_not_bound_to_another(everybody: cast.Cast) -> None:
    renamed, other = cast.departure("renamed").user, cast.departure("other").user
    by_id = entry(everybody, "keeper", bound_user_id=renamed.user_id)
    named = cast.departure("named").user
    by_name = entry(everybody, "named")
    for made, user in ((by_id, renamed), (by_name, named)):
        with pytest.raises(Refused, match=f"bound to {user} already"):
            changes.bind_entry(made, other, everybody.jonas)


def test_of_two_listed_at_the_same_time_it_is_the_one_seen_first_later(
    everybody: cast.Cast,
) -> None:
    at = clock.now()
    new = cast.iam_user("keeper", last_seen_at=at, first_seen_at=at)
    old = cast.iam_user("keeper", last_seen_at=at, first_seen_at=at - DAY)
    assert protecting._bearer(entry(everybody, "keeper"), [old, new]) == new
    assert protecting._bearer(ProtectedEntry.objects.get(), [new, old]) == new


def test_who_is_gone_is_meant_by_no_entry(everybody: cast.Cast) -> None:
    cast.departure("somebody")
    user = cast.departure("keeper").user
    IamUser.objects.filter(pk=user.pk).update(gone_at=clock.now())
    entry(everybody, "keeper", bound_user_id=user.user_id)
    (problem,) = protecting.bind_protection(everybody.account)
    assert problem == "Protected entry keeper matches nobody."
    made = ProtectedEntry.objects.get()
    other = cast.departure("other").user
    changes.bind_entry(made, other, everybody.jonas)
    assert hold() == ""


def test_a_hold_for_something_else_stays_whatever_the_entries_say(everybody: cast.Cast) -> None:
    Account.objects.update(hold_reason="The listing lost 40 users.")
    cast.departure("somebody")
    entry(everybody, "keeper")
    assert protecting.bind_protection(everybody.account)
    assert hold() == "The listing lost 40 users."


# ── Ourselves ────────────────────────────────────────────────────────────────────────────────────


def test_whom_a_declared_role_trusts_is_ourselves(everybody: cast.Cast) -> None:
    trusted = cast.iam_user(
        "worker", references=[{"kind": "role-trust", "name": "Actor", "text": "trusts it"}]
    )
    rows = [
        cast.departure(trusted),
        cast.departure(
            cast.iam_user("by-key", references=[{"kind": "kms-key", "name": "Actor", "text": "x"}])
        ),
        cast.departure(
            cast.iam_user("other", references=[{"kind": "role-trust", "name": "X", "text": "x"}])
        ),
    ]
    account = everybody.account
    assert protecting._ourselves(account) == []
    for column in ("reader_role", "actor_role", "deleter_role"):
        setattr(account, column, "arn:aws:iam::123456789012:role/path/Actor")
        assert protecting._ourselves(account) == [trusted]
        setattr(account, column, "")
    account.actor_role = "arn:aws:iam::123456789012:role/Actor"
    protecting.bind_protection(account)
    assert [now(row).protection for row in rows] == ["self", "", ""]
    IamUser.objects.filter(pk=trusted.pk).update(gone_at=clock.now())
    assert protecting._ourselves(account) == []


def test_without_redis_nobody_knows_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert protecting.own_user_ids() == frozenset()

    def broken() -> frozenset[identity.Reported]:
        raise redis.RedisError

    monkeypatch.setattr(identity, "reported", broken)
    assert protecting.own_user_ids() == frozenset()
