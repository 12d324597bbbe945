"""A team's claim page as values: which IAM users it is asked about, and how each answer reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.contrib.humanize.templatetags.humanize import apnumber

from inventory import at_once
from inventory.models import Account, IamUser, Organization, Team
from inventory.policy import policy_for
from migrations_app import dates
from migrations_app.claims import claim_rows
from migrations_app.lifecycle import SWITCHED_OFF, State
from migrations_app.models import Departure, GivenAnswer
from migrations_app.users import user_rows

SECONDS_PER_ANSWER = 10
# Five hundred cards with their forms are megabytes, and nobody answers so many at a time.
SHOWN = 50
UNDONE = ("undo", "release", "came-back")
# What the other team said, or let pass, of a user that was offered to it.
SENT_BACK = ("not-ours", "came-back")
CLAIMS = ("ours", "needed", "can-go", "unsure")
ELSEWHERE = ("not-ours", "dispute", "hand-over")
_IN_USE = ("active", "unknown")


def how_long(answers: int) -> str:
    """How long so many answers take, at about ten seconds each: "about two minutes"."""
    minutes = -(-answers * SECONDS_PER_ANSWER // 60)
    return "about a minute" if minutes == 1 else f"about {apnumber(minutes)} minutes"


@dataclass(frozen=True, slots=True)
class Card:
    """One IAM user on the claim page.

    `status` is open (whose is it?), question (yours; still needed?), offered (another team hands
    it over) or answered, which is folded to the line in `answer`. `contest` says which other team
    claims it too.
    """

    departure: Departure
    status: str
    answer: str
    last_used: str
    calls_a_week: int
    weeks: tuple[int, ...]
    still_used: bool
    suggested: bool
    fact: str = ""
    contest: str = ""
    # It said "not ours" and may say whose it is.
    may_name: bool = False
    # Whether the answer can be taken back here: what others decided cannot.
    undo: bool = True
    # Of what another team offers: which team, and why it thinks so.
    offered_by: str = ""
    offered_why: str = ""

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
    # Until when the team was asked to answer; None where nobody asked it, or it is over.
    deadline_at: datetime | None = None
    # Whose it may be instead.
    others: tuple[Team, ...] = ()

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Of which accounts the users are, by name; a card says of which only where it differs."""
        found = {card.departure.user.account_id: card.departure.user.account for card in self.cards}
        return tuple(sorted(found.values(), key=lambda account: account.name))

    @property
    def answered(self) -> int:
        return sum(card.answered for card in self.cards)

    @property
    def left(self) -> int:
        return len(self.cards) - self.answered

    @property
    def open_cards(self) -> tuple[Card, ...]:
        return tuple(card for card in self.cards if not card.answered)

    @property
    def shown(self) -> tuple[Card, ...]:
        """The cards that are drawn: what was answered last, and the open ones that come first."""
        answered = tuple(card for card in self.cards if card.answered)
        return answered[-SHOWN:] + self.open_cards[:SHOWN]

    @property
    def more(self) -> int:
        """How many open ones come after those that are drawn."""
        return max(0, self.left - SHOWN)

    @property
    def first_open(self) -> Card | None:
        """The card that keys answer before anybody has moved to another one."""
        return next(iter(self.open_cards), None)

    @property
    def time_left(self) -> str:
        """How long the open answers take."""
        return how_long(self.left)

    @property
    def segments(self) -> tuple[str, ...]:
        return ("done",) * self.answered + ("queued",) * self.left

    @property
    def summary(self) -> str:
        """ "3 can go, 2 get a replacement, 1 is not yours." """
        counts = Counter(_outcome(card.departure, self.team) for card in self.cards)
        told = [
            f"{counts[of]} {words[counts[of] != 1]}"
            for of, words in _OUTCOMES.items()
            if counts[of]
        ]
        return f"{', '.join(told)}." if told else ""

    @property
    def title(self) -> str:
        if not self.cards:
            return f"Nothing to answer for {self.team}"
        if not self.left:
            return f"{self.team} is done"
        if len(self.cards) == 1:
            return f"This IAM user looks like it belongs to {self.team}"
        return f"These {len(self.cards)} IAM users look like they belong to {self.team}"


# Of each outcome the words for one user, and for several.
_OUTCOMES = {
    "can-go": ("can go", "can go"),
    "needed": ("gets a replacement", "get a replacement"),
    "unsure": ("is not decided yet", "are not decided yet"),
    "disputed": ("is disputed", "are disputed"),
    "offered": ("is offered to another team", "are offered to other teams"),
    "not-ours": ("is not yours", "are not yours"),
}


def _outcome(row: Departure, team: Team) -> str:
    """What an answered user comes to; "" for one that is off already."""
    if row.state in SWITCHED_OFF:
        return ""
    if row.disputed_until:
        return "disputed"
    if row.handed_to_id is not None:
        return "offered"
    return row.answer if team.pk in (row.owner_id, row.claim_pending_team_id) else "not-ours"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, when, and what would happen to what they let go."""

    team: Team
    now: datetime
    ahead: dates.Ahead | None
    time_zone: str
    # What the team was asked about in a campaign, whatever it looks like by now.
    in_campaign: frozenset[int] = frozenset()


def page_of(team: Team, now: datetime, answered: int | None = None) -> ClaimPage:
    """The claim page of `team`: answered first, then what is still used, then the dormant.

    Only those that are drawn are told in full, and the departure (pk) that was `answered` just now.
    """
    told = at_once.ask(
        Team.objects.filter(pk=team.pk),
        {
            "asks": claim_rows.asks_of(team),
            "organization": Organization.objects.filter(pk=1),
            "teams": Team.objects.all(),
        },
    )
    asks, teams = told["asks"], {one.pk: one for one in told["teams"]}
    asked = Asked(team, now, None, "UTC", claim_rows.asked_in(asks))
    rows = claim_rows.asked_of(team, teams, asked.in_campaign)
    if rows:
        account = rows[0].user.account
        organization = next(iter(told["organization"]), Organization(pk=1))
        ahead = dates.from_now(policy_for(organization, account), account.time_zone, now)
        asked = replace(asked, ahead=ahead, time_zone=account.time_zone)
    cards = [card for row in rows if (card := card_of(row, asked)) is not None]
    cards.sort(key=lambda card: (not card.answered, not card.still_used, card.departure.pk))
    deadline_at = max((ask.deadline_at for ask in asks), default=None)
    to_come = deadline_at if deadline_at and deadline_at > now else None
    others = tuple(one for one in told["teams"] if one.active and one.pk != team.pk)
    page = ClaimPage(team, tuple(cards), asked.ahead, asked.time_zone, to_come, others)
    drawn = {card.departure.pk for card in page.shown} | {answered}
    some = [card for card in cards if card.departure.pk in drawn]
    whole = {card.departure.pk: card for card in _whole(some, now)}
    return replace(page, cards=tuple(whole.get(card.departure.pk, card) for card in cards))


def _whole(cards: Iterable[Card], now: datetime) -> list[Card]:
    """These cards with all of their users, and what they have done; three queries."""
    rows = {card.departure.user_id: card for card in cards}
    if not rows:
        return []
    users = IamUser.objects.in_bulk(rows)
    weeks, facts = user_rows.told_of(users.values(), now.date())
    found = []
    for pk, card in rows.items():
        user, calls, fact = users[pk], weeks.get(pk, ()), facts.get(pk, "")
        user.account = card.departure.user.account
        card.departure.user = user
        found.append(
            replace(
                card,
                calls_a_week=round(sum(calls[-4:]) / 4),
                weeks=calls or card.weeks,
                fact=fact[:1].upper() + fact[1:],
            )
        )
    return found


def card_of(row: Departure, asked: Asked) -> Card | None:
    """The card of one departure; None where this team has no part in it (any more)."""
    said = _said(row, asked)
    status = _status(row, asked, said)
    if status is None:
        return None
    user = row.user
    offers = (one for one in row.answers.all() if one.said == "hand-over")
    offer = next(offers, None) if status == "offered" else None
    return Card(
        departure=row,
        status=status,
        answer=_line(row, asked, said) if status == "answered" else "",
        last_used=last_used(row, asked.now),
        calls_a_week=0,
        weeks=(0,) * user_rows.WEEKS,
        still_used=user.verdict in _IN_USE,
        suggested=user.suggested_team_id == asked.team.pk,
        contest=_contest(row, asked.team),
        may_name=said == "not-ours" and _whose(row, asked.team) is None,
        undo=_may_undo(row, asked, said),
        offered_by=str(offer.team or "") if offer else "",
        offered_why=offer.note if offer else "",
    )


def _word(row: Departure, team: Team) -> GivenAnswer | None:
    return next((one for one in row.answers.all() if one.team_id == team.pk), None)


def _whose(row: Departure, team: Team) -> Team | None:
    word = _word(row, team)
    return word.whose if word else None


def _said(row: Departure, asked: Asked) -> str:
    """This team's last word, as long as it holds.

    A dispute that ended is no answer, and whoever is named after saying no is asked again.
    """
    word, last = _word(row, asked.team), next(iter(row.answers.all()), None)
    if word is None:
        return ""
    over = row.disputed_until is None or row.disputed_until < asked.now.date()
    if word.said == "dispute" and over:
        return ""
    if word.said == "hand-over" and row.handed_to_id is None and last and last.said in SENT_BACK:
        return ""
    return "" if _is_named(last, asked.team) else word.said


def _is_named(last: GivenAnswer | None, team: Team) -> bool:
    return last is not None and last.said == "not-ours" and last.whose_id == team.pk


def _status(row: Departure, asked: Asked, said: str) -> str | None:
    team = asked.team
    if row.handed_to_id == team.pk:
        return "offered"
    if said in ELSEWHERE:
        return "answered"
    if row.owner_id == team.pk:
        return _status_of_own(row, said)
    if row.claim_pending_team_id == team.pk:
        return "answered" if row.answer else "question"
    if row.contested_by_team_id == team.pk or _lost(row, asked, said):
        return "answered"
    named = _is_named(next(iter(row.answers.all()), None), team)
    asked_for = row.user.suggested_team_id == team.pk or row.pk in asked.in_campaign
    return "open" if row.owner_id is None and (asked_for or named or said in UNDONE) else None


def _lost(row: Departure, asked: Asked, said: str) -> bool:
    """Whether the team claimed it and Security gave it to another."""
    settled = any(one.said == "settled" for one in row.answers.all())
    return said in CLAIMS and settled and row.owner_id not in (None, asked.team.pk)


def _may_undo(row: Departure, asked: Asked, said: str) -> bool:
    """What Security settled, another team took, or a batch has acted on stays as it is."""
    word = _word(row, asked.team)
    acted_on = word is not None and row.fenced_at is not None and word.at < row.fenced_at
    if acted_on or _lost(row, asked, said):
        return False
    return said != "hand-over" or row.handed_to is not None


def _contest(row: Departure, team: Team) -> str:
    """Who claims it beside this team; empty where nobody does."""
    if row.contested_by_team is None:
        return ""
    first = row.owner or row.claim_pending_team
    return str(first) if row.contested_by_team_id == team.pk else str(row.contested_by_team)


def _status_of_own(row: Departure, said: str) -> str | None:
    """A custodian's adoption, or what was off before anybody asked, is no question."""
    has_access = row.state == State.OWNER_ASSIGNED
    if said in ("adopt", "release") or (not row.answers.all() and not has_access):
        return None
    return "answered" if row.answer or not has_access else "question"


def _line(row: Departure, asked: Asked, said: str) -> str:
    if said == "not-ours":
        whose = _whose(row, asked.team)
        return f"Not yours. We will ask {whose}." if whose else "Not yours. We will ask on."
    if said == "dispute":
        return f"Disputed until {row.disputed_until:%a %-d %b}. It stays as it is until then."
    if said == "hand-over":
        offered = f"Offered to {row.handed_to}. They have 5 working days to take it."
        return offered if row.handed_to else f"You handed it over to {row.owner or 'another team'}."
    if _lost(row, asked, said):
        return f"Security settled it: it belongs to {row.owner}."
    if contest := _contest(row, asked.team):
        return f"Yours, and {contest} says so too. Security settles it."
    return _line_of_own(row, asked)


def _line_of_own(row: Departure, asked: Asked) -> str:
    if row.claim_pending_team_id == asked.team.pk:
        return "Yours, once Security confirms it."
    if row.state in SWITCHED_OFF:
        return "Yours, and switched off. You can restore it."
    if row.answer == "needed":
        return "Yours, still needed. A replacement is planned first."
    if row.answer == "unsure":
        return "Yours. You do not know yet whether it is needed."
    at = asked.ahead.disable_at if asked.ahead else None
    if at is None:
        return "Yours, can go."
    day = at.astimezone(ZoneInfo(asked.time_zone))
    return f"Yours, can go. Disabled on {day:%a %-d %b} at the earliest."


def last_used(row: Departure, now: datetime) -> str:
    """How long a user was not used, as a sentence."""
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
