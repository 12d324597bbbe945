"""What teams, their managers and Security are told in a campaign, in words.

Once for each ask and stage. The list of users stands beside the words, never cut: each message
carries its departures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.urls import reverse

from inventory.models import Account, Organization, Person, Role, Team
from inventory.policy import in_words, policy_for
from migrations_app.claims.claiming import how_long
from migrations_app.models import Ask, Departure, Notice
from migrations_app.outgoing.notices import tell

_QUIET = ("dormant", "never-used")
_UNREACHED = "unreached"


@dataclass(frozen=True, slots=True)
class Words:
    """Title and text of one message."""

    title: str
    text: str


def asked(
    team: Team, rows: Sequence[Departure], deadline_at: datetime, message: str, asked_by: Person
) -> Words:
    """What a team reads when it is asked about `rows`; shown to the engineer before."""
    account = rows[0].user.account
    policy = policy_for(Organization.get(), account)
    quiet = sum(row.user.verdict in _QUIET for row in rows)
    undo = in_words(policy.watch + policy.soak)
    parts = [
        _quiet(quiet, len(rows), in_words(policy.dormant_after)),
        f"Please say which are yours, it takes {how_long(len(rows))}.",
        f"If nobody answers by {day(deadline_at, account)}, {_custodian()} takes them over and "
        f"disables the dormant ones; you can undo that for {undo}.",
    ]
    note = f"{asked_by} writes: {message.strip()}" if message.strip() else ""
    return Words(f"{_look_like(len(rows))} {possessive(team)}", _paragraphs(" ".join(parts), note))


def tell_asked(ask: Ask, rows: Sequence[Departure]) -> None:
    """Ask the team: once, whatever is done again."""
    campaign = ask.campaign
    words = asked(ask.team, rows, ask.deadline_at, campaign.message, campaign.asked_by)
    _tell_team(ask, "claim", "asked", words, rows)


def tell_added(ask: Ask, rows: Sequence[Departure], message: str, person: Person) -> None:
    """The team has an open ask already and is asked about more users: once for these."""
    words = asked(ask.team, rows, ask.deadline_at, message, person)
    more = f"{_count(len(rows))} more may be {possessive(ask.team)}"
    _tell_team(ask, "claim", f"added:{ask.additions}", Words(more, words.text), rows)


def tell_reminder(ask: Ask, rows: Sequence[Departure], *, stage: int) -> None:
    """What is still open, said once per stage; there are as many stages again for an addition."""
    total = ask.departures.count()
    account = rows[0].user.account
    text = (
        f"{_of_all(len(rows), total)} wait for your answer, it takes {how_long(len(rows))}. "
        f"If nobody answers by {day(ask.deadline_at, account)}, {_custodian()} takes them over."
    )
    title = f"{ask.team}: {_count(len(rows))} still to answer"
    key = f"reminder:{ask.additions}:{stage}" if ask.additions else f"reminder:{stage}"
    _tell_team(ask, "claim-reminder", key, Words(title, text), rows)


def tell_unreached(ask: Ask, rows: Sequence[Departure], tried: Sequence[str]) -> None:
    """Security hears, once, that a team does not know that it is asked."""
    by_ways = "\n".join(tried) or "It stands in the inbox alone."
    until = day(ask.deadline_at, rows[0].user.account)
    tell(
        "unreached",
        _key(ask, _UNREACHED),
        f"{ask.team} has not been reached about {_count(len(rows))}",
        role=Role.ENGINEER,
        text=f"No channel of theirs took the message and no lead opened it; the deadline is "
        f"{until}.\n\n{by_ways}\n\nMend the channel and send it again, or ask them yourself.",
        url=reverse("campaign", args=[ask.campaign.number]),
        departures=rows,
    )


def unreached_told(asks: Iterable[int]) -> set[int]:
    """Those of these asks (pks) of which Security has heard already that they reached nobody."""
    keys = {f"ask:{pk}:{_UNREACHED}": pk for pk in asks}
    told = Notice.objects.filter(key__in=list(keys)).values_list("key", flat=True)
    return {keys[key] for key in told}


def tell_overdue(ask: Ask, rows: Sequence[Departure], *, heard: bool = True) -> None:
    """The lead's manager and Security hear, once, that the deadline is over.

    A team that was not `heard` of, no message having reached it, is not said to have kept silent.
    """
    team, account = ask.team, rows[0].user.account
    over = day(ask.deadline_at, account)
    open_ones = _of_all(len(rows), ask.departures.count())
    manager, outside = _manager_of(team)
    what = f"{team} has not said whose {_count(len(rows))} {'is' if len(rows) == 1 else 'are'}"
    if manager or outside:
        how = " and reminded" if heard else ", but no channel took it and no lead opened it"
        text = (
            f"{team} was asked on {day(ask.asked_at, account)}{how}. {open_ones} are still "
            f"open; the deadline was {over}. Please have somebody answer, it takes "
            f"{how_long(len(rows))}. Otherwise {_custodian()} takes them over."
        )
        tell(
            "claim-overdue",
            _key(ask, "overdue:manager"),
            what,
            person=manager,
            mail_to=outside,
            text=text,
            # A manager need not lead the team, and the claim page is its leads'.
            url=f"{reverse('users')}?view=no-owner",
            departures=rows,
        )
    told = _told_manager(team, manager or outside)
    told += "" if heard else f" No message reached {team}."
    tell(
        "claim-overdue",
        _key(ask, "overdue:security"),
        what,
        role=Role.ENGINEER,
        text=f"The deadline was {over}. {told} {open_ones} can be adopted for {_custodian()}.",
        url=f"{reverse('claims')}#overdue",
        departures=rows,
    )


def tell_answered(ask: Ask) -> None:
    """Whoever asked hears that a team has answered everything."""
    person = ask.campaign.asked_by
    by = f"The last answer is {possessive(ask.answered_by)}. " if ask.answered_by else ""
    tell(
        "claim-answered",
        _key(ask, f"answered:{ask.additions}"),
        f"{ask.team} is done: {_count(ask.departures.count())} answered",
        person=person if person.is_active else None,
        role="" if person.is_active else Role.ENGINEER,
        text=f"{by}See what they said.",
        url=reverse("campaign", args=[ask.campaign.number]),
    )
    thanks = Words(
        f"{ask.team} is done", "Everything is answered. You can still take an answer back."
    )
    _tell_team(ask, "claim-done", f"done:{ask.additions}", thanks, (), closes=True)


def tell_withdrawn(ask: Ask, rows: Sequence[Departure]) -> None:
    """The team need not answer any more."""
    words = Words(
        f"{ask.team} need not answer any more",
        f"Security has closed this question. {_count(len(rows))} stayed open; nothing changes "
        "for them by that.",
    )
    _tell_team(ask, "claim-withdrawn", "withdrawn", words, rows, closes=True)


def tell_adopted(ask: Ask, rows: Sequence[Departure]) -> None:
    """The team hears that what it did not answer has another owner now, and what it can do."""
    words = Words(
        f"{_custodian()} now answers for {_count(len(rows))} that looked like {ask.team}",
        f"The deadline is over, so {_custodian()} took over. If one of them is yours, "
        "say so on its page; it can be undone.",
    )
    first = min(row.pk for row in rows)
    _tell_team(ask, "claim-adopted", f"adopted:{first}", words, rows, closes=True)


def _tell_team(
    ask: Ask,
    kind: str,
    stage: str,
    words: Words,
    rows: Sequence[Departure],
    *,
    closes: bool = False,
) -> Notice:
    """Every message of an ask to its team goes out here; with `closes`, the last of them."""
    left = "done" if closes else f"{_count(len(rows))} to answer"
    return tell(
        kind,
        _key(ask, stage),
        words.title,
        team=ask.team,
        text=words.text,
        url=_page(ask),
        departures=rows,
        ask=ask,
        thread=_thread(ask),
        summary=f"IAM users of {ask.team}: {left}",
        closes=closes,
    )


def day(at: datetime, account: Account) -> str:
    """A day as teams read it, in the account's time zone."""
    return f"{at.astimezone(ZoneInfo(account.time_zone)):%a %-d %b}"


def possessive(whose: object) -> str:
    """ "Payments’", "Data’s"."""
    name = str(whose)
    return f"{name}’" if name.endswith("s") else f"{name}’s"


def latest_of(ask: Ask) -> Notice | None:
    """The last message that the team got in this ask."""
    return Notice.objects.filter(team=ask.team, key__startswith=_key(ask, "")).first()


def _manager_of(team: Team) -> tuple[Person | None, str]:
    """The lead's manager, or the address of one without an account; neither for who has left."""
    manager = Person.objects.filter(email__iexact=team.escalate_to).exclude(email="").first()
    if manager is None:
        return None, team.escalate_to
    return (manager, "") if manager.is_active else (None, "")


def _told_manager(team: Team, manager: Person | str) -> str:
    if manager:
        return f"{manager} was told once."
    if team.escalate_to:
        return f"{team.escalate_to}, the manager of {team}, has left, so nobody else was told."
    return f"No manager of {team} is declared, so nobody else was told."


def _thread(ask: Ask) -> str:
    return f"campaign:{ask.campaign.number}:{ask.team.key}"


def _key(ask: Ask, stage: str) -> str:
    return f"ask:{ask.pk}:{stage}"


def _page(ask: Ask) -> str:
    return reverse("claim", args=[ask.team.key])


def _look_like(count: int) -> str:
    return "1 IAM user looks like" if count == 1 else f"{count} IAM users look like"


def _count(count: int) -> str:
    return "1 IAM user" if count == 1 else f"{count} IAM users"


def _of_all(count: int, total: int) -> str:
    return f"{count} of {_count(total)}"


def _quiet(quiet: int, total: int, length: str) -> str:
    if not quiet:
        return "All of them are in use." if total > 1 else "It is in use."
    if quiet == total:
        what = "None of them has" if total > 1 else "It has not"
        return f"{what} been used for {length}."
    return f"{quiet} {'has' if quiet == 1 else 'have'} not been used for {length}."


def _custodian() -> str:
    custodian = Organization.get().custodian
    return custodian.name if custodian else "Security"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))
