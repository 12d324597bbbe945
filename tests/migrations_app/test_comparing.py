"""After a database restore: what AWS shows of one user against its row, and what is recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.aws.own_calls import OwnCall
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app.changes import reconciling
from migrations_app.changes.reconciling import Difference
from migrations_app.lifecycle import State
from migrations_app.models import Call, Departure, EmergencyStop
from tests import cast

pytestmark = pytest.mark.django_db

AT = clock.now() - timedelta(hours=3)
DENY = {"PolicyArn": cast.FENCE}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


@pytest.fixture
def off(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-off", State.SOAKING, everybody.payments)


def call(operation: str, role: str = "actor", request: str = "", **params: Any) -> OwnCall:
    return OwnCall(AT, role, operation, {"UserName": "ci-pay-old", **params}, request or operation)


FENCE = call("AttachUserPolicy", **DENY)
SHUT = call("UpdateAccessKey", AccessKeyId="AKIAACTIVE0000000000", Status="Inactive")
RESTORED = call("DetachUserPolicy", **DENY)
DELETES = call("DeleteAccessKey", "deleter", AccessKeyId="AKIA1")


# ── Whose calls ──────────────────────────────────────────────────────────────────────────────────


def test_only_calls_that_no_line_has_are_unknown_by_user(theirs: Departure) -> None:
    change = cast.change(theirs)
    Call.objects.create(
        change=change, seq=1, kind="write", operation="x", sent_at=AT, request_id="known"
    )
    calls = [call("A", request="r1"), call("B", request="known"), call("C", request="r2")]
    other = replace(call("D", request="r3"), params={"UserName": "OTHER"})
    assert reconciling._unknown([*calls, other]) == {
        "ci-pay-old": (calls[0], calls[2]),
        "other": (other,),
    }


@pytest.mark.parametrize(
    ("one", "restores"),
    [
        (RESTORED, True),
        (call("DeleteUserPermissionsBoundary"), True),
        (call("UpdateAccessKey", Status="Active"), True),
        (call("PutUserPermissionsBoundary", PermissionsBoundary="arn:before"), True),
        (call("PutUserPermissionsBoundary", PermissionsBoundary=cast.FENCE), False),
        (FENCE, False),
        (SHUT, False),
    ],
)
def test_what_gives_access_back_is_a_restore(one: OwnCall, *, restores: bool) -> None:
    assert reconciling._restores(one) is restores
    last = ((), (one,)) if restores else ((one,), ())
    assert reconciling._last_word((one,)) == last


def test_the_last_of_a_fence_and_a_restore_counts() -> None:
    assert reconciling._last_word((FENCE, RESTORED)) == ((), (RESTORED,))
    assert reconciling._last_word((RESTORED, FENCE)) == ((FENCE,), (RESTORED,))
    assert reconciling._last_word((DELETES,)) == ((), ())
    given_back = call("UpdateAccessKey", Status="Active")
    assert reconciling._last_word((RESTORED, given_back)) == ((), (RESTORED, given_back))


# ── Who is there ─────────────────────────────────────────────────────────────────────────────────


def present(of: Departure, *calls: OwnCall, name: str = "", fence: str = "") -> tuple[str, bool]:
    """The kind of the difference, and whether it records something."""
    listed: Any = SimpleNamespace(
        user_name=name or of.user.user_name, arn=of.user.arn, user_id=of.user.user_id
    )
    attached = (cast.FENCE,) if fence == "policy" else ("arn:other",)
    boundary = cast.FENCE if fence == "boundary" else "arn:other"
    seen: Any = SimpleNamespace(attached_policies=attached, boundary=boundary)
    found = reconciling._present(of, listed, seen, calls)
    if found is not None:
        expected = {"fenced": calls, "restored": calls, "half-deleted": (DELETES,)}
        assert found.calls == expected.get(found.kind, ())
    return (found.kind, bool(found.records)) if found else ("", False)


@pytest.mark.parametrize("fence", ["policy", "boundary"])
def test_who_is_as_the_row_says_differs_in_nothing(
    theirs: Departure, off: Departure, fence: str
) -> None:
    assert present(theirs) == ("", False)
    assert present(off, fence=fence) == ("", False)
    off.irreversible_at = AT
    assert present(off, DELETES) == ("", False)


def test_a_user_that_differs_is_told_with_what_is_proven(theirs: Departure, off: Departure) -> None:
    assert present(theirs, name="ci-new") == ("unclear", False)
    assert present(theirs, FENCE, fence="policy") == ("fenced", True)
    assert present(off, SHUT, fence="policy") == ("fenced", True)
    assert present(off, RESTORED) == ("restored", True)
    # With what it took back: left unknown, that would be found at the next reading.
    assert present(theirs, FENCE, RESTORED) == ("restored", True)
    assert present(theirs, FENCE, RESTORED, fence="policy") == ("foreign-fence", False)
    assert present(off) == ("fence-gone", False)
    assert present(off, FENCE) == ("fence-gone", False)
    assert present(theirs, fence="policy") == ("foreign-fence", False)
    assert present(off, DELETES, FENCE, fence="policy") == ("half-deleted", True)
    change = cast.change(theirs, status="done")
    Call.objects.create(
        change=change, seq=1, kind="write", operation="AttachUserPolicy", sent_at=AT, outcome="ok"
    )
    assert present(theirs, fence="policy") == ("", False)


def test_who_was_restored_and_fenced_again_is_fenced(theirs: Departure) -> None:
    found = reconciling._switched(theirs, "", (RESTORED, FENCE))
    assert found is not None
    assert (found.kind, found.calls) == ("fenced", (FENCE,))


def test_who_is_not_listed_is_missing_though_the_details_still_show_it(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two are read one after the other, and AWS may know of a deletion in one of them first."""
    somebody = SimpleNamespace(user_id="AIDASOMEBODYELSE0000")
    details = SimpleNamespace(users={theirs.user.user_id: SimpleNamespace()})
    missing = Difference(theirs, "gone", "NoSuchEntity", "that it is gone")
    for name, given in (
        ("open_session", None),
        ("list_users", [somebody]),
        ("own_calls", []),
        ("_missing", missing),
    ):
        monkeypatch.setattr(reconciling, name, lambda *_, given=given, **__: given)
    monkeypatch.setattr(reconciling.account_details, "read", lambda _: details)  # type: ignore[attr-defined]
    assert reconciling.differences(theirs.user.account, AT) == [missing]


@pytest.mark.parametrize(
    ("gone", "calls", "kind", "says"),
    [
        ("", (), "unclear", "Ask again later"),
        ("NoSuchEntity", (), "gone", "not by us"),
        ("NoSuchEntity", (DELETES, call("DeleteUser", "deleter", "r9")), "gone", "(r9)"),
    ],
)
def test_who_is_not_listed_is_gone_only_where_get_user_says_so_too(
    theirs: Departure,
    monkeypatch: pytest.MonkeyPatch,
    *,
    gone: str,
    calls: tuple[OwnCall, ...],
    kind: str,
    says: str,
) -> None:
    session: Any = None
    monkeypatch.setattr(reconciling.aws, "gone_by_get_user", lambda *_: gone)  # type: ignore[attr-defined]
    found = reconciling._missing(theirs, session, calls)
    assert found is not None
    assert (found.kind, says in found.aws_shows) == (kind, True)
    assert (bool(found.records), found.calls) == (kind == "gone", calls if gone else ())


def test_a_difference_is_shown_with_both_sides(off: Departure) -> None:
    shown = Difference(off, "fence-gone", "not fenced").values()
    assert shown == {
        "account": cast.ACCOUNT_ID,
        "user_id": off.user.user_id,
        "user_name": "ci-off",
        "kind": "fence-gone",
        "rows_say": State.SOAKING.label,
        "aws_shows": "not fenced",
        "records": "",
    }


# ── Recording ────────────────────────────────────────────────────────────────────────────────────


def held(of: Departure, **fields: Any) -> Any:
    return replace(cast.everything_held(of.user.user_name), **fields)


def test_what_is_not_proven_is_recorded_by_nobody_and_the_rest_by_an_engineer(
    everybody: cast.Cast, off: Departure
) -> None:
    with pytest.raises(Refused, match="Look at it by hand"):
        reconciling.record(Difference(off, "fence-gone", "x"), everybody.jonas)
    with pytest.raises(NotAllowed):
        reconciling.record(Difference(off, "gone", "x", "y"), everybody.ada)
    reconciling.record(Difference(off, "gone", "x", "y", (DELETES,)), everybody.jonas)
    off.refresh_from_db()
    assert (off.state, off.deleted_outside) == (State.DELETED, True)
    entry = LedgerEntry.objects.get(kind="reconcile.recorded")
    assert (entry.data["found"], entry.data["request_ids"]) == ("gone", ["DeleteAccessKey"])


def test_calls_that_were_lost_become_a_change_that_can_be_undone(
    everybody: cast.Cast, theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "_live", held)
    found = Difference(
        theirs, "fenced", "x", "the calls", (FENCE, replace(SHUT, request_id="r" * 120))
    )
    reconciling.record(found, everybody.jonas)
    change = theirs.changes.get()
    assert (change.move, change.status, change.requested_by) == (
        "disable", "superseded", everybody.jonas,
    )  # fmt: skip
    assert (change.requested_at, change.started_at, change.irreversible_at) == (AT, AT, None)
    assert (change.finished_at is not None, change.reason) == (True, reconciling.REASON)
    first, second = change.calls.order_by("seq")
    assert (first.seq, first.operation, first.target) == (1, "AttachUserPolicy", cast.FENCE)
    assert (first.outcome, first.http_status, first.request_id) == ("ok", 200, "AttachUserPolicy")
    assert (first.sent_at, first.answered_at, first.kind) == (AT, AT, "write")
    assert (second.seq, second.target, second.params) == (2, "ci-pay-old", SHUT.params)
    assert second.request_id == "r" * 100
    saved = theirs.holdings.get()
    assert (saved.taken_at, saved.change) == (AT, change)
    assert cast.FENCE not in saved.document["attached_policies"]
    assert not theirs.irreversible_at


def test_a_deletion_that_was_under_way_is_past_its_point(
    everybody: cast.Cast, off: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "_live", held)
    # AWS was read before; meanwhile somebody changed another column of the row.
    Departure.objects.filter(pk=off.pk).update(version=7)
    reconciling.record(Difference(off, "half-deleted", "x", "y", (DELETES,)), everybody.jonas)
    change = off.changes.get()
    assert (change.move, change.status, change.irreversible_at) == ("delete", "withdrawn", AT)
    off.refresh_from_db()
    assert off.irreversible_at == AT
    assert off.holdings.get().change == change
    assert LedgerEntry.objects.filter(kind="delete.found-half-done").exists()


def test_a_restore_that_was_lost_is_recorded_as_done(everybody: cast.Cast, off: Departure) -> None:
    reconciling.record(Difference(off, "restored", "x", "y", (RESTORED,)), everybody.jonas)
    off.refresh_from_db()
    assert off.state == State.OWNER_ASSIGNED
    change = off.changes.get()
    assert (change.move, change.status, change.result) == ("restore", "done", reconciling.REASON)
    assert (change.requested_at, change.started_at, change.calls.count()) == (AT, AT, 1)


def test_who_was_fenced_and_restored_in_the_lost_time_rests_as_well(
    everybody: cast.Cast, theirs: Departure
) -> None:
    Departure.objects.filter(pk=theirs.pk).update(answer="can-go")
    reconciling.record(Difference(theirs, "restored", "x", "y", (RESTORED,)), everybody.jonas)
    theirs.refresh_from_db()
    assert (theirs.state, theirs.answer) == (State.OWNER_ASSIGNED, "")
    assert theirs.restored_at is not None


def test_holdings_are_as_they_were_before_our_calls(off: Departure) -> None:
    off.user.boundary_arn = "arn:before"
    live = held(off, has_login_profile=False)
    before = reconciling._before(live, off, [SHUT])
    assert cast.FENCE in before.attached_policies
    assert [key.status for key in before.access_keys] == ["Active", "Inactive"]
    inactive = replace(live.access_keys[0], status="Inactive")
    live = replace(live, access_keys=(inactive, live.access_keys[1]), boundary=cast.FENCE)
    before = reconciling._before(live, off, [FENCE, SHUT, call("DeleteLoginProfile")])
    assert before.attached_policies == ("arn:aws:iam::aws:policy/ReadOnlyAccess",)
    assert [key.status for key in before.access_keys] == ["Active", "Inactive"]
    assert (before.has_login_profile, before.boundary) == (True, "arn:before")
    assert reconciling._before(replace(live, boundary="arn:x"), off, []).boundary == "arn:x"


# ── Finishing ────────────────────────────────────────────────────────────────────────────────────


def test_an_engineer_says_once_that_aws_was_read(everybody: cast.Cast, off: Departure) -> None:
    with pytest.raises(Refused, match="No database restore"):
        reconciling.finish(everybody.jonas, [], [])
    stop = EmergencyStop.objects.create(pulled_at=clock.now())
    with pytest.raises(Refused, match="No database restore"):
        reconciling.finish(everybody.jonas, [], [])
    EmergencyStop.objects.update(reconcile=True)
    with pytest.raises(NotAllowed):
        reconciling.finish(everybody.ada, [], [])
    left = Difference(off, "fence-gone", "not fenced")
    with CaptureQueriesContext(connection) as asked:
        reconciling.finish(everybody.jonas, [left], ["b", "a"])
    assert any("FOR UPDATE" in one["sql"] and "emergencystop" in one["sql"] for one in asked)
    stop.refresh_from_db()
    assert (stop.reconciled_by, stop.differences) == (everybody.jonas, [left.values()])
    assert stop.reconciled_at is not None
    entry = LedgerEntry.objects.get(kind="reconcile.done")
    assert (entry.data["differences"], entry.data["skipped"]) == (1, ["a", "b"])


def test_a_listing_of_nobody_is_compared_with_nothing(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "open_session", lambda account, role: None)
    monkeypatch.setattr(reconciling, "list_users", lambda session: [])
    with pytest.raises(AwsFailure) as failed:
        reconciling.differences(everybody.account, AT)
    assert failed.value.code == "EmptyListing"
