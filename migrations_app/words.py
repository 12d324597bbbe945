"""What teams said of whose an IAM user is, as far as it holds: facts for later suggestions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from inventory.owners import Word
from migrations_app.claims.claiming import CLAIMS
from migrations_app.models import GivenAnswer

_KIND = {"not-ours": "not-ours", "release": "released"} | dict.fromkeys(CLAIMS, "ours")
_NAMES = ("not-ours", "hand-over")


def about_users(accounts: Iterable[int]) -> dict[int, tuple[Word, ...]]:
    """By user, each team's last word and whom it named; what was taken back is not told."""
    by_user: dict[int, list[GivenAnswer]] = defaultdict(list)
    given = (
        GivenAnswer.objects.filter(
            departure__user__account__in=accounts,
            said__in=[*_KIND, "hand-over", "undo", "declined"],
            team__isnull=False,
        )
        .select_related("team", "whose", "departure")
        .order_by("at", "pk")
    )
    for one in given:
        by_user[one.departure.user_id].append(one)
    return {user: _that_hold(answers) for user, answers in by_user.items()}


def _that_hold(answers: Iterable[GivenAnswer]) -> tuple[Word, ...]:
    """Of one user's answers, oldest first. Whoever is named after saying no may be suggested."""
    own: dict[str, Word] = {}
    named: dict[str, Word] = {}
    for one in answers:
        assert one.team is not None  # noqa: S101 (asked for, in the type's words)
        team, on = one.team, one.at.date()
        # A team has one word: the new one takes the place of the last, and of whom it named.
        own.pop(team.key, None)
        named.pop(team.key, None)
        if one.said in _KIND:
            own[team.key] = Word(team.key, _KIND[one.said], on)
        if one.said in _NAMES and one.whose is not None:
            _name(own, named, one.whose.key, by=team.key, says=team.name, on=on)
    return (*own.values(), *named.values())


def _name(  # noqa: PLR0917
    own: dict[str, Word], named: dict[str, Word], whose: str, by: str, says: str, on: date
) -> None:
    if whose in own and own[whose].said == "not-ours":
        del own[whose]
    named[by] = Word(whose, "named", on, says)
