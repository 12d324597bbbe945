"""What needs this person: the Overview's list, most urgent first, by what their roles may do.

Nothing is asked here: the page asks `questions` together with its own, and what is counted among
all users was counted before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import (
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Window,
)
from django.db.models.expressions import BaseExpression
from django.urls import reverse

from inventory import at_once
from inventory.models import Alert, Person, Team
from inventory.permissions import Action, may
from migrations_app.claims import claiming, owing
from migrations_app.lifecycle import SWITCHED_OFF, State
from migrations_app.models import Batch, Change, Delivery, Departure, Drift, Hit, Plan


@dataclass(frozen=True, slots=True)
class Need:
    """One line: what, why now, and the page on which it is answered."""

    icon: str
    title: str
    text: str
    url: str
    tone: str = ""
    mono: str = ""


def questions(
    person: Person, teams: Sequence[Team], now: datetime
) -> dict[str, QuerySet[Any] | BaseExpression]:
    """What to ask (`inventory.at_once`) of a person who leads these teams."""
    operates, approves = may(person, Action.OPERATE), may(person, Action.APPROVE)
    wanted: dict[str, QuerySet[Any] | BaseExpression] = {}
    if approves or may(person, Action.CLOSE_ALERT):
        wanted["alerts"] = _alerts(without_drift=operates)
    if operates or approves:
        wanted["hits"] = _hits()
    if approves:
        wanted["approvals"] = _approvals(person)
    if operates:
        wanted |= {"drifts": _drifts(), "stuck": _stuck(), "parked": _parked()}
    for team in teams:
        wanted |= _of_team(team, now)
    return wanted


def needs_of(
    person: Person,
    teams: Sequence[Team],
    told: Mapping[str, Any],
    counted: Counter[str],
    dispute: str = "",
) -> list[Need]:
    """Everything that waits for `person`, as `questions` were answered.

    `counted`: the numbers of the accounts looked at, as `headcount` has them, and the day (ISO) on
    which the first `dispute` in them ends. What cannot wait is told of every account.
    """
    found = [need(row) for name, need in _NEEDS.items() for row in told.get(name, ())]
    if may(person, Action.OPERATE):
        found += _claims(counted, dispute)
    for team in teams:
        found += _team_needs(team, *(told[f"{name}_{team.pk}"] for name in _OF_TEAM))
    return found


def _alerts(*, without_drift: bool) -> QuerySet[Any]:
    """`without_drift`: broken groups have lines of their own."""
    rows = Alert.objects.filter(closed_at=None).order_by("-raised_at")
    if without_drift:
        rows = rows.exclude(kind="drift")
    return rows.annotate(of=Window(Count("pk")))[:1]


def _alert(row: Alert) -> Need:
    number = vars(row)["of"]
    more = f" and {number - 1} more" if number > 1 else ""
    title = f"Look at {_of(number, 'alert')}"
    return Need("bell", title, f"{row.title}{more}", reverse("alerts"), "danger")


def _hits() -> QuerySet[Any]:
    rows = Hit.objects.filter(kind=Hit.Kind.HIT, closed="", departure__state__in=SWITCHED_OFF)
    shown = ("count", "first_at", "departure__state", "departure__user__user_name")
    return rows.select_related("departure__user").only(*shown).order_by("-last_at")[:3]


def _hit(row: Hit) -> Need:
    state = "A disabled user" if row.departure.state == State.DISABLED else "A soaking user"
    return Need(
        "alert-octagon",
        f"{state} was called",
        f", {_of(row.count, 'attempt')} since {row.first_at:%-d %b %H:%M}",
        reverse("hit", args=[row.pk]),
        "danger",
        mono=row.departure.user.user_name,
    )


def _approvals(person: Person) -> QuerySet[Any]:
    rows = Batch.objects.filter(status=Batch.Status.ASKED).exclude(asked_by=person)
    users = at_once.number(Change.objects.filter(batch=OuterRef("pk")))
    return (
        rows.defer("undo_script")
        .select_related("asked_by")
        .annotate(users=users)
        .order_by("asked_at")
    )


def _approval(row: Batch) -> Need:
    opens = row.window_from
    return Need(
        "shield-check",
        f"Approve batch #{row.number}, {row.move} {_of(vars(row)['users'], 'user')}",
        f"Asked by {row.asked_by}" + (f". Window {opens:%a %-d %b, %H:%M}" if opens else ""),
        reverse("batch", args=[row.number]),
    )


def _drifts() -> QuerySet[Any]:
    """Groups of Identity Center that people lost their access by."""
    plans = at_once.number(Plan.objects.filter(held_by=OuterRef("pk")))
    return Drift.objects.filter(closed_at=None, breaks=True).annotate(waiting=plans)


def _drift(row: Drift) -> Need:
    plans = vars(row)["waiting"]
    waiting = f"{_of(plans, 'plan')} {'is' if plans == 1 else 'are'} on hold." if plans else ""
    return Need(
        "plug-connected",
        row.headline[:200],
        " ".join(filter(None, (row.felt, waiting))),
        f"{reverse('identity-center')}#drift-{row.pk}",
        "danger",
    )


def _stuck() -> QuerySet[Any]:
    """Batches that wait for a person: paused by themselves, or with failed users."""
    failed = Change.objects.filter(batch=OuterRef("pk"), status=Change.Status.FAILED)
    waits = Q(status=Batch.Status.PAUSED) | Q(status=Batch.Status.RUNNING) & Exists(failed)
    return Batch.objects.filter(waits).defer("undo_script").order_by("-number")


def _stuck_batch(row: Batch) -> Need:
    return Need(
        "player-pause",
        f"Batch #{row.number} is {row.get_status_display().lower()}",
        row.pause_reason or "A user in it failed.",
        reverse("batch", args=[row.number]),
        "attention",
    )


def _parked() -> QuerySet[Any]:
    """Messages that somebody was to get and did not."""
    rows = Delivery.objects.filter(status=Delivery.Status.PARKED).order_by("-at")
    return rows.defer("rendered").select_related("notice").annotate(of=Window(Count("pk")))[:1]


def _parked_message(row: Delivery) -> Need:
    return Need(
        "mail-forward",
        f"Send {_of(vars(row)['of'], 'message')} that could not be delivered",
        f"{row}: {row.notice.title}",
        f"{reverse('settings-notifications')}#parked",
        "attention",
    )


_NEEDS: Mapping[str, Callable[[Any], Need]] = {
    "alerts": _alert,
    "hits": _hit,
    "approvals": _approval,
    "drifts": _drift,
    "stuck": _stuck_batch,
    "parked": _parked_message,
}


def _claims(counts: Counter[str], dispute: str) -> list[Need]:
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
                f"The first one ends on {date.fromisoformat(dispute):%a %-d %b}",
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


_OF_TEAM = ("cards", "off", "plans")


def _of_team(team: Team, now: datetime) -> dict[str, BaseExpression]:
    """How many of each of `_OF_TEAM`."""
    plans = Plan.objects.filter(departure__owner=team, departure__state=State.OWNER_ASSIGNED)
    questions = (
        owing.owed(team, now),
        Departure.objects.filter(owner=team).switched_off(),
        plans.exclude(status=Plan.Status.CONFIRMED),
    )
    return {
        f"{name}_{team.pk}": at_once.number(rows)
        for name, rows in zip(_OF_TEAM, questions, strict=True)
    }


def _team_needs(team: Team, cards: int, off: int, plans: int) -> list[Need]:
    found: list[Need] = []
    if cards:
        found.append(
            Need(
                "user-question",
                f"Claim {_of(cards, 'user')} for {team}, or not",
                f"It takes {claiming.how_long(cards)}",
                reverse("claim", args=[team.key]),
            )
        )
    if off:
        found.append(
            Need(
                "hourglass",
                f"{_of(off, 'user')} of {team} {'is' if off == 1 else 'are'} off",
                "Restore what is still needed",
                f"{reverse('soak')}?team={team.key}",
            )
        )
    if plans:
        found.append(
            Need(
                "route",
                f"Confirm {_of(plans, 'plan')}",
                "Once the new access works",
                f"{reverse('plans')}?team={team.key}",
            )
        )
    return found


def _of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
