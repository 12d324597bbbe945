"""The verbs of a campaign: ask teams, remind them, tell their managers, close.

Each runs at any time and again: what was told once is not told twice, and nobody is reminded of
what is answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from inventory import clock, ledger
from inventory.models import Account, Person, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import campaigning, reaching
from migrations_app.campaigning import TeamPlan
from migrations_app.models import Ask, Campaign, Departure, GivenAnswer, Notice
from migrations_app.outgoing import notices_campaigns

REMIND_AFTER = (timedelta(days=3), timedelta(days=7))
LONGEST = timedelta(days=90)
# A lead who answers one by one names teams one by one; each of those hears of all in one message.
NAMING_SETTLES = timedelta(hours=1)
_NUMBER_LOCK = 0x1A3C_0006


@dataclass(slots=True)
class Started:
    """What a start did: new asks, asks that got more users, and teams that nobody can tell."""

    campaign: Campaign | None = None
    asked: list[Ask] = field(default_factory=list)
    added: list[Ask] = field(default_factory=list)
    untold: list[Team] = field(default_factory=list)


def start(
    person: Person,
    departures: Iterable[Departure] | None = None,
    deadline_at: datetime | None = None,
    message: str = "",
) -> Started:
    """Ask every team about what looks like its users, or about these of them.

    A team with an open ask gets what is new added to it and is told once. `deadline_at` is the
    policy's claim deadline or later. Teams with nobody to tell are left out, and named.
    """
    require(person, Action.OPERATE)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two who ask at once would ask the same team twice.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER_LOCK])
        plans = campaigning.plan(departures)
        started = Started(untold=[one.team for one in plans if not one.can_be_told])
        plans = [one for one in plans if one.can_be_told]
        if not plans:
            raise Refused(*_nobody_to_ask(started.untold))
        now = clock.now()
        deadline_at = _deadline(plans, deadline_at, now)
        for one in plans:
            if one.running is not None:
                started.added.append(
                    _add(one.running, one.departures, deadline_at, message, person)
                )
        new = [one for one in plans if one.running is None]
        if new:
            started.campaign = _campaign(person, now, deadline_at, message)
            started.asked = [_ask(started.campaign, one) for one in new]
        ledger.append(
            "campaign.asked",
            actor=person,
            campaign=started.campaign.number if started.campaign else None,
            teams=sorted(one.team.key for one in plans),
            users=sum(len(one.departures) for one in plans),
            deadline=deadline_at.isoformat(),
        )
    return started


def close(campaign: Campaign, person: Person) -> Campaign:
    """No more reminders; teams that have not answered hear that they need not."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if row.closed_at is not None:
            raise Refused(f"Campaign {row} is closed already.")
        now = clock.now()
        asks = list(row.asks.filter(withdrawn_at=None).select_related("team", "campaign"))
        for ask, left in _with_open(asks):
            Ask.objects.filter(pk=ask.pk).update(withdrawn_at=now)
            notices_campaigns.tell_withdrawn(ask, left)
        row.closed_at, row.closed_by = now, person
        row.save(update_fields=["closed_at", "closed_by"])
        ledger.append("campaign.closed", actor=person, campaign=row.number)
    return row


def tell_what_was_adopted() -> None:
    """Teams hear of what was taken for the custodian of what they were asked, each user once.

    The sweep comes by here too: whoever adopted may have gone before the teams were told.
    """
    through = Ask.departures.through.objects
    told = Notice.departures.through.objects.filter(
        notice__ask=OuterRef("ask"),
        notice__kind="claim-adopted",
        departure=OuterRef("departure"),
    )
    adopted = GivenAnswer.objects.filter(
        departure=OuterRef("departure"), said="adopt", at__gte=OuterRef("ask__asked_at")
    )
    untold = through.filter(Exists(adopted), ~Exists(told), ask__in=_standing())
    by_ask: dict[int, list[int]] = defaultdict(list)
    for ask, departure in untold.order_by("departure").values_list("ask", "departure"):
        by_ask[ask].append(departure)
    for found in _standing().filter(pk__in=by_ask):
        rows = Departure.objects.filter(pk__in=by_ask[found.pk]).select_related("user__account")
        notices_campaigns.tell_adopted(found, list(rows))


def note_answers() -> None:
    """Note which asks are answered whole, and that something of one was taken back."""
    tell_what_was_adopted()
    asks = list(_standing())
    left = campaigning.still_open(asks)
    for ask in asks:
        if not left[ask.pk] and ask.answered_at is None:
            _note_answered(ask)
        elif left[ask.pk] and ask.answered_at is not None:
            Ask.objects.filter(pk=ask.pk).update(answered_at=None, answered_by=None)
    for campaign in Campaign.objects.filter(closed_at=None, deadline_at__lt=clock.now()):
        if not campaign.asks.filter(answered_at=None, withdrawn_at=None).exists():
            Campaign.objects.filter(pk=campaign.pk, closed_at=None).update(closed_at=clock.now())


def ask_who_was_named() -> None:
    """Teams that others named in a campaign are asked in it too, once their namers have finished.

    One that nobody can tell stays for an engineer, who sees it where the next campaign is made.
    """
    for ask in (
        _standing()
        .filter(departures__answers__said="not-ours", departures__answers__whose__isnull=False)
        .distinct()
    ):
        last = campaigning.last_answer(ask)
        finished = ask.answered_at or (last and last.at <= clock.now() - NAMING_SETTLES)
        if finished:
            _ask_named(ask)


def remind() -> None:
    """Remind teams of what is still open, once at each stage and only before the deadline."""
    now = clock.now()
    # What was added is asked since then: it is reminded of after as long as what was asked first.
    asked_last = Max("notices__at", filter=Q(notices__kind="claim"))
    stages: dict[int, int] = {}
    due: list[Ask] = []
    for ask in (
        _standing()
        .filter(deadline_at__gt=now, answered_at=None)
        .annotate(asked_last=Coalesce(asked_last, F("asked_at")))
    ):
        stages[ask.pk] = sum(ask.asked_last + after <= now for after in REMIND_AFTER)
        if stages[ask.pk] > ask.reminders:
            due.append(ask)
    for late, left in _with_open(due):
        with transaction.atomic():
            told = Ask.objects.filter(
                pk=late.pk, reminders=late.reminders, additions=late.additions
            )
            if told.update(reminders=stages[late.pk], reminded_at=now):
                notices_campaigns.tell_reminder(late, left, stage=stages[late.pk])


def tell_unreached() -> None:
    """Security hears once of each asking that reached nobody of its team, while there is time.

    A day after it was asked; at once where nothing is on its way and the team has no lead here.
    """
    standing = list(_standing().filter(deadline_at__gt=clock.now(), answered_at=None))
    silent = reaching.silent(standing)
    told = notices_campaigns.unreached_told(silent)
    news = [ask for ask in standing if ask.pk in silent and ask.pk not in told]
    for ask, left in _with_open(news):
        notices_campaigns.tell_unreached(ask, left, silent[ask.pk].tried)


def escalate() -> None:
    """After the deadline the lead's manager hears of it once, and Security with them."""
    late = list(_standing().filter(deadline_at__lte=clock.now(), escalated_at=None))
    silent = reaching.silent(late)
    for ask, left in _with_open(late):
        with transaction.atomic():
            told = Ask.objects.filter(pk=ask.pk, escalated_at=None)
            if told.update(escalated_at=clock.now()):
                ledger.append("campaign.overdue", team=ask.team.key, users=len(left))
                notices_campaigns.tell_overdue(ask, left, heard=ask.pk not in silent)


def _campaign(person: Person, now: datetime, deadline_at: datetime, message: str) -> Campaign:
    return Campaign.objects.create(
        number=(Campaign.objects.aggregate(last=Max("number"))["last"] or 0) + 1,
        asked_by=person,
        asked_at=now,
        deadline_at=deadline_at,
        message=message.strip(),
    )


def _ask(campaign: Campaign, plan: TeamPlan) -> Ask:
    ask = Ask.objects.create(
        campaign=campaign,
        team=plan.team,
        asked_at=campaign.asked_at,
        deadline_at=campaign.deadline_at,
    )
    ask.departures.set(plan.departures)
    notices_campaigns.tell_asked(ask, plan.departures)
    return ask


def _ask_named(ask: Ask) -> None:
    campaign = ask.campaign
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER_LOCK])
        for one in campaigning.plan(ask.departures.all()):
            rows = tuple(
                row for row in one.departures if campaigning.named_by(row, ask.team) == one.team
            )
            if not rows or not one.can_be_told:
                continue
            due = campaigning.earliest_deadline((row.user.account for row in rows), clock.now())
            if one.running is not None:
                _add(one.running, rows, due, campaign.message, campaign.asked_by)
            elif not campaign.asks.filter(team=one.team).exists():
                new = campaign.asks.create(
                    team=one.team,
                    asked_at=clock.now(),
                    deadline_at=max(due, campaign.deadline_at),
                )
                new.departures.set(rows)
                notices_campaigns.tell_asked(new, rows)


def _add(
    ask: Ask, rows: Sequence[Departure], deadline_at: datetime, message: str, person: Person
) -> Ask:
    """More users for an open ask; the whole of it may be answered as long as the newest."""
    ask.departures.add(*rows)
    Ask.objects.filter(pk=ask.pk).update(
        additions=F("additions") + 1,
        reminders=0,
        deadline_at=max(ask.deadline_at, deadline_at),
        answered_at=None,
        answered_by=None,
    )
    ask.refresh_from_db()
    notices_campaigns.tell_added(ask, rows, message, person)
    return ask


def _deadline(plans: Iterable[TeamPlan], wanted: datetime | None, now: datetime) -> datetime:
    accounts: set[Account] = {row.user.account for one in plans for row in one.departures}
    earliest = campaigning.earliest_deadline(accounts, now)
    if wanted is None:
        return _later_than(now, earliest)
    first = min(accounts, key=lambda one: one.account_id)
    if wanted < earliest and notices_campaigns.day(wanted, first) != notices_campaigns.day(
        earliest, first
    ):
        day = notices_campaigns.day(earliest, first)
        raise Refused(
            f"Teams have until {day} at least, the policy says. Choose that day or later."
        )
    if wanted > now + LONGEST:
        raise Refused(f"Choose a day within {LONGEST.days} days; what waits longer is forgotten.")
    return _later_than(now, max(wanted, earliest))


def _later_than(now: datetime, deadline_at: datetime) -> datetime:
    if deadline_at <= now:
        raise Refused(
            "Teams would have no time to answer: the policy says claim_deadline: 0d. Choose a day."
        )
    return deadline_at


def _nobody_to_ask(untold: Sequence[Team]) -> list[str]:
    if not untold:
        return ["There is nobody to ask: every user has an owner, an answer or an open question."]
    names = ", ".join(team.name for team in untold)
    return [
        f"Nobody could read it: {names} {'has' if len(untold) == 1 else 'have'} neither a lead nor "
        "a channel. Declare one, or take the users for the custodian."
    ]


def _standing() -> QuerySet[Ask]:
    return Ask.objects.filter(campaign__closed_at=None, withdrawn_at=None).select_related(
        "team", "campaign__asked_by"
    )


def _with_open(asks: Sequence[Ask]) -> list[tuple[Ask, list[Departure]]]:
    """Those of these asks of which something is open, each with that."""
    left = campaigning.still_open(asks)
    pks = {pk for some in left.values() for pk in some}
    rows = Departure.objects.filter(pk__in=pks).select_related("user__account").in_bulk()
    return [
        (ask, sorted((rows[pk] for pk in left[ask.pk]), key=lambda row: row.user.user_name))
        for ask in asks
        if left[ask.pk]
    ]


def _note_answered(ask: Ask) -> None:
    last = campaigning.last_answer(ask)
    with transaction.atomic():
        noted = Ask.objects.filter(pk=ask.pk, answered_at=None).update(
            answered_at=last.at if last else clock.now(),
            answered_by=last.person if last else None,
        )
        adopted = ask.departures.filter(answers__said="adopt", answers__at__gte=ask.asked_at)
        if noted and last is not None and not adopted.exists():
            ask.refresh_from_db()
            notices_campaigns.tell_answered(ask)
