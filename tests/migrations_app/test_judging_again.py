"""What a worker judges again before the first write of a user's change, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import UserHoldings
from inventory.models import Alert, IamUser
from migrations_app.changes.facts import facts_of
from migrations_app.changes.journal import Halted
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Call, Change, Departure, Holdings
from tests import cast

pytestmark = pytest.mark.django_db

forward = import_module("migrations_app.changes.forward")
LeftOut, NotYet = forward.LeftOut, forward.NotYet
MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (60, 3600, 86400))


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def live(of: Departure, **changed: Any) -> UserHoldings:
    """The user as AWS shows it; with one of everything."""
    user = of.user
    whole = replace(
        cast.everything_held(user.user_name),
        user_id=user.user_id,
        arn=user.arn,
        attached_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    )
    return replace(whole, **changed)


def approved(of: Departure, move: MoveName = MoveName.DISABLE, **columns: Any) -> Change:
    """A change that bears the facts of the user as it is, and their digest."""
    facts = facts_of(of, live(of), move, "fence")
    return cast.change(of, move, facts=facts, digest=ledger.digest(facts), **columns)


def why(act: Any, *arguments: Any) -> str:
    """Why the user is left out; "" if it is not."""
    try:
        act(*arguments)
    except LeftOut as left:
        return str(left)
    return ""


def batch(everybody: cast.Cast, **columns: Any) -> Batch:
    whole: dict[str, Any] = {
        "status": "running",
        "asked_by": everybody.jonas,
        "approved_by": everybody.mei,
        "approved_digest": "0" * 64,
    } | columns
    return cast.batch(everybody.account, everybody.jonas, **whole)


# ── What runs is what was approved ───────────────────────────────────────────────────────────────


def same(change: Change, seen: UserHoldings) -> str:
    return why(forward._same_as_approved, change, seen)


def test_the_user_as_it_was_approved_runs(theirs: Departure) -> None:
    assert same(approved(theirs), live(theirs)) == ""


def test_facts_that_do_not_bear_their_digest_do_not_run(theirs: Departure) -> None:
    change = approved(theirs)
    for digest in ("", "0" * 64):
        change.digest = digest
        assert "not what is stored" in same(change, live(theirs))


@pytest.mark.parametrize("changed", [{"user_id": "AIDAANOTHER"}, {"user_name": "ci-pay-new"}])
def test_another_id_or_another_name_does_not_run(
    theirs: Departure, changed: dict[str, str]
) -> None:
    assert "approved as ci-pay-old" in same(approved(theirs), live(theirs, **changed))


def test_another_protection_does_not_run(theirs: Departure) -> None:
    change = approved(theirs)
    theirs.protection = "exempt"
    assert "protection changed" in same(change, live(theirs))


def test_another_owner_does_not_run_but_a_shut_that_follows_does(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = approved(theirs)
    theirs.owner = everybody.platform
    assert "changed owner" in same(change, live(theirs))
    theirs.owner = None
    assert "changed owner" in same(change, live(theirs))
    change.follows = cast.change(theirs, status="done")
    assert same(change, live(theirs)) == ""


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"groups": ()}, "groups"),
        ({"boundary": "arn:another"}, "boundary"),
        ({"has_login_profile": False}, "console password"),
        ({"attached_policies": (cast.FENCE,)}, "managed policies"),
    ],
)
def test_changed_holdings_do_not_run_and_are_named(
    theirs: Departure, changed: dict[str, Any], kind: str
) -> None:
    assert f"Its {kind} changed" in same(approved(theirs), live(theirs, **changed))


def test_our_own_fence_is_no_change_for_the_shut_that_follows(theirs: Departure) -> None:
    change = approved(theirs)
    change.follows = cast.change(theirs, status="done")
    policies = (*live(theirs).attached_policies, cast.FENCE)
    theirs.fence = "policy"
    assert same(change, live(theirs, attached_policies=policies)) == ""
    assert "boundary changed" in same(change, live(theirs, boundary=cast.FENCE))
    theirs.fence = "boundary"
    assert same(change, live(theirs, boundary=cast.FENCE)) == ""
    assert "managed policies" in same(change, live(theirs, attached_policies=policies))


# ── The approval ─────────────────────────────────────────────────────────────────────────────────


def holds(change: Change) -> str:
    change.refresh_from_db()
    assert change.batch is not None
    return why(forward._approval_holds, change, change.batch)


@pytest.fixture
def covered(everybody: cast.Cast, theirs: Departure) -> Change:
    """A change under an approval that holds."""
    row = batch(everybody, window_to=clock.now() + HOUR)
    change = approved(theirs, batch=row, status="queued")
    digest = forward.batch_digest(row, forward.frozen_items(row))
    Batch.objects.update(approved_digest=digest)
    return change


def test_an_approval_holds_within_its_window_and_a_shut_is_covered_beyond_it(
    theirs: Departure, covered: Change
) -> None:
    assert holds(covered) == ""
    Batch.objects.update(window_to=clock.now() - MINUTE)
    assert "lapsed" in holds(covered)
    fence = cast.change(theirs, status="done")
    Change.objects.filter(pk=covered.pk).update(follows=fence, blockers=[{"code": "x"}])
    Change.objects.filter(pk=fence.pk).update(
        batch=covered.batch, digest=covered.digest, facts=covered.facts
    )
    assert holds(covered) == ""
    Batch.objects.update(window_to=None)
    assert holds(covered) == ""


def test_a_batch_that_is_not_what_was_approved_runs_nobody(covered: Change) -> None:
    Batch.objects.update(urgent=True)
    assert "not the one that was approved" in holds(covered)


def test_an_approver_who_lost_the_role_halts_it(everybody: cast.Cast, covered: Change) -> None:
    everybody.mei.roles = ["engineer"]
    everybody.mei.save()
    with pytest.raises(Halted, match="no approver any more"):
        holds(covered)
    everybody.mei.roles = ["approver"]
    everybody.mei.save()
    assert holds(covered) == ""


@pytest.mark.parametrize(
    ("move", "closed"), [("disable", False), ("soak", False), ("delete", True)]
)
def test_each_move_keeps_to_its_own_window(
    everybody: cast.Cast, theirs: Departure, *, move: str, closed: bool
) -> None:
    day = f"{clock.now() + 3 * DAY:%a}".lower()
    everybody.account.policy = {
        "disable_window": "always",
        "delete_window": {"days": [day], "from": "09:00", "to": "16:00"},
    }
    everybody.account.save()
    change = Change.objects.get(pk=cast.change(theirs, move).pk)
    if closed:
        with pytest.raises(NotYet, match="window is closed"):
            forward._in_its_window(change)
    else:
        forward._in_its_window(change)


# ── Later use, later names ───────────────────────────────────────────────────────────────────────


def used(of: Departure, ago: timedelta | None, **columns: Any) -> str:
    of.user.last_activity_at = None if ago is None else clock.now() - ago
    columns.setdefault("judged", {"looked_at": (clock.now() - HOUR).isoformat()})
    change = cast.change(of, **columns)
    change.departure = of
    return why(forward._no_later_activity, change)


def test_only_use_after_it_was_looked_at_leaves_it_out(theirs: Departure) -> None:
    assert used(theirs, None) == ""
    assert used(theirs, 2 * HOUR) == ""
    assert "after it was looked at" in used(theirs, MINUTE)
    assert used(theirs, MINUTE, judged={}) == ""
    assert used(theirs, MINUTE, move="delete") == ""
    at = clock.now() - MINUTE
    theirs.user.last_activity_at = at
    change = cast.change(theirs, judged={"looked_at": at.isoformat()})
    assert why(forward._no_later_activity, change) == ""


def named(of: Departure, **columns: Any) -> str:
    of.user.references = [{"name": "key billing", "text": "is its administrator", "region": ""}]
    change = cast.change(of, **columns)
    change.departure = of
    return why(forward._nothing_new_names_it, change)


def test_before_a_delete_only_what_was_ticked_may_name_it(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: list[str] = []
    monkeypatch.setattr(
        forward.evidence.refresh, "looked_for", lambda user: SimpleNamespace(missing=missing)
    )
    ticked = [{"code": "reference", "text": "key billing: is its administrator"}]
    assert named(theirs, move="delete", warnings=ticked) == ""
    assert "named elsewhere" in named(theirs, move="delete")
    other = [{"code": "reference", "text": "key payroll: is its administrator"}]
    assert "named elsewhere" in named(theirs, move="delete", warnings=other)
    assert named(theirs, move="disable") == ""
    missing.append("KMS keys in eu-west-1")
    assert "not so when it was approved" in named(theirs, move="delete", warnings=ticked)
    unread = [*ticked, {"code": "reference-unread", "text": "x"}]
    assert named(theirs, move="delete", warnings=unread) == ""
    theirs.irreversible_at = clock.now()
    assert named(theirs, move="delete") == ""


# ── Who it is ────────────────────────────────────────────────────────────────────────────────────


def test_before_the_first_write_it_is_left_out_and_after_it_a_loud_failure(
    theirs: Departure,
) -> None:
    change = cast.change(theirs)
    assert isinstance(forward._not_this_user(change, "x"), LeftOut)
    Call.objects.create(
        change=change, seq=1, kind="write", operation="AttachUserPolicy", sent_at=clock.now()
    )
    found = forward._not_this_user(change, "x")
    assert isinstance(found, AwsFailure)
    assert found.code == "NamesakeFound"


@pytest.mark.parametrize("own", ["its id", "another id"])
def test_the_user_that_the_product_runs_as_is_never_touched(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    seen = live(theirs)
    runs_as = SimpleNamespace(user_id=seen.user_id if own == "its id" else "AIDAOTHER")
    monkeypatch.setattr(forward, "own_identity", lambda: runs_as)
    assert ("runs as this user" in why(forward._not_ourselves, seen)) is (own == "its id")


def test_where_it_cannot_be_told_who_we_are_nothing_runs(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise AwsFailure("ExpiredToken", "No.", operation="GetCallerIdentity")

    monkeypatch.setattr(forward, "own_identity", refused)
    with pytest.raises(Halted, match="cannot be told"):
        forward._not_ourselves(live(theirs))


@pytest.mark.parametrize(
    ("ahead", "halts"),
    [
        (timedelta(), False),
        (5 * MINUTE, False),
        (-5 * MINUTE, False),
        (5 * MINUTE + timedelta(seconds=1), True),
        (-5 * MINUTE - timedelta(seconds=1), True),
        (None, True),
    ],
)
def test_a_clock_that_is_off_halts_and_is_told(
    theirs: Departure, ahead: timedelta | None, *, halts: bool
) -> None:
    change, reader = cast.change(theirs), SimpleNamespace(ahead=ahead)
    if not halts:
        forward._clock_is_right(change, reader)
        assert not Alert.objects.exists()
        return
    with pytest.raises(Halted, match="clock here is"):
        forward._clock_is_right(change, reader)
    assert Alert.objects.get().kind == "clock-off"


def listed(monkeypatch: pytest.MonkeyPatch, *users: tuple[str, str]) -> None:
    rows = [SimpleNamespace(user_name=name, user_id=its) for name, its in users]
    monkeypatch.setattr(forward, "list_users", lambda reader: rows)


def test_a_user_that_get_user_lacks_was_renamed_or_is_gone_or_nothing_is_proven(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, user = cast.change(theirs), theirs.user
    listed(monkeypatch, ("keeper", "AIDAKEEPER"), (user.user_name, user.user_id))
    with pytest.raises(AwsFailure) as failed:
        forward._gone_or_renamed(change, None)
    assert (failed.value.code, failed.value.retryable) == ("NotProven", True)
    listed(monkeypatch, ("keeper", "AIDAKEEPER"), ("ci-new", user.user_id))
    assert "renamed to ci-new" in why(forward._gone_or_renamed, change, None)
    listed(monkeypatch)
    with pytest.raises(AwsFailure) as failed:
        forward._gone_or_renamed(change, None)
    assert failed.value.code == "EmptyListing"
    theirs.refresh_from_db()
    assert theirs.state == State.OWNER_ASSIGNED
    listed(monkeypatch, (user.user_name, "AIDANAMESAKE"))
    assert "deleted in AWS" in why(forward._gone_or_renamed, change, None)
    theirs.refresh_from_db()
    assert (theirs.state, theirs.deleted_outside) == (State.DELETED, True)


# ── Gone ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("draft", "withdrawn"),
        ("asked", "withdrawn"),
        ("queued", "withdrawn"),
        ("failed", "withdrawn"),
        ("running", "running"),
        ("done", "done"),
        ("left-out", "left-out"),
    ],
)
def test_what_waits_for_a_user_that_is_gone_is_withdrawn(
    theirs: Departure, *, status: str, after: str
) -> None:
    change = cast.change(theirs, status=status)
    other = cast.change(cast.departure("other", State.OWNER_ASSIGNED), status="queued")
    gone = forward.vanish(theirs)
    change.refresh_from_db()
    other.refresh_from_db()
    assert (change.status, other.status) == (after, "queued")
    if after == "withdrawn":
        assert (change.result, change.finished_at is not None) == ("Deleted outside.", True)
    assert gone.deleted_at is not None
    assert IamUser.objects.get(pk=theirs.user_id).gone_at == gone.deleted_at
    assert IamUser.objects.get(user_name="other").gone_at is None
    assert not Alert.objects.exists()
    assert forward.vanish(theirs).deleted_at == gone.deleted_at


def test_a_protected_user_that_is_gone_is_an_alarm(theirs: Departure) -> None:
    Departure.objects.update(protection="break-glass")
    forward.vanish(theirs)
    alert = Alert.objects.get()
    assert (alert.kind, alert.user) == ("protected-vanished", theirs.user)


# ── What is kept, and the clock ──────────────────────────────────────────────────────────────────


def test_the_first_look_of_a_change_is_what_is_kept(theirs: Departure) -> None:
    change = cast.change(theirs)
    first = forward._save_holdings(change, live(theirs))
    assert first == live(theirs)
    assert forward._save_holdings(change, live(theirs, groups=())) == first
    kept = Holdings.objects.get()
    assert (kept.departure, kept.change) == (theirs, change)


def clock_of(of: Departure, **user: Any) -> tuple[timedelta | None, str]:
    """How far ahead of now it is held, and why."""
    for name, value in user.items():
        setattr(of.user, name, value)
    now = datetime(2026, 5, 1, tzinfo=UTC)
    columns = forward._not_before(of, now)
    held = columns["not_before"]
    return (held - now if held else None), columns["not_before_reason"]


def test_a_rare_rhythm_or_an_extension_holds_whichever_is_later(theirs: Departure) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    run = {"rhythm": "quarterly", "next_expected_at": now + 9 * DAY}
    assert clock_of(theirs) == (None, "")
    assert clock_of(theirs, **run) == (12 * DAY, "its next expected run")
    theirs.not_before, theirs.not_before_reason = now + 20 * DAY, "the audit"
    assert clock_of(theirs) == (20 * DAY, "the audit")
    theirs.not_before = now + 12 * DAY
    assert clock_of(theirs) == (12 * DAY, "the audit")
    theirs.not_before = now + 2 * DAY
    assert clock_of(theirs) == (12 * DAY, "its next expected run")
    for other in ({"rhythm": "daily"}, {"rhythm": "monthly", "next_expected_at": None}):
        assert clock_of(theirs, **other) == (2 * DAY, "the audit")
    theirs.not_before = now
    assert clock_of(theirs) == (None, "")
    assert clock_of(theirs, **run | {"next_expected_at": now - 3 * DAY}) == (None, "")
    assert clock_of(theirs, next_expected_at=now - 2 * DAY) == (DAY, "its next expected run")


def test_one_run_at_the_years_edge_is_no_rhythm_that_holds(theirs: Departure) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    run = {"rhythm": "yearly", "next_expected_at": now + 9 * DAY}
    assert clock_of(theirs, **run) == (12 * DAY, "its next expected run")
    assert clock_of(theirs, coverage={"rhythm_proven": False}) == (None, "")
    assert clock_of(theirs, rhythm="quarterly") == (12 * DAY, "its next expected run")
