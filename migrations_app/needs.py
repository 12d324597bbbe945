"""What needs this person: the Overview's list, most urgent first, by what their roles may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.urls import reverse

from inventory.models import Alert, Person
from inventory.permissions import Action, may
from migrations_app import claiming
from migrations_app.lifecycle import SWITCHED_OFF, State
from migrations_app.models import Batch, Change, Delivery, Departure, Hit, Plan


@dataclass(frozen=True, slots=True)
class Need:
    """One line: what, why now, and the page on which it is answered."""

    icon: str
    title: str
    text: str
    url: str
    tone: str = ""
    mono: str = ""


def needs_of(person: Person, now: datetime) -> list[Need]:
    """Everything that waits for `person`."""
    found = [*_alerts(person)]
    if may(person, Action.OPERATE) or may(person, Action.APPROVE):
        found += _hits()
    if may(person, Action.APPROVE):
        found += _approvals(person)
    if may(person, Action.OPERATE):
        found += [*_stuck(), *_parked(), *_claims(now)]
    found += _own_teams(person, now)
    return found


def _alerts(person: Person) -> list[Need]:
    if not may(person, Action.CLOSE_ALERT) and not may(person, Action.APPROVE):
        return []
    number = Alert.objects.filter(closed_at=None).count()
    if not number:
        return []
    first = Alert.objects.filter(closed_at=None).order_by("-raised_at")[0]
    more = f" and {number - 1} more" if number > 1 else ""
    return [
        Need(
            "bell",
            f"Look at {_of(number, 'alert')}",
            f"{first.title}{more}",
            reverse("alerts"),
            "danger",
        )
    ]


def _hits() -> list[Need]:
    rows = (
        Hit.objects.filter(kind=Hit.Kind.HIT, closed="", departure__state__in=SWITCHED_OFF)
        .select_related("departure__user")
        .order_by("-last_at")[:3]
    )
    return [_hit(row) for row in rows]


def _hit(row: Hit) -> Need:
    state = "A disabled user" if row.departure.state == State.DISABLED else "A soaking user"
    calls = _of(row.count, "attempt")
    return Need(
        "alert-octagon",
        f"{state} was called",
        f", {calls} since {row.first_at:%-d %b %H:%M}",
        reverse("hit", args=[row.pk]),
        "danger",
        mono=row.departure.user.user_name,
    )


def _approvals(person: Person) -> list[Need]:
    batches = (
        Batch.objects.filter(status=Batch.Status.ASKED)
        .exclude(asked_by=person)
        .select_related("asked_by")
        .annotate(users=Count("changes"))
        .order_by("asked_at")
    )
    return [
        Need(
            "shield-check",
            f"Approve batch #{batch.number}, {batch.move} {_of(batch.users, 'user')}",
            f"Asked by {batch.asked_by}",
            reverse("batch", args=[batch.number]),
        )
        for batch in batches
    ]


def _stuck() -> list[Need]:
    """Batches that wait for a person: paused by themselves, or with failed users."""
    batches = Batch.objects.filter(
        Q(status=Batch.Status.PAUSED)
        | Q(status=Batch.Status.RUNNING, changes__status=Change.Status.FAILED)
    ).distinct()
    return [
        Need(
            "player-pause",
            f"Batch #{batch.number} is {batch.get_status_display().lower()}",
            batch.pause_reason or "A user in it failed.",
            reverse("batch", args=[batch.number]),
            "attention",
        )
        for batch in batches
    ]


def _parked() -> list[Need]:
    """Messages that somebody was to get and did not."""
    rows = Delivery.objects.filter(status=Delivery.Status.PARKED)
    number = rows.count()
    if not number:
        return []
    last = rows.select_related("notice").latest("at")
    return [
        Need(
            "mail-forward",
            f"Send {_of(number, 'message')} that could not be delivered",
            f"{last}: {last.notice.title}",
            f"{reverse('settings-notifications')}#parked",
            "attention",
        )
    ]


def _claims(now: datetime) -> list[Need]:
    left = Departure.objects.left()
    counts = left.aggregate(
        disputes=Count("pk", filter=Q(disputed_until__gte=now.date())),
        first=Min("disputed_until", filter=Q(disputed_until__gte=now.date())),
        contests=Count("pk", filter=Q(contested_by_team__isnull=False)),
        pending=Count(
            "pk", filter=Q(claim_pending_team__isnull=False, contested_by_team__isnull=True)
        ),
        nobody=Count(
            "pk", filter=Q(state=State.DISCOVERED, claim_pending_team=None, user__gone_at=None)
        ),
        unsuggested=Count("pk", filter=Q(state=State.DISCOVERED, user__suggested_team=None)),
    )
    url = reverse("claims")
    found = []
    if counts["contests"]:
        found.append(
            Need(
                "users-group",
                f"Settle {_of(counts['contests'], 'contest')}",
                "Two teams say that it is theirs",
                f"{url}#contests",
            )
        )
    if counts["disputes"]:
        found.append(
            Need(
                "message-report",
                f"Answer {_of(counts['disputes'], 'dispute')}",
                f"The first one ends on {counts['first']:%-d %b}",
                f"{url}#disputes",
            )
        )
    if counts["pending"]:
        found.append(
            Need(
                "user-check",
                f"Confirm {_of(counts['pending'], 'claim')}",
                "Not suggested to that team, or with admin rights",
                f"{url}#pending",
            )
        )
    if counts["nobody"]:
        found.append(
            Need(
                "user-question",
                f"Find an owner for {_of(counts['nobody'], 'user')}",
                f"{counts['unsuggested']} without a suggestion",
                f"{url}#nobody",
            )
        )
    return found


def _own_teams(person: Person, now: datetime) -> list[Need]:
    found: list[Need] = []
    for team in person.led_teams():
        if open_cards := claiming.open_cards(team, now):
            found.append(
                Need(
                    "user-question",
                    f"Claim {_of(open_cards, 'user')} for {team}, or not",
                    "It takes about two minutes",
                    reverse("claim", args=[team.key]),
                )
            )
        off = Departure.objects.filter(owner=team).switched_off().count()
        if off:
            found.append(
                Need(
                    "hourglass",
                    f"{_of(off, 'user')} of {team} {'is' if off == 1 else 'are'} off",
                    "Restore what is still needed",
                    f"{reverse('soak')}?team={team.key}",
                )
            )
        plans = Plan.objects.filter(
            departure__owner=team, departure__state=State.OWNER_ASSIGNED
        ).exclude(status=Plan.Status.CONFIRMED)
        if number := plans.count():
            found.append(
                Need(
                    "route",
                    f"Confirm {_of(number, 'plan')}",
                    "Once the new access works",
                    f"{reverse('plans')}?team={team.key}",
                )
            )
    return found


def _of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
