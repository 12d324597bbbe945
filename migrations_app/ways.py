"""The channels as Settings show them: who uses each, whether it works, and where a test may go.

No page can look whether a channel is set up: its secrets are in the worker that sends, and nowhere
else. What that worker last wrote down is what is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q, Value

from inventory.models import Person, Team
from inventory.refusals import Refused
from migrations_app.models import Delivery
from migrations_app.outgoing import outbox

_COLUMNS = {
    Delivery.Channel.SLACK: "slack",
    Delivery.Channel.JIRA: "jira_project",
    Delivery.Channel.EMAIL: "email",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """One address to which a test may go; `value` is what a form sends."""

    value: str
    label: str
    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel: what is known of it, and who is told through it."""

    channel: Delivery.Channel
    state: str
    tone: str
    icon: str
    last_accepted: Delivery | None
    last_problem: Delivery | None
    parked: int
    # What did not go out of late, whether parked or never tried.
    unsent: int
    teams: tuple[tuple[str, str], ...]
    destinations: tuple[Destination, ...]


def channels(person: Person) -> list[ChannelRow]:
    """Each channel, as far as its last messages tell."""
    ended, accepted, problems = _last(
        ~Q(status=Delivery.Status.QUEUED), Q(status=Delivery.Status.ACCEPTED), ~Q(problem="")
    )
    parked = dict(
        Delivery.objects.filter(status=Delivery.Status.PARKED)
        .order_by()
        .values_list("channel")
        .annotate(number=Count("pk"))
    )
    unsent = dict(outbox.unsent().order_by().values_list("channel").annotate(number=Count("pk")))
    places = destinations(person)
    teams = list(Team.objects.filter(active=True))
    rows = []
    for channel in Delivery.Channel:
        state, tone, icon = _state(channel, ended.get(channel))
        rows.append(
            ChannelRow(
                channel=channel,
                state=state,
                tone=tone,
                icon=icon,
                last_accepted=accepted.get(channel),
                last_problem=problems.get(channel),
                parked=parked.get(channel, 0),
                unsent=unsent.get(channel, 0),
                teams=_using(channel, teams),
                destinations=tuple(one for one in places if one.channel == channel),
            )
        )
    return rows


def of(team: Team) -> dict[str, str]:
    """The channels that a team declares, each with its address there."""
    declared = {channel.value: getattr(team, column) for channel, column in _COLUMNS.items()}
    return {channel: address for channel, address in declared.items() if address}


def destinations(person: Person) -> list[Destination]:
    """Where `person` may send a test: the own address, and what teams have declared."""
    found = []
    if person.email:
        found.append(Destination("email:me", f"You, {person.email}", "email", person.email))
    for team in Team.objects.filter(active=True):
        for channel, address in of(team).items():
            value, label = f"{channel}:{team.key}", f"{team.name}, {address}"
            found.append(Destination(value, label, channel, address))
    if settings.IAMCLEANUP_WEBHOOK_URL:
        found.append(Destination("webhook:", "The webhook", Delivery.Channel.WEBHOOK.value, ""))
    return found


def destination(value: str, person: Person) -> Destination:
    """The one that a form names. Refused for any other place."""
    for one in destinations(person):
        if one.value == value:
            return one
    raise Refused("Choose where the test goes. Only declared addresses can be tested, and yours.")


def said(delivery: Delivery) -> str:
    """How one delivery stands, in plain words."""
    channel = delivery.get_channel_display()
    if delivery.status == Delivery.Status.ACCEPTED:
        return f"{channel} took it."
    if delivery.status == Delivery.Status.PARKED:
        return f"Not delivered. {delivery.problem}"
    if delivery.status == Delivery.Status.UNSET:
        return f"{channel} is not set up. {delivery.problem}"
    if delivery.status == Delivery.Status.REHEARSED:
        return "This is the demo: it is shown here instead of sent."
    if delivery.problem:
        return f"Not yet: {delivery.problem} It is tried again by itself."
    return "It waits for the worker that sends."


def _state(channel: Delivery.Channel, last: Delivery | None) -> tuple[str, str, str]:
    if channel == Delivery.Channel.WEBHOOK and not settings.IAMCLEANUP_WEBHOOK_URL:
        return "Not set up: IAMCLEANUP_WEBHOOK_URL is not set.", "", "circle-dashed"
    if last is None:
        text = "Nothing was sent through it yet. A test shows whether it is set up."
        return text, "", "circle-dashed"
    if last.status == Delivery.Status.UNSET:
        return f"Not set up: {last.problem}", "attention", "alert-triangle"
    if last.status == Delivery.Status.REHEARSED:
        return "The demo sends nothing. Messages show what would go out.", "", "eye"
    if last.status == Delivery.Status.PARKED:
        return "The last message could not be delivered.", "danger", "alert-octagon"
    return "It works.", "done", "circle-check"


def _last(*kinds: Q) -> list[dict[str, Delivery]]:
    """The last delivery of each kind by channel; one query, which looks for each by an index."""
    first, *others = [
        Delivery.objects.filter(kind, channel=channel)
        .order_by("-pk")
        .annotate(kind=Value(place))
        .values_list("kind", "pk")[:1]
        for place, kind in enumerate(kinds)
        for channel in Delivery.Channel
    ]
    told = list(first.union(*others, all=True))
    rows = (
        Delivery.objects.select_related("notice").defer("rendered").in_bulk({pk for _, pk in told})
    )
    found: list[dict[str, Delivery]] = [{} for _ in kinds]
    for place, pk in told:
        found[place][rows[pk].channel] = rows[pk]
    return found


def _using(channel: Delivery.Channel, teams: list[Team]) -> tuple[tuple[str, str], ...]:
    column = _COLUMNS.get(channel)
    if column is None:
        return ()
    return tuple((team.name, getattr(team, column)) for team in teams if getattr(team, column))
