"""Why a legal move must not happen now: pure rules that give reasons a person can read.

Page, API, command and worker ask the same functions; `now` is an argument. A `Situation` is what is
known of one IAM user, an `AccountSituation` what is known of its account. No blocker means: it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from migrations_app.lifecycle import MOVES, MoveName, State

RESTORED_REST = timedelta(days=30)
TRAIL_LAG = timedelta(hours=1)
ADMIN_SEEN_WITHIN = timedelta(days=30)
BREAK_GLASS_SEEN_WITHIN = timedelta(hours=24)
URGENT_USERS = 5
# Blockers that end by themselves with the next round of listening; they hold, never leave out.
PASSING = frozenset({"listening", "last-used"})
QUIET_VERDICTS = frozenset({"dormant", "never-used"})


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason why not: a stable code, a sentence, and what to do about it."""

    code: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The lengths of the policy that the guards need."""

    dormant_after: timedelta
    quiet: timedelta
    evidence_max_age: timedelta


@dataclass(frozen=True, slots=True)
class StillNamed:
    """Something that names the user and that its deletion would break: a sentence, the way out."""

    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of one IAM user when somebody wants to move it. Times are aware UTC."""

    user_name: str
    state: State
    rules: Rules
    protection: str = ""
    has_owner: bool = False
    owner_name: str = ""
    owner_can_be_reached: bool = False
    answer: str = ""
    answered_at: datetime | None = None
    claim_pending: bool = False
    contested: bool = False
    handed_over: bool = False
    disputed_until: date | None = None

    created_at: datetime | None = None
    verdict: str = "unknown"
    coverage_whole: bool = False
    evidence_at: datetime | None = None
    last_activity_at: datetime | None = None
    overruled_at: datetime | None = None
    overruled_verdict: str = ""
    plan_confirmed_at: datetime | None = None
    plan_held: str = ""

    quarantined: bool = False
    restored_at: datetime | None = None
    other_change: str = ""
    open_hit: bool = False
    fenced_at: datetime | None = None
    due_at: datetime | None = None
    listened_from: datetime | None = None
    listened_to: datetime | None = None
    unheard: tuple[str, ...] = ()
    last_used_read_at: datetime | None = None
    references_that_block: tuple[StillNamed, ...] = ()
    partly_deleted: bool = False
    gone: bool = False


def blockers(
    situation: Situation, move: MoveName, now: datetime, *, urgent: bool = False
) -> list[Blocker]:
    """Every reason why `move` must not happen to this user now, most fundamental first."""
    found = list(_always(situation, move))
    if MOVES[move].forward and not found:
        if move is MoveName.DISABLE:
            found += (
                _before_urgent_disable(situation) if urgent else _before_disable(situation, now)
            )
        elif move is MoveName.SOAK:
            found += _before_shut(situation, now)
        elif move is MoveName.DELETE:
            found += _before_delete(situation, now)
    return found


def _always(s: Situation, move: MoveName) -> Iterator[Blocker]:
    if s.gone:
        yield Blocker("gone", f"{s.user_name} is no longer in AWS.", "The next sync records it.")
    if MOVES[move].forward and s.protection:
        yield Blocker(
            "protected",
            f"{s.user_name} is protected ({s.protection}).",
            "Protected users are never fenced, shut or deleted.",
        )
    # An urgent disable assigns a discovered user to the custodian in the same transaction.
    if s.state not in MOVES[move].sources and not (
        move is MoveName.DISABLE and s.state is State.DISCOVERED
    ):
        yield Blocker(
            "state", f"{s.user_name} is {s.state.label}, so it cannot be {MOVES[move].done}."
        )
    if MOVES[move].forward and s.other_change:
        yield Blocker("busy", f"{s.user_name} is in {s.other_change} already.")


def _before_urgent_disable(s: Situation) -> Iterator[Blocker]:
    """Leaked keys: everything that waits is skipped; what protects is not."""
    yield from ()


def _before_disable(s: Situation, now: datetime) -> Iterator[Blocker]:
    yield from _ownership(s, now)
    if s.quarantined:
        yield Blocker(
            "quarantined",
            f"AWS put a compromised-key policy on {s.user_name}.",
            "Its keys leaked: use an urgent batch, or close the support case and sync.",
        )
    if s.restored_at and (
        now < s.restored_at + RESTORED_REST
        or s.answered_at is None
        or s.answered_at <= s.restored_at
    ):
        until = s.restored_at + RESTORED_REST
        yield Blocker(
            "restored",
            f"{s.user_name} was restored on {s.restored_at:%d %b}.",
            f"It rests until {until:%d %b} and until its owner answered again.",
        )
    if s.evidence_at is None or now - s.evidence_at > s.rules.evidence_max_age:
        yield Blocker(
            "evidence-age",
            f"The evidence about {s.user_name} is too old."
            if s.evidence_at
            else f"{s.user_name} was not looked at yet.",
            "Run the dry run again, or sync the account.",
        )
    yield from may_be_fenced(s, now)


def _ownership(s: Situation, now: datetime) -> Iterator[Blocker]:
    if not s.has_owner:
        yield Blocker("ownerless", f"Nobody answers for {s.user_name}.", "Assign it or adopt it.")
    elif not s.owner_can_be_reached:
        yield Blocker(
            "unreachable",
            f"{s.owner_name} has neither a lead nor a channel, so nobody can be told.",
            "Declare a lead, or take the user for the custodian team.",
        )
    yield from _contest(s)
    if s.claim_pending and not s.contested:
        yield Blocker(
            "contest", f"A claim of {s.user_name} waits for Security.", "Confirm or decline it."
        )
    if s.handed_over:
        yield Blocker("hand-over", f"{s.user_name} is being handed over.", "Wait for the answer.")
    if s.disputed_until and now.date() <= s.disputed_until:
        yield Blocker(
            "disputed", f"{s.user_name} is disputed until {s.disputed_until:%d %b}.", "Answer it."
        )


def overrule_holds(s: Situation) -> bool:
    """Whether an engineer's overruling still counts: any later activity makes it lapse."""
    if s.overruled_at is None:
        return False
    if s.last_activity_at and s.last_activity_at > s.overruled_at:
        return False
    if s.overruled_verdict == "active":
        return s.answer == "can-go"
    # Overruled as something else, and seen in use since: that is later activity as well.
    return s.verdict != "active"


def may_be_fenced(s: Situation, now: datetime) -> Iterator[Blocker]:
    """Rule 6: dormant with whole coverage, or replaced and quiet, or overruled."""
    if s.plan_held:
        yield Blocker("plan-held", f"The plan for {s.user_name} is on hold.", s.plan_held)
        return
    if s.answer == "needed" and s.plan_confirmed_at is None:
        yield Blocker(
            "needed",
            f"{s.owner_name or 'The owner'} still needs {s.user_name}.",
            "Plan a replacement and have the owner confirm it.",
        )
        return
    if s.plan_confirmed_at is not None:
        yield from _quiet(s, now)
        return
    if overrule_holds(s):
        return
    if s.created_at and now - s.created_at < s.rules.dormant_after:
        yield Blocker(
            "young",
            f"{s.user_name} is younger than the dormancy window.",
            "It is never dormant, whatever it did not do. Ask its owner.",
        )
        return
    if s.verdict not in QUIET_VERDICTS:
        text = {
            "active": f"{s.user_name} is in use.",
            "unknown": f"It cannot be told whether {s.user_name} is used.",
        }.get(s.verdict, f"The verdict on {s.user_name} is {s.verdict}.")
        yield Blocker(
            "in-use" if s.verdict == "active" else "unknown",
            text,
            "Plan a replacement first."
            if s.verdict == "active"
            else "Sync again, ask the owner, or overrule with a note.",
        )
    elif not s.coverage_whole:
        yield _unread(s)


def quiet_since(last_activity_at: datetime | None, created_at: datetime | None) -> datetime | None:
    """From when on nothing was seen of the old credentials; None where nothing is known."""
    return max(filter(None, (last_activity_at, created_at)), default=None)


def _quiet(s: Situation, now: datetime) -> Iterator[Blocker]:
    """Replaced: the old credentials rest, and every source that would show their use was read."""
    since = quiet_since(s.last_activity_at, s.created_at)
    if since and now - since < s.rules.quiet:
        until = since + s.rules.quiet
        yield Blocker(
            "not-quiet",
            f"The old credentials of {s.user_name} were used on {since:%d %b}.",
            f"They must be quiet until {until:%d %b}.",
        )
    elif not s.coverage_whole:
        yield _unread(s)


def _unread(s: Situation) -> Blocker:
    return Blocker(
        "coverage",
        f"Not every source was read for {s.user_name}.",
        "Unknown is never unused. Sync again.",
    )


def _before_shut(s: Situation, now: datetime) -> Iterator[Blocker]:
    yield from _objections(s, now)
    yield from _time_is_over(s, now, "watch")


def _before_delete(s: Situation, now: datetime) -> Iterator[Blocker]:
    if s.partly_deleted:
        return
    yield from _objections(s, now)
    yield from _time_is_over(s, now, "soak")
    for reference in s.references_that_block:
        yield Blocker("reference", reference.text, reference.fix or "Edit it first.")


def _contest(s: Situation) -> Iterator[Blocker]:
    if s.contested:
        yield Blocker("contest", f"Two teams claim {s.user_name}.", "Settle whose it is.")


def _objections(s: Situation, now: datetime) -> Iterator[Blocker]:
    yield from _contest(s)
    if s.open_hit:
        yield Blocker("hit", f"{s.user_name} was called.", "Close the hit, or restore the user.")
    if s.disputed_until and now.date() <= s.disputed_until:
        yield Blocker(
            "disputed", f"{s.user_name} is disputed until {s.disputed_until:%d %b}.", "Answer it."
        )
    if s.handed_over:
        yield Blocker("hand-over", f"{s.user_name} is being handed over.", "Wait for the answer.")


def _time_is_over(s: Situation, now: datetime, what: str) -> Iterator[Blocker]:
    """The watch or soak is over, and was listened to whole (DESIGN.md section 3)."""
    if s.due_at is None or now < s.due_at:
        until = f"{s.due_at:%d %b %H:%M} UTC" if s.due_at else "it has started"
        yield Blocker("early", f"The {what} of {s.user_name} lasts until {until}.")
        return
    if (
        s.fenced_at is None
        or s.listened_from is None
        or s.listened_to is None
        or s.listened_from > s.fenced_at
        or now - s.listened_to > TRAIL_LAG
    ):
        yield Blocker(
            "listening",
            f"CloudTrail was not read whole for {s.user_name} since the fence.",
            "It is read again every few minutes; a Region that cannot be read holds the user.",
        )
    elif s.unheard:
        yield Blocker(
            "listening",
            f"Some of what {s.user_name} did in {', '.join(s.unheard)} could not be read yet.",
            "It is tried again for two hours or more; what is lost then lengthens the clock.",
        )
    if s.last_used_read_at is None or s.last_used_read_at < s.due_at:
        yield Blocker(
            "last-used",
            f"The last-used dates of {s.user_name} were not read since the {what} ended.",
            "They are read again every few minutes.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSituation:
    """What is known of an account when somebody wants to write to it."""

    name: str
    has_role: bool
    sandbox: bool = False
    stopped: bool = False
    hold_reason: str = ""
    self_known: bool = True
    break_glass_seen_at: datetime | None = None
    break_glass_has_mfa: bool = False
    open_hits: tuple[str, ...] = ()
    settles_at: datetime | None = None
    warnings: tuple[str, ...] = field(default=())


def account_blockers(
    account: AccountSituation, move: MoveName, now: datetime, *, urgent: bool = False
) -> list[Blocker]:
    """Every reason why no forward write may happen in this account now."""
    found: list[Blocker] = []
    if account.stopped:
        found.append(
            Blocker("stopped", "The emergency stop is pulled.", "Another person lifts it.")
        )
    if account.hold_reason:
        found.append(Blocker("hold", account.hold_reason, "See Settings, Accounts."))
    if not account.has_role:
        found.append(
            Blocker(
                "read-only",
                f"{account.name} has no role for this: it is read-only.",
                "Declare actor_role or deleter_role in the organization file.",
            )
        )
    if not account.self_known:
        found.append(
            Blocker(
                "self-unknown",
                "It cannot be told which identity this product runs as.",
                "A worker must be running and its credentials must answer GetCallerIdentity.",
            )
        )
    if not account.sandbox:
        found += _break_glass(account, now)
    if move is MoveName.DISABLE and not urgent and account.open_hits:
        names, one = ", ".join(account.open_hits), len(account.open_hits) == 1
        said = "was called and the hit is open" if one else "were called and the hits are open"
        found.append(
            Blocker("open-hit", f"{names} {said}.", f"Close {'it' if one else 'them'} first.")
        )
    return found


def _break_glass(account: AccountSituation, now: datetime) -> list[Blocker]:
    seen = account.break_glass_seen_at
    if seen is None or now - seen > BREAK_GLASS_SEEN_WITHIN:
        return [
            Blocker(
                "break-glass",
                "The break-glass user was not seen within 24 hours.",
                "Sync its account; if it is gone, create it anew before anything else.",
            )
        ]
    if not account.break_glass_has_mfa:
        return [
            Blocker("break-glass", "The break-glass user has no MFA device.", "Register one first.")
        ]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """One identity with admin rights, or the federated sign-in, as rule 19 counts them."""

    name: str
    seen_at: datetime | None


def lock_out(
    ways_left: tuple[WayIn, ...],
    federated_seen_at: datetime | None,
    takes_console_humans: bool,
    now: datetime,
) -> list[Blocker]:
    """Rule 19: nobody locks everybody out. `ways_left` are the admins that remain afterwards."""
    found = []
    if not any(way.seen_at and now - way.seen_at <= ADMIN_SEEN_WITHIN for way in ways_left):
        found.append(
            Blocker(
                "lock-out",
                "After this no identity with admin rights seen in use within 30 days is left, "
                "besides the break-glass user.",
                "Approve with a reason, or leave one out.",
            )
        )
    if takes_console_humans and (
        federated_seen_at is None or now - federated_seen_at > ADMIN_SEEN_WITHIN
    ):
        found.append(
            Blocker(
                "no-federation",
                "No federated sign-in to this account was seen within 30 days.",
                "People would have no way in. Approve with a reason, or set up the new way first.",
            )
        )
    return found
