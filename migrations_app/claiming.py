"""A team's claim page as values: which IAM users it is asked about, and how each answer reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from inventory.models import Organization, Team
from inventory.policy import policy_for
from migrations_app import dates, listing
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Departure, GivenAnswer

UNDONE = ("undo", "release")
# A claim of the custodian says nothing about whether the user is still needed.
_IN_USE = ("active", "unknown")


@dataclass(frozen=True, slots=True)
class Card:
    """One IAM user on the claim page.

    `status` is open (whose is it?), question (yours; still needed?), offered (another team hands
    it over) or answered, which is folded to the line in `answer`.
    """

    departure: Departure
    status: str
    answer: str
    last_used: str
    calls_a_week: int
    weeks: tuple[int, ...]
    still_used: bool
    suggested: bool

    @property
    def answered(self) -> bool:
        return self.status == "answered"


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """Everything the claim page of one team shows."""

    team: Team
    cards: tuple[Card, ...]
    ahead: dates.Ahead | None
    time_zone: str

    @property
    def answered(self) -> int:
        return sum(card.answered for card in self.cards)

    @property
    def left(self) -> int:
        return len(self.cards) - self.answered

    @property
    def segments(self) -> tuple[str, ...]:
        return ("done",) * self.answered + ("queued",) * self.left

    @property
    def title(self) -> str:
        if not self.cards:
            return f"Nothing to answer for {self.team}"
        if not self.left:
            return f"{self.team} is done"
        if len(self.cards) == 1:
            return f"This IAM user looks like it belongs to {self.team}"
        return f"These {len(self.cards)} IAM users look like they belong to {self.team}"


def page_of(team: Team, now: datetime) -> ClaimPage:
    """The claim page of `team`: answered first, then what is still used, then the dormant."""
    rows = list(asked_of(team))
    weeks = listing.weeks_of([row.user_id for row in rows], now.date())
    ahead, zone = None, "UTC"
    if rows:
        account = rows[0].user.account
        zone = account.time_zone
        ahead = dates.from_now(policy_for(Organization.get(), account), zone, now)
    cards = [card_of(row, team, weeks.get(row.user_id, ()), ahead, zone, now) for row in rows]
    shown = [card for card in cards if card is not None]
    shown.sort(key=lambda card: (not card.answered, not card.still_used, card.departure.pk))
    return ClaimPage(team, tuple(shown), ahead, zone)


def asked_of(team: Team) -> list[Departure]:
    """The departures that `team` is or was asked about, protected and deleted ones left out."""
    rows = (
        listing.departures()
        .exclude(state=State.DELETED)
        .filter(protection=Protection.NONE)
        .filter(
            Q(user__suggested_team=team, owner=None)
            | Q(owner=team)
            | Q(handed_to=team)
            | Q(claim_pending_team=team)
            | Q(answers__team=team)
            | Q(answers__whose=team)
        )
        .select_related("handed_to", "claim_pending_team")
        .prefetch_related("answers__whose", "answers__team")
        .distinct()
        .order_by("pk")
    )
    return list(rows)


def open_cards(team: Team, now: datetime) -> int:
    """How many answers `team` still owes."""
    return page_of(team, now).left


def card_of(
    row: Departure,
    team: Team,
    weeks: tuple[int, ...],
    ahead: dates.Ahead | None,
    zone: str,
    now: datetime,
) -> Card | None:
    """The card of one departure; None where this team has no part in it (any more)."""
    last = next(iter(row.answers.all()), None)
    status = _status(row, team, last)
    if status is None:
        return None
    recent = [count for count in weeks[-4:] if count]
    user = row.user
    return Card(
        departure=row,
        status=status,
        answer=_line(row, team, last, ahead, zone) if status == "answered" else "",
        last_used=_last_used(row, now),
        calls_a_week=round(sum(weeks[-4:]) / 4) if recent else 0,
        weeks=weeks or (0,) * listing.WEEKS,
        still_used=user.verdict in _IN_USE,
        suggested=user.suggested_team_id == team.pk,
    )


def _status(row: Departure, team: Team, last: GivenAnswer | None) -> str | None:
    if row.handed_to_id == team.pk:
        return "offered"
    mine = last is not None and last.team_id == team.pk
    said = last.said if last is not None and mine else ""
    if mine and said in ("not-ours", "dispute", "hand-over"):
        return "answered"
    if row.owner_id == team.pk:
        if said in ("adopt", "release") or (last is None and row.state != State.OWNER_ASSIGNED):
            return None
        return "answered" if row.answer or row.state != State.OWNER_ASSIGNED else "question"
    if row.claim_pending_team_id == team.pk:
        return "answered" if row.answer else "question"
    if row.owner_id is not None:
        return None
    asked = row.user.suggested_team_id == team.pk
    named = last is not None and last.said == "not-ours" and last.whose_id == team.pk
    undone = mine and said in UNDONE
    return "open" if asked or named or undone else None


def _line(
    row: Departure, team: Team, last: GivenAnswer | None, ahead: dates.Ahead | None, zone: str
) -> str:
    said = last.said if last is not None and last.team_id == team.pk else row.answer
    if said == "not-ours":
        whose = last.whose if last else None
        return f"Not yours. We will ask {whose}." if whose else "Not yours. We will ask on."
    if said == "dispute":
        return f"Disputed until {row.disputed_until:%-d %b}. It stays as it is until then."
    if said == "hand-over":
        return f"Offered to {row.handed_to}. They have 5 working days to take it."
    if row.claim_pending_team_id == team.pk:
        return "Yours, once Security confirms it."
    if row.state in (State.DISABLED, State.SOAKING):
        return "Yours, and switched off. You can restore it."
    if row.answer == "can-go":
        at = ahead.disable_at if ahead else None
        when = (
            f" Disabled on {at.astimezone(ZoneInfo(zone)):%a %-d %b} at the earliest." if at else ""
        )
        return f"Yours, can go.{when}"
    if row.answer == "needed":
        return "Yours, still needed. A replacement is planned first."
    return "Yours. You do not know yet whether it is needed."


def _last_used(row: Departure, now: datetime) -> str:
    user = row.user
    if user.verdict == "never-used":
        return f"Never used since {user.created_at:%-d %b %Y}."
    if user.last_activity_at is None:
        return "We cannot tell when it was last used."
    days = (now - user.last_activity_at).days
    if days < 1:
        hours = int((now - user.last_activity_at).total_seconds() // 3600)
        return f"Last used {hours} hours ago." if hours > 1 else "Last used within the hour."
    if days < 60:
        return f"Last used {days} {'day' if days == 1 else 'days'} ago."
    return f"No sign-in and no call for {days:,} days."
