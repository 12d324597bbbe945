"""What a worker judges again before the first write of a user's change, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import UserHoldings
from inventory.models import Alert, IamUser, LedgerEntry, Organization
from migrations_app import aws
from migrations_app.changes.facts import facts_of
from migrations_app.changes.journal import Halted, RowJournal
from migrations_app.guards import Blocker
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


# ── As whom it is sent ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("move", "role"), [("delete", "deleter"), ("disable", "actor"), ("soak", "actor")]
)
def test_a_deletion_alone_is_sent_as_the_deleter(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch, move: str, role: str
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        forward, "open_session", lambda account, role, **more: asked.append((role, more))
    )
    row = cast.departure("ci-pay-old", State.SOAKING)
    change = cast.change(row, move, batch=batch(everybody))
    held, journal = cast.everything_held(row.user.user_name), SimpleNamespace()

    writer = forward._writer(change, journal, aws.FENCE, held)

    ((told, more),) = asked
    assert (told, more["source_identity"]) == (role, everybody.mei.username)
    assert more["session_policy"] == aws.session_policy(aws.FENCE, held)
    assert (writer.user_name, writer.user_id) == (row.user.user_name, row.user.user_id)


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


def test_another_path_does_not_run(theirs: Departure) -> None:
    seen = live(theirs, path="/vendors/")
    assert "approved under / and is under /vendors/ now" in same(approved(theirs), seen)


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
            forward._in_its_window(change, Organization.get())
    else:
        forward._in_its_window(change, Organization.get())


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
    assert ("runs as this user" in why(forward._not_ourselves, seen, None)) is (own == "its id")


def test_where_it_cannot_be_told_who_we_are_nothing_runs(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise AwsFailure("ExpiredToken", "No.", operation="GetCallerIdentity")

    monkeypatch.setattr(forward, "own_identity", refused)
    with pytest.raises(Halted, match="cannot be told"):
        forward._not_ourselves(live(theirs), None)


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


def test_the_row_of_who_is_gone_is_held(theirs: Departure) -> None:
    with CaptureQueriesContext(connection) as asked:
        forward.vanish(theirs)
    locks = [one["sql"] for one in asked if "FOR UPDATE" in one["sql"]]
    assert any('"migrations_app_departure"' in sql for sql in locks)


# ── The look ─────────────────────────────────────────────────────────────────────────────────────


class Noted:
    """A journal that only remembers what was looked at."""

    def __init__(self) -> None:
        self.looks: list[tuple[str, ...]] = []
        self.held = 0

    def looked(self, *told: str) -> None:
        self.looks.append(told)

    def hold(self) -> None:
        self.held += 1

    def gate(self) -> None: ...


def deleting(change: Change, operation: str = "DeleteUser", kind: str = "write") -> None:
    Call.objects.create(
        change=change,
        seq=change.calls.count() + 1,
        kind=kind,
        operation=operation,
        sent_at=clock.now(),
        outcome="ok",
    )


@pytest.mark.parametrize("shows", ["another", "nobody"])
def test_only_after_our_own_delete_user_may_somebody_else_or_nobody_bear_the_name(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch, shows: str
) -> None:
    def read(reader: Any, name: str, wide: Any) -> UserHoldings:
        if shows == "nobody":
            raise forward.NoSuchUser("NoSuchEntity", "No.", operation="GetUser")
        return live(theirs, user_id="AIDAANOTHER")

    monkeypatch.setattr(forward, "read_user", read)
    listed(monkeypatch, ("keeper", "AIDAKEEPER"), ("ci-new", theirs.user.user_id))
    change, journal = cast.change(theirs, "delete"), Noted()

    def look() -> Any:
        return forward._look(change, None, journal, None)

    says = "another user now" if shows == "another" else "renamed to"
    assert says in why(look)
    saw = "another user: AIDAANOTHER" if shows == "another" else "NoSuchEntity"
    assert journal.looks == [("GetUser", "ci-pay-old", saw)]
    deleting(change, kind="look")
    assert says in why(look)
    deleting(change, "DeleteAccessKey")
    with pytest.raises(AwsFailure) as failed:
        look()
    assert failed.value.code == "NamesakeFound"
    deleting(change)
    assert look() is None


def test_the_same_user_is_noted_as_such(theirs: Departure, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, journal = live(theirs), Noted()
    monkeypatch.setattr(forward, "read_user", lambda *_: seen)
    assert forward._look(cast.change(theirs), None, journal, None) == seen
    assert journal.looks == [("GetUser", "ci-pay-old", f"same {seen.user_id}")]


@pytest.mark.parametrize(
    ("attempts", "begun", "serves"), [(1, False, True), (2, False, False), (1, True, False)]
)
def test_a_look_at_the_whole_account_serves_the_first_try_only(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch, *, attempts: int, begun: bool, serves: bool
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(forward, "shared_reader", lambda account: None)
    monkeypatch.setattr(forward, "_look", lambda *told: seen.append(told[-1]))
    monkeypatch.setattr(forward, "_deleted_by_us", lambda *_: "Gone.")
    change = cast.change(theirs, "delete", attempts=attempts)
    if begun:
        deleting(change)
    assert forward._apply(change, Noted(), "the account") == "Gone."
    assert seen == (["the account"] if serves else [None])


# ── The judgement ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every question that may refuse answers yes, until a test says otherwise; by name, asked."""
    answers: dict[str, Any] = {"account": [], "guards": [], "whole": True, "asked": []}

    def ask(name: str) -> Any:
        return lambda *_: answers["asked"].append(name)

    monkeypatch.setattr(forward, "account_blockers", lambda *_: answers["account"])
    monkeypatch.setattr(forward.guards, "blockers", lambda *_, urgent: answers["guards"])
    monkeypatch.setattr(forward.evidence, "look", lambda *_: answers["whole"])
    monkeypatch.setattr(forward.notices, "reached_in_time", lambda *_: True)
    for name in (
        "_not_ourselves",
        "_approval_holds",
        "_in_its_window",
        "_same_as_approved",
        "_no_later_activity",
        "_nothing_new_names_it",
    ):
        monkeypatch.setattr(forward, name, ask(name))
    return answers


def judge(change: Change) -> str:
    journal = Noted()
    said = why(forward._judge, change, None, live(change.departure), journal)
    # A look at every source takes its time.
    assert journal.held or "source could not be read" in said
    return said


def test_every_question_is_asked_and_an_urgent_batch_is_spared_some(
    everybody: cast.Cast, theirs: Departure, asked_for: dict[str, Any]
) -> None:
    change = cast.change(theirs, batch=batch(everybody))
    assert judge(change) == ""
    always = ["_not_ourselves", "_approval_holds", "_same_as_approved"]
    more = ["_in_its_window", "_no_later_activity", "_nothing_new_names_it"]
    assert sorted(asked_for["asked"]) == sorted(always + more)
    asked_for["asked"].clear()
    assert change.batch is not None
    change.batch.urgent = True
    asked_for["whole"] = False
    assert judge(change) == ""
    assert sorted(asked_for["asked"]) == sorted(always)


def test_what_holds_the_account_halts_and_a_look_that_is_not_whole_leaves_out(
    everybody: cast.Cast, theirs: Departure, asked_for: dict[str, Any]
) -> None:
    change = cast.change(theirs, batch=batch(everybody))
    asked_for["account"] = [Blocker("hold", "It is held.")]
    with pytest.raises(Halted, match="It is held"):
        judge(change)
    asked_for["account"], asked_for["whole"] = [], False
    assert "unknown is never unused" in judge(change)
    change.move = "soak"
    assert judge(change) == ""


def test_what_will_pass_waits_and_what_will_not_leaves_out(
    everybody: cast.Cast, theirs: Departure, asked_for: dict[str, Any]
) -> None:
    change = cast.change(theirs, batch=batch(everybody))
    passing = Blocker(min(forward.guards.PASSING), "Not read yet.")
    asked_for["guards"] = [passing]
    with pytest.raises(NotYet, match="Not read yet"):
        judge(change)
    asked_for["guards"] = [passing, Blocker("in-use", "It is in use.")]
    assert judge(change) == "It is in use."


def test_an_owner_who_was_not_reached_in_time_leaves_it_out_but_not_the_shut_that_follows(
    everybody: cast.Cast,
    theirs: Departure,
    asked_for: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forward.notices, "reached_in_time", lambda *_: False)
    change = cast.change(theirs, batch=batch(everybody))
    assert "was not reached in time" in judge(change)
    change.follows = cast.change(theirs, status="done")
    assert judge(change) == ""


# ── What is recorded ─────────────────────────────────────────────────────────────────────────────


def held_by_me(of: Departure, move: str, **columns: Any) -> tuple[Change, RowJournal]:
    until = clock.real_now()
    facts = {"watch": 7 * 86400, "soak": 14 * 86400}
    change = cast.change(
        of, move, status="running", claimed_by="w", lease_until=until, facts=facts, **columns
    )
    return change, RowJournal(change, "w")


WRITER = SimpleNamespace(run=lambda *_: None)


def test_a_fence_that_was_read_back_starts_the_watch(
    everybody: cast.Cast, theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    fenced = live(theirs, attached_policies=(cast.FENCE,))
    monkeypatch.setattr(forward.aws, "read_back", lambda *_: fenced)
    row = batch(everybody, urgent=True, reason="leaked", number=41)
    change, journal = held_by_me(theirs, "disable", batch=row)
    deleting(change, "AttachUserPolicy")
    assert forward._fence(change, None, journal, WRITER, live(theirs)) == fenced
    theirs.refresh_from_db()
    assert (theirs.state, theirs.fence, theirs.compromised) == (State.DISABLED, "policy", True)
    assert (theirs.watch, theirs.soak) == (7 * DAY, 14 * DAY)
    assert theirs.fenced_at is not None
    assert theirs.fenced_at == theirs.clock_started_at
    entry = LedgerEntry.objects.get(kind="move.disable")
    assert (entry.actor, entry.batch) == (ledger.person_hash(everybody.mei), 41)
    # Again, after its worker died: nothing is recorded twice.
    change.departure.refresh_from_db()
    forward._fence(change, None, journal, WRITER, live(theirs))
    assert LedgerEntry.objects.count() == 1


def test_a_fence_without_a_batch_is_nobodys_and_a_boundary_is_told_as_such(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward.aws, "read_back", lambda *_: live(theirs, boundary=cast.FENCE))
    change, journal = held_by_me(theirs, "disable")
    deleting(change, "PutUserPermissionsBoundary")
    forward._fence(change, None, journal, WRITER, live(theirs))
    theirs.refresh_from_db()
    assert (theirs.fence, theirs.compromised) == ("boundary", False)
    assert LedgerEntry.objects.get(kind="move.disable").actor == ""


def test_a_shut_that_was_read_back_starts_the_soak_and_needs_the_fence(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = cast.departure("off", State.DISABLED, everybody.payments, last_used_read_at=clock.now())
    started = off.clock_started_at
    proven: list[Any] = []
    monkeypatch.setattr(forward.aws, "read_back", lambda read, shut, what: proven.append(shut))
    change, journal = held_by_me(off, "soak", batch=batch(everybody, number=41))
    with pytest.raises(AwsFailure) as failed:
        forward._shut(change, None, journal, WRITER, live(off))
    assert failed.value.code == "FenceGone"
    fenced = live(off, attached_policies=(cast.FENCE,))
    assert forward._shut(change, None, journal, WRITER, fenced) == "Shut and read back."
    off.refresh_from_db()
    assert (off.state, off.last_used_read_at) == (State.SOAKING, None)
    assert off.clock_started_at is not None
    assert started is not None
    assert off.clock_started_at > started
    entry = LedgerEntry.objects.get(kind="move.soak")
    assert (entry.actor, entry.batch) == (ledger.person_hash(everybody.mei), 41)
    forward._shut(change, None, journal, WRITER, fenced)
    assert LedgerEntry.objects.count() == 1
    # Nothing left to shut, of this very user.
    nothing = live(
        off, access_keys=(), has_login_profile=False, ssh_keys=(), service_credentials=(),
        certificates=(),
    )  # fmt: skip
    assert len(proven) == 2
    assert [proven[0](one) for one in (nothing, fenced)] == [True, False]
    assert not proven[0](replace(nothing, user_id="AIDAANOTHER"))


def test_a_deletion_is_recorded_once_with_its_proof_and_every_request_id(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = cast.departure("off", State.SOAKING, everybody.payments)
    asked: list[bool] = []

    def prove(reader: Any, name: str, user_id: str, *, answered: bool) -> Any:
        asked.append(answered)
        return SimpleNamespace(get_user="NoSuchEntity", by="DeleteUser was answered")

    monkeypatch.setattr(forward.aws, "prove_deleted", prove)
    change, journal = held_by_me(off, "delete", batch=batch(everybody, number=41, move="delete"))
    deleting(change, "DeleteAccessKey")
    deleting(change, "GetUser", kind="look")
    Call.objects.filter(operation="DeleteAccessKey").update(request_id="r1")
    said = forward._deleted_by_us(change, None, journal)
    assert said == "Gone, proved by GetUser: NoSuchEntity."
    off.refresh_from_db()
    assert (off.state, off.deleted_outside) == (State.DELETED, False)
    assert IamUser.objects.get(pk=off.user_id).gone_at == off.deleted_at
    change.refresh_from_db()
    assert (change.proof["get_user"], change.proof["by"]) == (
        "NoSuchEntity", "DeleteUser was answered",
    )  # fmt: skip
    assert off.deleted_at is not None
    assert change.proof["at"] == off.deleted_at.isoformat()
    entry = LedgerEntry.objects.get(kind="user.deleted")
    assert (entry.actor, entry.batch) == (ledger.person_hash(everybody.mei), 41)
    assert (entry.data["proof"], entry.data["by"]) == ("NoSuchEntity", "DeleteUser was answered")
    assert entry.data["request_ids"] == ["r1"]
    assert entry.data["asked_by"] == ledger.person_hash(everybody.jonas)
    assert LedgerEntry.objects.get(kind="move.delete").actor == entry.actor
    deleting(change)
    assert forward._deleted_by_us(change, None, RowJournal(change, "w")) == said
    assert asked == [False, True]
    assert LedgerEntry.objects.filter(kind="user.deleted").count() == 1
