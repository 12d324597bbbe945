"""The page of one IAM user as values: steps, verdict, what happens next, history."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum, Value, Window
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_date, parse_datetime

from inventory import clock, sentences
from inventory.coverage import by_reason
from inventory.models import Activity, IamUser, LedgerEntry, LedgerName, Observation
from inventory.reads import DETAILS, Reads
from inventory.referrers.references import ROLE_MENTION, ROLE_TRUST
from inventory.rhythm import RARE
from inventory.templatetags.times import day_text
from migrations_app import dates, log, observed
from migrations_app.batch_plan import cut_keys
from migrations_app.lifecycle import HAS_ACCESS, MoveName, State
from migrations_app.models import Answer, Departure, Plan
from migrations_app.replacement.planning import Quiet
from migrations_app.users import listing

HISTORY = 7
NOT_LOOKED_AT = "Not looked at"
_TRUSTS = (ROLE_TRUST, ROLE_MENTION)
# What `sentences.ago` said when the verdict was judged, at the end of a reason.
_AGE = re.compile(r", (?:less than an hour|[\d,]+ (?:hour|day)s?) ago\.$")
_REGION = re.compile(r"CloudTrail in ([a-z0-9-]+): (.+)", re.DOTALL)
# Whoever asks for all of it gets no more than this on one page; the log has the others.
WHOLE_HISTORY = 500


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stepper; `status` is done, now or next."""

    state: str
    status: str
    at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of the verdict, with its source and time."""

    text: str
    source: str
    at: datetime | None
    blocks: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict as a sentence with its reasons."""

    title: str
    why: str
    icon: str
    tone: str
    confidence: str
    why_not_higher: str
    level: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Coming:
    """One line of what happens next."""

    at: datetime
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the user's history: at `at`, or somewhere between `since` and `at`."""

    who: str
    text: str
    at: datetime
    since: datetime | None = None


def waits_for(row: Departure) -> str:
    """What has to happen before any date can be told; empty for a user that may go now (rule 6)."""
    if row.protection:
        return "not while protected"
    if row.state not in HAS_ACCESS or row.overruled_at is not None:
        return ""
    plan = getattr(row, "plan", None)
    if plan is not None and plan.status == Plan.Status.CONFIRMED:
        return ""
    quiet = row.user.verdict in listing.QUIET_VERDICTS
    return "" if quiet and row.answer != Answer.NEEDED else "once replaced"


def steps(row: Departure, ahead: dates.Ahead, by: Mapping[str, str] | None = None) -> list[Step]:
    """The five states: past ones with their date and who, next ones with the earliest.

    `by`: per move that was done, in which batch.
    """
    by = by or {}
    waits = waits_for(row)
    order = list(State)
    now = order.index(State(row.state))
    moments = {
        State.DISCOVERED: (row.user.first_seen_at, "by a sync"),
        State.OWNER_ASSIGNED: (row.owner_since, str(row.owner or "")),
        State.DISABLED: (row.fenced_at or ahead.disable_at, by.get(MoveName.DISABLE, "")),
        State.SOAKING: (
            _shut_at(row) or ahead.shut_at,
            by.get(MoveName.SOAK, ""),
        ),
        State.DELETED: (row.deleted_at or ahead.delete_at, by.get(MoveName.DELETE, "")),
    }
    found = []
    for place, state in enumerate(order):
        at, text = moments[state]
        status = "done" if place < now else "now" if place == now else "next"
        if status == "next" and state == State.OWNER_ASSIGNED and not row.protection:
            at, text = None, "once somebody claims it"
        elif status == "next":
            at, text = (None, waits) if waits else (at, "")
        found.append(Step(state.value, status, at, text))
    return found


def _shut_at(row: Departure) -> datetime | None:
    """When a user that soaks, or was deleted by us out of its soak, was shut."""
    if row.state == State.SOAKING:
        return row.state_since
    soaked = row.state == State.DELETED and not row.deleted_outside
    return row.clock_started_at if soaked else None


def judged(  # noqa: PLR0917 (the facts of one page)
    user: IamUser,
    row: Departure,
    reads: Reads,
    now: datetime,
    calls_a_week: int | None = None,
    rest: Quiet | None = None,
    disable_at: datetime | None = None,
) -> Judged:
    """The verdict in the sentences of the screens, with its reasons as they were kept.

    `calls_a_week`: how often it was called in the last seven days, asked for if it is not given.
    `rest`: for how long the old credentials of a replaced user have been quiet; `disable_at`: when
    it can be disabled at the earliest, as the steps tell it.
    """
    title, why, icon, tone = _sentence(user, row, now, calls_a_week, rest, disable_at)
    if row.state == State.DELETED and user.judged_at is not None:
        # Nothing judges it again: ages stand as they were told then.
        title = f"Last verdict: {title[0].lower()}{title[1:]}"
        why = f"As judged on {day_text(user.judged_at, now)}; what follows is as of then."
    level = {"high": 9, "medium": 6, "low": 3}.get(user.verdict_confidence, 0)
    reasons = [*_kept_reasons(user, row, now), *_reference_reasons(user, reads)]
    doubt = str(user.coverage.get("confidence_reason", ""))
    return Judged(title, why, icon, tone, user.verdict_confidence, doubt, level, tuple(reasons))


def coming(row: Departure, ahead: dates.Ahead, owner: str) -> list[Coming]:
    """What happens next, with dates, for a user that nothing holds."""
    if waits_for(row) or row.state == State.DELETED:
        return []
    who = f"Anyone who leads {owner}" if owner else "Its owner"
    lines = [
        (ahead.disable_at, "Can be disabled", "Fenced: every call is denied and watched."),
        (ahead.shut_at, "Soak starts", f"Shut: keys off, password gone. {who} can restore."),
        (ahead.delete_at, "Can be deleted", "In the window, with a second person. Final."),
    ]
    return [Coming(at, title, text) for at, title, text in lines if at is not None]


def entries_of(user: IamUser, limit: int = HISTORY) -> QuerySet[LedgerEntry]:
    """The latest of what was done here to one user, with who did it and how much there is."""
    who = LedgerName.objects.filter(hash=OuterRef("actor")).values("name")[:1]
    rows = LedgerEntry.objects.filter(account_id=user.account.account_id, user_id=user.user_id)
    told = rows.annotate(who=Coalesce(Subquery(who), Value("")), of=Window(Count("pk")))
    return told.order_by("-seq")[:limit]


def changes_of(user: IamUser, limit: int = HISTORY) -> QuerySet[Observation]:
    """The latest of what syncs saw of one user, with how much there is."""
    return observed.of_user(user).annotate(of=Window(Count("pk")))[:limit]


def history(
    user: IamUser,
    limit: int = HISTORY,
    entries: Iterable[LedgerEntry] | None = None,
    changed: Iterable[Observation] | None = None,
    names: Mapping[str, str] | None = None,
) -> tuple[list[Told], int]:
    """The latest of what was done here and of what syncs saw in AWS, and how much there is.

    Rows of `entries_of` and `changes_of`, asked for if they are not given; `names` of teams by key.
    """
    done = list(entries_of(user, limit) if entries is None else entries)
    seen = list(changes_of(user, limit) if changed is None else changed)
    for one in seen:
        one.user, one.account = user, user.account
    teams = log.team_names(done) if names is None else names
    lines = [_done(one, vars(one)["who"], teams) for one in done]
    lines += [
        Told("A sync", f"saw {line.text}", line.at, line.since) for line in map(observed.line, seen)
    ]
    lines.sort(key=lambda line: line.at, reverse=True)
    return lines[:limit], sum(vars(rows[0])["of"] for rows in (done, seen) if rows)


_TOLD = {
    "user.discovered": "found it in AWS",
    "move.assign": "made {owner} its owner",
    "move.release": "let go of it",
    "move.disable": "disabled it",
    "move.soak": "shut it; the soak began",
    "move.restore": "restored it",
    "move.delete": "deleted it, proven by AWS",
    "move.vanish": "recorded that it was deleted outside",
    "owner.changed": "changed its owner",
    "claim.pending": "claimed it for {team}; Security confirms",
    "claim.declined": "declined the claim",
    "claim.not-ours": "said it is not theirs",
    "claim.contested": "claimed it for {team} too; Security settles it",
    "contest.settled": "settled that it is {team}'s",
    "claim.undone": "took the answer back",
    "dispute.asked": "disputed it until {until}",
    "dispute.ended": "ended the dispute",
    "hand-over.asked": "offered it to {to}",
    "hand-over.declined": "sent it back",
    "hand-over.came-back": "not taken in time; it came back",
    "hand-over.undone": "took the hand-over back",
    "plan.confirmed": "confirmed the plan",
    "plan.tested": "saw the new access in use",
    "plan.target": "chose another way out",
    "plan.chosen": "said what the plan needs",
    "plan.files-kept": "kept the files of the plan",
    "plan.exception": "agreed that a key stays",
    "references.removed-from-code": "recorded that it was removed from the code",
    "verdict.overruled": "overruled the verdict {verdict}",
    "category.changed": "said it is {after}: {note}",
    "category.cleared": "took the changed category back",
    "protection.set": "protected it",
    "protection.ended": "ended its protection",
    "protection.bound": "bound its protection to this user",
    "clock.extended": "extended it until {until}",
    "clock.restarted": "started its clock again",
    "clock.lengthened": "let its clock last longer by what could not be heard",
    "hit.opened": "saw an attempt to use it",
    "hit.caller": "saw another caller use it",
    "restore.asked": "asked to restore it",
    "restore.done": "read the restore back from AWS",
    "change.done": "read it back from AWS",
    "change.left-out": "left it out of the batch: {result}",
    "change.failed": "could not go on: a call failed",
    "change.retried": "tried again",
    "change.skipped": "took it out of the batch",
    "user.deleted": "proved it gone",
    "break-glass.check": "checked it as break-glass: {note}",
    "delete.stopped": "stopped a broken-off delete",
    "delete.finish-asked": "asked to finish deleting it",
}


def _done(entry: LedgerEntry, who: str, teams: Mapping[str, str]) -> Told:
    """What was done; in a batch by the worker, after two people agreed to it."""
    if log.under_approval(entry):
        approved = f"batch #{entry.batch}, approved by {who}"
        return Told(log.PRODUCT, f"{told(entry, teams)} ({approved})", entry.at)
    return Told(who or log.PRODUCT, told(entry, teams), entry.at)


def told(entry: LedgerEntry, teams: Mapping[str, str]) -> str:
    """A ledger entry as the end of a sentence that begins with who did it.

    `teams` are their names by key; one that is gone goes by its key.
    """
    words = _TOLD.get(entry.kind)
    if words is None:
        return entry.kind.replace(".", " ").replace("-", " ")
    data = dict(entry.data)
    for name in log.NAMES_A_TEAM:
        if name in data:
            data[name] = teams.get(str(data[name]), data[name])
    if until := parse_date(str(data.get("until", ""))[:10]):
        data["until"] = day_text(until, clock.now())
    return words.format_map(defaultdict(lambda: "somebody", data))


def _kept_reasons(user: IamUser, row: Departure, now: datetime) -> list[Reason]:
    """The verdict's own; Regions that were not looked at for the same reason are one of them.

    How long ago something was is told as of now. A record that is closed tells the time alone.
    """
    kept, unread = [], {}
    for one in user.verdict_reasons:
        text = cut_keys(str(one.get("text", "")))
        region = _REGION.match(text)
        if one.get("source") == NOT_LOOKED_AT and region:
            unread[region[1]] = region[2]
            continue
        at = parse_datetime(str(one.get("at") or ""))
        if at is not None:
            age = "" if row.state == State.DELETED else f", {sentences.ago(now - at)}"
            text = _AGE.sub(f"{age}.", text)
        kept.append(Reason(text, str(one.get("source", "")), at, bool(one.get("blocks"))))
    gaps = [
        Reason(f"CloudTrail in {text}", NOT_LOOKED_AT, None, False) for text in by_reason(unread)
    ]
    return gaps + kept


def _reference_reasons(user: IamUser, reads: Reads) -> list[Reason]:
    """Who names it, where that has to be edited before it can be deleted."""
    at = reads.at(user, DETAILS)
    trusts = [row for row in user.references if row.get("kind") in _TRUSTS]
    found = []
    if trusts:
        one = len(trusts) == 1
        text = (
            f"{len(trusts)} role trust {'policy names' if one else 'policies name'} this user. "
            f"Edit {'it' if one else 'them'} before deletion."
        )
        found.append(Reason(text, "IAM", at, any(row.get("blocks") for row in trusts)))
    others = [row for row in user.references if row.get("blocks") and row not in trusts]
    if others:
        text = f"{len(others)} {'others that name' if trusts else 'that name'} it block deletion."
        if len(others) == 1:
            text = f"{others[0].get('name', '')}: {others[0].get('text', '')}. It blocks deletion."
        found.append(Reason(text, "Who refers to it", None, blocks=True))
    return found


_LOOKS = {
    "dormant": ("moon", "plain"),
    "never-used": ("circle-x", "plain"),
    "active": ("activity", "plain"),
}
_DOUBTFUL = ("alert-triangle", "attention")


def _sentence(  # noqa: PLR0917 (the facts of one page)
    user: IamUser,
    row: Departure,
    now: datetime,
    calls_a_week: int | None,
    rest: Quiet | None,
    disable_at: datetime | None,
) -> tuple[str, str, str, str]:
    """The verdict's own sentence; what people decided meanwhile stands above it."""
    plan = getattr(row, "plan", None)
    replaced = plan is not None and plan.status == Plan.Status.CONFIRMED
    may_go = _may_go(row, now, replaced=replaced)
    rare = user.rhythm in RARE
    if user.verdict == "active" and replaced and not rare:
        return *_replaced(user, rest, now, disable_at, may_go=may_go), "arrows-exchange", "plain"
    title, why = sentences.headline(
        user.verdict,
        now,
        user.last_activity_at,
        created_at=user.created_at,
        rhythm=user.rhythm,
        next_expected_at=user.next_expected_at,
        missing=tuple(user.coverage.get("missing", ())),
        calls_a_week=_calls_a_week(user, now) if calls_a_week is None else calls_a_week,
        may_go=may_go,
        may_advise=row.state in HAS_ACCESS and not row.protection,
    )
    if user.verdict == "unknown" and row.answer == Answer.CAN_GO:
        why = "What was looked at proves nothing. Its owner says it can go."
    looks = _DOUBTFUL if user.verdict == "active" and rare else _LOOKS.get(user.verdict, _DOUBTFUL)
    return title, why, *looks


def _may_go(row: Departure, now: datetime, *, replaced: bool) -> bool:
    """Whether nothing that people said, and nothing unread, holds what the verdict allows."""
    plan = getattr(row, "plan", None)
    return not (
        row.state != State.OWNER_ASSIGNED
        or row.protection
        or not row.user.coverage_whole
        or (row.disputed_until and row.disputed_until >= now.date())
        or row.contested_by_team_id
        or row.handed_to_id
        or (row.answer == Answer.NEEDED and not replaced)
        or (plan is not None and plan.on_hold)
    )


def _replaced(
    user: IamUser, rest: Quiet | None, now: datetime, disable_at: datetime | None, *, may_go: bool
) -> tuple[str, str]:
    """A confirmed plan, and from which day it can be disabled: the one that the steps tell too."""
    if rest is None or rest.over_at is None:
        return "Replaced and going quiet.", "A replacement is confirmed."
    why = (
        "A replacement is confirmed. "
        f"The old credentials have been silent for {rest.days} of {rest.of} days."
    )
    if rest.is_over:
        return f"Replaced and quiet.{' Safe to disable now.' if may_go else ''}", why
    zone = ZoneInfo(user.account.time_zone)
    quiet_on = rest.over_at.astimezone(zone).date()
    on = max(rest.over_at, disable_at or rest.over_at).astimezone(zone).date()
    go = f" Safe to disable from {day_text(on, now)}." if may_go else ""
    if on > quiet_on:
        why += f" That is over on {day_text(quiet_on, now)}; notice and window come on top."
    return f"Replaced and going quiet.{go}", why


def _calls_a_week(user: IamUser, now: datetime) -> int:
    """How often it was called in the last seven days, as event history shows."""
    if user.verdict != "active":
        return 0
    week = Activity.objects.filter(user=user, day__gt=now.date() - timedelta(days=7))
    used = week.exclude(outcome="failed-sign-in").aggregate(Sum("count"))
    return used["count__sum"] or 0
