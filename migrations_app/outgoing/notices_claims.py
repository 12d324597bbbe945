"""What teams and Security are told while they sort out whose an IAM user is.

One user each: a second claim, an offer to another team, a dispute, Security's word. What a team is
asked as a whole stands in `notices_campaigns`.
"""

from __future__ import annotations

from datetime import date, datetime

from django.urls import reverse

from inventory.models import Person, Role, Team
from migrations_app.models import Ask, Departure
from migrations_app.outgoing.notices import tell


def tell_contest(row: Departure) -> None:
    """Both teams and Security hear that two claim the same user."""
    first, second = row.owner or row.claim_pending_team, row.contested_by_team
    key = f"contest:{row.pk}:{_stamp(row.contested_at)}"
    title = f"{first} and {second} both claim {row.user}"
    text = (
        "Nothing happens to it until Security settles whose it is. "
        f"{first} {'has' if row.owner else 'claimed'} it first; {row.contested_by} claimed it for "
        f"{second}."
    )
    for team in filter(None, (first, second)):
        url = reverse("claim", args=[team.key])
        tell("contest", f"{key}:{team.pk}", title, team=team, text=text, url=url, departures=[row])
    url = f"{reverse('claims')}#contests"
    tell(
        "contest",
        f"{key}:security",
        title,
        role=Role.ENGINEER,
        text=f"{text} Settle it.",
        url=url,
        departures=[row],
    )


def tell_settled(
    row: Departure, since: datetime | None, *, winner: Team, first: Team, second: Team
) -> None:
    """Both teams hear whose the user is."""
    for team in (first, second):
        tell(
            "contest-settled",
            f"contest:{row.pk}:{_stamp(since)}:settled:{team.pk}",
            f"{row.user} belongs to {winner}",
            team=team,
            text=f"Security settled it. {first} and {second} both claimed {row.user}.",
            url=_page(row),
            departures=[row],
        )


def tell_offer(row: Departure, giver: Team, days: int, why: str = "") -> None:
    """The other team hears that it may take a user, until when, and why the giver thinks so."""
    taker = row.handed_to
    if taker is None:
        return
    tell(
        "hand-over",
        f"hand-over:{row.pk}:v{row.version}",
        f"{giver} hands {row.user} over to {taker}",
        team=taker,
        text=f"Take it or send it back. After {days} working days it goes back to {giver} by "
        "itself. Nothing happens to it meanwhile."
        + (f"\n\nThey say: {why.strip()}" if why.strip() else ""),
        url=reverse("claim", args=[taker.key]),
        departures=[row],
    )


def tell_taken(row: Departure, giver: Team | None, taker: Team) -> None:
    """Whoever offered the user hears that it was taken."""
    if giver is None:
        return
    tell(
        "hand-over-taken",
        f"hand-over:{row.pk}:v{row.version}:taken",
        f"{taker} took {row.user}",
        team=giver,
        text="They answer for it now.",
        url=_page(row),
        departures=[row],
    )


def tell_back(
    row: Departure,
    giver: Team | None,
    taker: Team,
    *,
    by_itself: bool,
) -> None:
    """Whoever offered the user hears that it is back."""
    if giver is None:
        return
    how = "did not take it in time" if by_itself else "sent it back"
    tell(
        "hand-over-back",
        f"hand-over:{row.pk}:v{row.version}:back",
        f"{row.user} is with {giver} again",
        team=giver,
        text=f"{taker} {how}. Say whether it is yours, and whether it can go.",
        url=reverse("claim", args=[giver.key]),
        departures=[row],
    )


def tell_dispute(row: Departure, team: Team | None) -> None:
    """Security hears of a dispute at once, because it answers within 2 working days."""
    tell(
        "dispute",
        f"dispute:{row.pk}:v{row.version}",
        f"{row.user} is disputed until {row.disputed_until:%a %-d %b}",
        role=Role.ENGINEER,
        text=f"{row.disputed_by}{f' of {team}' if team else ''}: {row.dispute_reason}",
        url=f"{reverse('claims')}#disputes",
        departures=[row],
    )


def tell_dispute_over(
    row: Departure, team: Team | None, until: date, *, by: Person | None = None, answer: str = ""
) -> None:
    """The team hears that its dispute does not hold the user any more: its day came, or `by` came.

    `until` is the last day of the dispute that is over.
    """
    if team is None:
        return
    how = f"{by} ended it." if by else f"It held until {until:%a %-d %b}."
    said = f"\n\n{by} writes: {answer.strip()}" if by and answer.strip() else ""
    tell(
        "dispute-over",
        f"dispute:{row.pk}:{until:%Y%m%d}:{f'v{row.version}' if by else 'over'}",
        f"{row.user} is no longer disputed",
        team=team,
        text=f"{how} It can be planned into a batch again, and you are told before. If it must "
        f"stay, say that it is still needed.{said}",
        url=reverse("claim", args=[team.key]),
        departures=[row],
    )


def tell_decided(row: Departure, team: Team, by: Person, *, confirmed: bool) -> None:
    """Whoever claimed a user that needed Security's word hears what it was."""
    what = "confirmed" if confirmed else "declined"
    tell(
        f"claim-{what}",
        f"claim:{row.pk}:v{row.version}:{what}",
        f"{row.user} is yours" if confirmed else f"{row.user} stays as it was",
        team=team,
        text=f"{by} {what} the claim of {team}."
        + ("" if confirmed else " If it is yours all the same, write to them."),
        url=_page(row),
        departures=[row],
    )


def tell_of_access(ask: Ask, person: Person) -> None:
    """Security hears once that somebody with a team's link is not of that team."""
    own = ", ".join(team.name for team in person.teams.all())
    tell(
        "access",
        f"ask:{ask.pk}:access:{person.pk}",
        f"{person} asks for access to the claims of {ask.team}",
        role=Role.ENGINEER,
        text=f"{person} ({person.email}) has the link of {ask.team} and is "
        f"{f'in {own}' if own else 'in no team'}. Add them to {ask.team} if they answer for it.",
        url=reverse("settings-teams"),
    )


def _page(row: Departure) -> str:
    return reverse("user", args=[row.user.account.account_id, row.user.user_id])


def _stamp(at: datetime | None) -> str:
    return f"{at:%Y%m%d%H%M%S}" if at else ""
