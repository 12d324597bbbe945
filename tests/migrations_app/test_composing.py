"""A draft, row by row: who is in it, what changes it, and what may be asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.models import IamUser, LedgerEntry, Organization
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes, guards
from migrations_app.changes import batches, nudge
from migrations_app.changes.situation import situation
from migrations_app.guards import Blocker
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Comment, Departure
from migrations_app.outgoing import announcing
from tests import cast

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which drafts a worker was asked to look at."""
    asked: list[int] = []
    monkeypatch.setattr(nudge, "dry_run", asked.append)
    return asked


def many(everybody: cast.Cast, count: int, state: State = State.OWNER_ASSIGNED) -> list[Departure]:
    owner = None if state is State.DISCOVERED else everybody.payments
    return [cast.departure(f"u{number:02}", state, owner) for number in range(count)]


def compose(
    everybody: cast.Cast, rows: list[Departure], move: str = "disable", **how: Any
) -> Batch:
    return changes.compose(everybody.account, move, rows, everybody.jonas, **how)


def now(row: Batch) -> Batch:
    return Batch.objects.get(pk=row.pk)


def named(batch: Batch) -> list[str]:
    rows = batch.changes.order_by("pk").values_list("departure__user__user_name", flat=True)
    return list(rows)


# ── Composing ────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_says_who_composed_what_and_is_looked_at(
    everybody: cast.Cast, theirs: Departure, told: list[int]
) -> None:
    everybody.account.sandbox = True
    everybody.account.save()
    cast.batch(everybody.account, everybody.mei, number=7)
    batch = compose(everybody, [theirs], method="shut", reason=" spring ")
    row = now(batch)
    assert (row.number, row.status, row.move, row.method) == (8, "draft", "disable", "shut")
    assert (row.composed_by, row.reason, row.urgent, row.sandbox) == (
        everybody.jonas, "spring", False, True,
    )  # fmt: skip
    assert (row.dry_run_asked_at is not None, row.dry_run_at, row.digest) == (True, None, "")
    assert told == [row.pk]
    change = row.changes.get()
    assert (change.move, change.method, change.status) == ("disable", "shut", "draft")
    assert change.requested_by == everybody.jonas
    entry = LedgerEntry.objects.get(kind="batch.composed")
    assert (entry.batch, entry.data["move"], entry.data["urgent"]) == (8, "disable", False)


def test_a_batch_disables_or_deletes_somebody(everybody: cast.Cast, theirs: Departure) -> None:
    for move in ("soak", "restore"):
        with pytest.raises(Refused, match="disables or deletes"):
            compose(everybody, [theirs], move)
    with pytest.raises(Refused) as refused:
        compose(everybody, [])
    assert refused.value.rule == "input"
    assert compose(everybody, [theirs], "delete").move == "delete"


def test_twenty_fit_and_not_one_more(everybody: cast.Cast) -> None:
    rows = many(everybody, 21)
    with pytest.raises(Refused, match="A batch takes 20 users, so 20 more fit") as refused:
        compose(everybody, rows)
    assert (refused.value.rule, "Leave 1 for another" in str(refused.value)) == ("batch-size", True)
    batch = compose(everybody, rows[:19])
    with pytest.raises(Refused, match="1 more fit"):
        changes.add_users(batch, rows[19:], everybody.jonas)
    changes.add_users(batch, rows[:20], everybody.jonas)
    assert len(named(batch)) == 20


def test_an_urgent_batch_is_five_at_most_shut_at_once_and_says_why(everybody: cast.Cast) -> None:
    rows = many(everybody, 6)
    with pytest.raises(Refused) as refused:
        compose(everybody, rows, urgent=True, reason="leaked")
    assert refused.value.rule == "urgent"
    for reason, move in ((" ", "disable"), ("leaked", "delete")):
        with pytest.raises(Refused) as refused:
            compose(everybody, rows[:5], move, urgent=True, reason=reason)
        assert refused.value.rule == "urgent"
    batch = compose(everybody, rows[:5], urgent=True, reason="leaked")
    assert (batch.urgent, batch.method) == (True, "shut")
    with pytest.raises(Refused, match="shut at once"):
        changes.set_method(batch, "fence", everybody.jonas)
    assert changes.set_method(batch, "shut", everybody.jonas).method == "shut"


def test_leaked_keys_that_nobody_claimed_are_the_custodians_and_protected_ones_nobodys(
    everybody: cast.Cast,
) -> None:
    stray, keeper = many(everybody, 2, State.DISCOVERED)
    owned = cast.departure("owned", State.OWNER_ASSIGNED, everybody.payments)
    Departure.objects.filter(pk=keeper.pk).update(protection="break-glass")
    rows = [Departure.objects.get(pk=row.pk) for row in (stray, keeper, owned)]
    compose(everybody, rows[:1])
    stray.refresh_from_db()
    assert stray.owner is None
    compose(everybody, rows, urgent=True, reason="leaked")
    owners = [Departure.objects.get(pk=row.pk).owner for row in rows]
    assert owners == [everybody.security, None, everybody.payments]


def test_users_of_another_account_are_refused_and_known_ones_are_in_once(
    everybody: cast.Cast, theirs: Departure
) -> None:
    far = cast.departure(
        cast.iam_user("far", cast.account("210987654321", "other")), State.OWNER_ASSIGNED
    )
    batch = compose(everybody, [theirs])
    with pytest.raises(Refused, match="far is in another account"):
        changes.add_users(batch, [far], everybody.jonas)
    assert changes.add_users(batch, [theirs, *many(everybody, 1)], everybody.jonas) == batch
    assert named(batch) == ["ci-pay-old", "u00"]


@pytest.mark.parametrize(
    "verb",
    [
        lambda batch, row, who: changes.add_users(batch, [row], who),
        changes.remove_user,
        lambda batch, row, who: changes.set_method(batch, "shut", who),
        lambda batch, row, who: changes.discard(batch, who),
        lambda batch, row, who: changes.ask_dry_run(batch, who),
        lambda batch, row, who: changes.ask(batch, who),
    ],
    ids=["add", "remove", "method", "discard", "dry run", "ask"],
)
def test_only_an_engineer_changes_a_draft_and_nobody_what_is_no_draft(
    everybody: cast.Cast, theirs: Departure, verb: Callable[[Batch, Departure, Any], Any]
) -> None:
    batch = compose(everybody, [theirs])
    for who in (everybody.sara, everybody.vera, everybody.ada):
        with pytest.raises(NotAllowed):
            verb(batch, theirs, who)
    Batch.objects.update(status="asked")
    with pytest.raises(Stale, match="no longer a draft"):
        verb(batch, theirs, everybody.jonas)


# ── Changing a draft ─────────────────────────────────────────────────────────────────────────────


def looked_at(batch: Batch) -> None:
    """As a dry run leaves it a moment ago."""
    for change in batch.changes.all():
        Change.objects.filter(pk=change.pk).update(digest=f"{change.pk:064}")
    Batch.objects.filter(pk=batch.pk).update(
        dry_run_at=clock.now(), dry_run_asked_at=None, digest="d" * 64
    )


def test_who_is_taken_out_changes_what_was_shown_and_leaves_the_others(
    everybody: cast.Cast, told: list[int]
) -> None:
    rows = many(everybody, 2)
    batch = compose(everybody, rows)
    looked_at(batch)
    told.clear()
    changes.remove_user(batch, rows[0], everybody.jonas)
    first = now(batch).digest
    assert (named(batch), told) == (["u01"], [])
    assert first not in ("", "d" * 64)
    changes.remove_user(batch, rows[1], everybody.jonas)
    assert now(batch).digest == ""


@pytest.mark.parametrize("how", ["add", "method", "again"])
def test_what_changes_a_draft_asks_for_another_look(
    everybody: cast.Cast, theirs: Departure, told: list[int], how: str
) -> None:
    batch = compose(everybody, [theirs])
    looked_at(batch)
    told.clear()
    if how == "add":
        changes.add_users(batch, many(everybody, 1), everybody.jonas)
    elif how == "method":
        changes.set_method(batch, "shut", everybody.jonas)
        assert (now(batch).method, batch.changes.get().method) == ("shut", "shut")
    else:
        changes.ask_dry_run(batch, everybody.jonas)
    row = now(batch)
    assert (row.dry_run_at, row.digest, row.dry_run_asked_at is not None) == (None, "", True)
    assert told == [batch.pk]


def test_a_method_that_there_is_not_is_refused(everybody: cast.Cast, theirs: Departure) -> None:
    with pytest.raises(Refused, match="by fence, or by shut"):
        changes.set_method(compose(everybody, [theirs]), "slowly", everybody.jonas)


def test_a_discarded_draft_lets_go_of_its_users(everybody: cast.Cast, theirs: Departure) -> None:
    batch = compose(everybody, [theirs])
    changes.discard(batch, everybody.jonas)
    row, change = now(batch), batch.changes.get()
    assert (row.status, change.status) == ("withdrawn", "withdrawn")
    assert row.finished_at is not None
    assert change.finished_at is not None
    assert LedgerEntry.objects.get(kind="batch.discarded").batch == batch.number


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Blocker]]:
    """What holds the account, and users by name: nothing, until a test says so."""
    held: dict[str, list[Blocker]] = {}

    def blockers(change: Change) -> list[dict[str, str]]:
        found = held.get(change.departure.user.user_name, [])
        return [{"code": one.code, "text": one.text, "fix": one.fix} for one in found]

    monkeypatch.setattr(batches, "account_blockers", lambda *_: held.get("account", []))
    monkeypatch.setattr(batches, "_blockers", blockers)
    return held


def test_what_is_asked_is_frozen_told_and_recorded(
    everybody: cast.Cast, free: dict[str, list[Blocker]], monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[Batch] = []
    monkeypatch.setattr(announcing, "asked", announced.append)
    batch = compose(everybody, many(everybody, 3))
    looked_at(batch)
    Change.objects.filter(departure__user__user_name="u02").update(digest="")
    free["u01"] = [Blocker("busy", "u01 is busy.", "Wait.")]
    changes.ask(batch, everybody.jonas, " please ")
    row = now(batch)
    assert (row.status, row.asked_by, row.message) == ("asked", everybody.jonas, "please")
    assert row.asked_at is not None
    assert row.digest not in ("", "d" * 64)
    first, blocked, unseen = batch.changes.order_by("pk")
    assert (first.status, first.blockers, first.finished_at) == ("asked", [], None)
    assert (blocked.status, blocked.result) == ("left-out", "u01 is busy.")
    assert blocked.finished_at is not None
    assert (unseen.status, unseen.blockers[0]["code"]) == ("left-out", "not-looked-at")
    assert announced == [batch]
    entry = LedgerEntry.objects.get(kind="batch.asked")
    assert entry.data["users"] == [first.departure.user.user_id]
    assert entry.data["digest"] == row.digest


def test_who_is_asked_for_in_another_batch_meanwhile_is_left_out(
    everybody: cast.Cast, free: dict[str, list[Blocker]]
) -> None:
    rows = many(everybody, 2)
    batch, other = compose(everybody, rows), compose(everybody, rows[:1])
    looked_at(batch)
    other.changes.update(status="asked")
    changes.ask(batch, everybody.jonas)
    left, asked = batch.changes.order_by("pk")
    assert (left.status, left.blockers[0]["code"]) == ("left-out", "busy")
    assert left.result == "u00 is in another batch already."
    assert left.finished_at is not None
    assert asked.status == "asked"


def test_a_draft_is_asked_for_as_it_was_shown_and_lately_looked_at(
    everybody: cast.Cast, theirs: Departure, free: dict[str, list[Blocker]]
) -> None:
    batch = compose(everybody, [theirs])

    def refused(**how: Any) -> str:
        with pytest.raises(Refused) as why:
            changes.ask(batch, everybody.jonas, **how)
        assert now(batch).status == "draft"
        return why.value.rule

    assert refused() == "dry-run"
    looked_at(batch)
    assert refused(digest="e" * 64) == "digest"
    Batch.objects.update(dry_run_asked_at=clock.now())
    assert refused() == "dry-run"
    Batch.objects.update(dry_run_asked_at=None, dry_run_at=clock.now() - 61 * MINUTE)
    assert refused() == "dry-run"
    Batch.objects.update(dry_run_at=clock.now() - 59 * MINUTE)
    free["account"] = [Blocker("hold", "It is held.", "See Settings.")]
    assert refused() == "hold"
    del free["account"]
    free["ci-pay-old"] = [Blocker("in-use", "It is in use.", "Wait.")]
    assert refused() == "in-use"
    assert batch.changes.get().status == "draft"
    free.clear()
    assert changes.ask(batch, everybody.jonas, digest="d" * 64).status == "asked"


# ── Dry runs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_that_comes_late_changes_nothing_that_was_asked(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = compose(everybody, [theirs])
    change = batch.changes.get()
    change.digest, change.facts, change.blockers = "a" * 64, {"x": 1}, []
    change.judged, change.warnings = {"whole": True}, [{"code": "admin", "text": "Admin"}]
    Batch.objects.update(status="asked")
    batches._save_dry_run(change)
    assert batch.changes.get().digest == ""
    Batch.objects.update(status="draft")
    batches._save_dry_run(change)
    saved = batch.changes.get()
    assert (saved.digest, saved.facts, saved.judged) == ("a" * 64, {"x": 1}, {"whole": True})
    assert saved.warnings == [{"code": "admin", "text": "Admin"}]
    batches._block(change, "gone", "It is gone.")
    blocked = batch.changes.get()
    assert (blocked.digest, blocked.facts, blocked.judged, blocked.warnings) == ("", {}, {}, [])
    assert blocked.blockers == [{"code": "gone", "text": "It is gone.", "fix": ""}]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (NoSuchUser("NoSuchEntity", "No.", operation="GetUser"), "gone"),
        (AwsFailure("AccessDenied", "No.", operation="GetUser"), "unreadable"),
        (cast.everything_held("ci-pay-old"), "namesake"),
    ],
)
def test_who_cannot_be_read_as_the_same_user_is_blocked_and_looked_at_no_further(
    everybody: cast.Cast,
    theirs: Departure,
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: Any,
    code: str,
) -> None:
    def read(session: Any, name: str, wide: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(batches, "read_user", read)
    monkeypatch.setattr(batches, "evidence", None)
    change = compose(everybody, [theirs]).changes.get()
    session: Any = None
    batches._dry_run_one(change, session, None)
    saved = Change.objects.get(pk=change.pk)
    assert ([one["code"] for one in saved.blockers], saved.digest) == ([code], "")


# ── Saying something, choosing, typing ───────────────────────────────────────────────────────────


def test_everybody_who_sees_a_batch_says_something_about_it(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = compose(everybody, [theirs])
    with pytest.raises(Refused, match="Write something"):
        changes.comment(batch, everybody.vera, " ")
    changes.comment(batch, everybody.vera, " Why? ", batch.changes.get())
    said = Comment.objects.get()
    assert (said.text, said.person, said.batch, said.change) == (
        "Why?", everybody.vera, batch, batch.changes.get(),
    )  # fmt: skip


def test_the_words_of_a_delete_count_those_who_are_asked_for(everybody: cast.Cast) -> None:
    batch = compose(everybody, many(everybody, 3), "delete")
    assert changes.words_for(batch) == "delete 0 users"
    made = list(batch.changes.order_by("pk"))
    Change.objects.filter(pk=made[0].pk).update(status="asked")
    assert changes.words_for(batch) == "delete 1 user"
    Change.objects.filter(pk=made[1].pk).update(status="asked")
    assert changes.words_for(batch) == "delete 2 users"


def chosen(everybody: cast.Cast, move: str) -> list[str]:
    return [row.user.user_name for row in changes.eligible(everybody.account, move)]


def test_who_may_be_disabled_is_listed_longest_unused_first(everybody: cast.Cast) -> None:
    ages = {"never": None, "long": 300, "lately": 100}
    for name, days in ages.items():
        last = None if days is None else clock.now() - timedelta(days=days)
        user = cast.iam_user(
            name, last_activity_at=last, verdict="dormant" if days else "never-used"
        )
        cast.departure(user, State.OWNER_ASSIGNED)
    for name, columns in (
        ("active", {"verdict": "active"}),
        ("unknown", {"verdict": "unknown"}),
        ("gone", {"gone_at": clock.now()}),
    ):
        cast.departure(cast.iam_user(name, **columns), State.OWNER_ASSIGNED)
    cast.departure(cast.iam_user("far", cast.account("210987654321", "x")), State.OWNER_ASSIGNED)
    cast.departure("keeper", State.OWNER_ASSIGNED, protection="break-glass")
    cast.departure("off", State.DISABLED)
    for status in ("draft", "asked", "queued", "running", "failed", "done"):
        cast.change(cast.departure(f"in-{status}", State.OWNER_ASSIGNED), status=status)
    IamUser.objects.filter(user_name="in-done").update(last_activity_at=clock.now())
    assert chosen(everybody, "disable") == ["long", "lately", "in-done", "never"]


def test_who_may_be_deleted_is_shut_the_longest_first(everybody: cast.Cast) -> None:
    for name, days in (("late", 3), ("early", 9)):
        started = clock.now() - timedelta(days=days)
        user = cast.iam_user(name, verdict="active")
        cast.departure(user, State.SOAKING, clock_started_at=started)
    cast.departure("watched", State.DISABLED)
    assert chosen(everybody, "delete") == ["early", "late"]


@pytest.mark.parametrize(
    ("days", "plan", "offered"),
    [
        (15, {"status": "confirmed"}, True),
        (13, {"status": "confirmed"}, False),
        (15, {"status": "confirmed", "held_reason": "A group was made anew."}, False),
        (15, {"status": "tested"}, False),
    ],
)
def test_a_user_in_use_is_offered_once_its_plan_counts_and_its_old_credentials_rest(
    everybody: cast.Cast, days: int, plan: dict[str, str], offered: bool
) -> None:
    used = clock.now() - timedelta(days=days)
    user = cast.iam_user("deploy", verdict="active", last_activity_at=used)
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)
    cast.plan(row, **plan)
    assert [*changes.eligible(everybody.account, "disable")] == [row] * offered


@pytest.mark.parametrize(
    ("days", "columns", "offered"),
    [
        (25, {"category": "ci-cd"}, False),
        (31, {"category": "ci-cd"}, True),
        # What a person said of it counts, whatever the signs say.
        (15, {"category": "ci-cd", "category_override": "human-console"}, True),
        (25, {"category": "third-party", "category_override": "ci-cd"}, False),
        (8, {"category": "mystery"}, True),
        (15, {"category": "human-console", "coverage_whole": False}, False),
    ],
)
def test_a_user_in_use_is_offered_only_where_the_guard_lets_it_be_fenced(
    everybody: cast.Cast, days: int, columns: dict[str, Any], offered: bool
) -> None:
    longer = {"ci-cd": {"quiet": "30d"}, "mystery": {"quiet": "7d"}}
    Organization.objects.update_or_create(pk=1, defaults={"policy": {"by_category": longer}})
    used = clock.now() - timedelta(days=days)
    user = cast.iam_user("deploy", verdict="active", last_activity_at=used, **columns)
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)
    cast.plan(row, status="confirmed", confirmed_at=used)
    assert [*changes.eligible(everybody.account, "disable")] == [row] * offered
    told = guards.may_be_fenced(situation(row), clock.now())
    assert bool(list(told)) != offered


def test_a_user_made_anew_with_old_activity_does_not_rest_yet(everybody: cast.Cast) -> None:
    now = clock.now()
    user = cast.iam_user(
        "deploy",
        verdict="active",
        created_at=now - timedelta(days=3),
        last_activity_at=now - timedelta(days=20),
    )
    cast.plan(cast.departure(user, State.OWNER_ASSIGNED, everybody.payments), status="confirmed")
    assert not changes.eligible(everybody.account, "disable").exists()


def test_the_first_batch_is_number_one(everybody: cast.Cast) -> None:
    rows = many(everybody, 1)
    assert changes.compose(everybody.account, "disable", rows, everybody.jonas).number == 1
