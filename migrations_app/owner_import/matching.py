"""What a sheet of owners would change: each line against the IAM users that are here.

Reads a few times, however many lines there are, and writes nothing. A line is matched by user id,
by ARN or by name within its account; a name alone counts only where one living user bears it.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Value
from django.db.models.functions import Coalesce, Lower, NullIf

from inventory import ledger
from inventory.models import Account, IamUser, Team
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.owner_import.reading import Line, Sheet

_AT_ONCE = 5_000
# Looking for a like name costs time, and nobody reads more hints than this.
_MOST_HINTS = 200
_LIKE = 0.6


class Outcome(StrEnum):
    """What a line would do."""

    ASSIGN = "assign"
    CHANGE = "change"
    CATEGORY = "category"
    SAME = "same"
    UNMATCHED = "unmatched"
    CONFLICT = "conflict"
    DELETED = "deleted"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Outcome.ASSIGN: "gets an owner",
    Outcome.CHANGE: "changes owner",
    Outcome.CATEGORY: "category set",
    Outcome.SAME: "already so",
    Outcome.UNMATCHED: "unmatched",
    Outcome.CONFLICT: "contradicts another line",
    Outcome.DELETED: "deleted",
}
CHANGES = (Outcome.ASSIGN, Outcome.CHANGE, Outcome.CATEGORY)
LEFT_OUT = (Outcome.UNMATCHED, Outcome.CONFLICT, Outcome.DELETED)


@dataclass(frozen=True, slots=True)
class Match:
    """One line and what it would do; the `from_` values are what the person is shown of today.

    `team` and `category` are "" where they stay as they are.
    """

    number: int
    outcome: Outcome
    user: str
    account: str = ""
    user_id: str = ""
    departure: int = 0
    from_team: str = ""
    team: str = ""
    from_category: str = ""
    category: str = ""
    note: str = ""
    protection: str = ""
    why: str = ""

    @property
    def said(self) -> str:
        """From what to what, or why not, on one line."""
        parts = [self.why] if self.why else []
        if self.team:
            parts.append(f"{self.from_team or 'nobody'} → {self.team}")
        if self.category:
            parts.append(f"{self.from_category or 'no category'} → {self.category}")
        if self.protection:
            parts.append(f"protected, {self.protection}")
        return ", ".join(parts)

    def kept(self) -> dict[str, Any]:
        """As JSON; `of` reads it back."""
        return {key: value for key, value in asdict(self).items() if value}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Match:
        return cls(**{"user": "", **kept, "outcome": Outcome(kept["outcome"])})


class _Here(NamedTuple):
    """An IAM user that a line may mean."""

    departure: int
    name: str
    user_id: str
    account: str
    account_name: str
    state: str
    protection: str
    owner: str
    owner_name: str
    category: str

    @property
    def place(self) -> str:
        return self.account_name or self.account


class _Index:
    """Those whom the lines may mean, found by id and by name."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.by_id: dict[str, _Here] = {}
        self.by_name: dict[str, list[_Here]] = defaultdict(list)
        for one in _those_named(lines):
            self.by_id[one.user_id] = one
            self.by_name[one.name.lower()].append(one)

    def find(self, line: Line, accounts: frozenset[str] | None) -> tuple[_Here | None, str]:
        """Whom the line means, or why nobody."""
        if line.user_id:
            return self._by_id(line, accounts)
        found = [
            one
            for one in self.by_name.get(line.user.lower(), ())
            if accounts is None or one.account in accounts
        ]
        living = [one for one in found if one.state != State.DELETED]
        if len(living) == 1 or (len(found) == 1 and not living):
            return (living or found)[0], ""
        if living:
            places = ", ".join(sorted(one.place for one in living)[:5])
            return None, f"{len(living)} accounts have it: {places}. Say which."
        if found:
            return None, "Every user of this name was deleted."
        return None, ""

    def _by_id(self, line: Line, accounts: frozenset[str] | None) -> tuple[_Here | None, str]:
        one = self.by_id.get(line.user_id)
        if one is None:
            namesake = line.user and self.by_name.get(line.user.lower())
            again = " One of this name has another id: it was made anew." if namesake else ""
            return None, f"No user has the id {line.user_id}.{again}"
        if accounts is not None and one.account not in accounts:
            return None, f"{one.name} with this id is in {one.place}, not in that account."
        return one, ""


def preview(sheet: Sheet) -> list[Match]:
    """Each line of the sheet with what it would do, in the order of the file."""
    teams = _teams()
    index, places = _Index(sheet.lines), _Accounts()
    matches = []
    for line in sheet.lines:
        matches.append(_match(line, index, places, teams))
    return _without_conflicts(_hinted(matches, sheet.lines, places))


def digest(sha256: str, matches: Iterable[Match]) -> str:
    """What the person was shown: the file, and each change with what it changes from."""
    shown = [one.kept() for one in matches if one.outcome in CHANGES]
    return ledger.digest({"file": sha256, "changes": shown})


def counts(matches: Iterable[Match]) -> dict[str, int]:
    """How many lines there are of each outcome."""
    found = dict.fromkeys((one.value for one in Outcome), 0)
    for match in matches:
        found[match.outcome.value] += 1
    return found


def _teams() -> dict[str, Team]:
    rows = list(Team.objects.filter(active=True).order_by("pk"))
    # A key is nobody else's; a name may be, and then the key counts.
    return {team.name.casefold(): team for team in rows} | {
        team.key.casefold(): team for team in rows
    }


class _Accounts:
    """The accounts that are here, by id and by name."""

    def __init__(self) -> None:
        self.names = dict(Account.objects.values_list("account_id", "name"))
        self.by_name: dict[str, set[str]] = defaultdict(set)
        for account_id, name in self.names.items():
            self.by_name[name.casefold()].add(account_id)

    def of(self, line: Line) -> frozenset[str] | None:
        """The accounts that a line may speak of: None for all, empty for one that is not here."""
        if not line.account and not line.account_name:
            return None
        if line.account in self.names:
            return frozenset({line.account})
        name = line.account or line.account_name
        return frozenset(self.by_name.get(name.casefold(), ()))


def _those_named(lines: Sequence[Line]) -> Iterator[_Here]:
    rows = Departure.objects.annotate(
        lower_name=Lower("user__user_name"),
        shown_category=Coalesce(NullIf("user__category_override", Value("")), "user__category"),
    ).order_by("pk")
    ids = {line.user_id for line in lines if line.user_id}
    names = {line.user.lower() for line in lines if line.user}
    seen = set()
    for field, wanted in (("user__user_id__in", ids), ("lower_name__in", names)):
        for some in _parts(sorted(wanted)):
            for values in rows.filter(**{field: some}).values_list(*_COLUMNS):
                if values[0] not in seen:
                    seen.add(values[0])
                    yield _Here(values[0], *(one or "" for one in values[1:]))


_COLUMNS = (
    "pk",
    "user__user_name",
    "user__user_id",
    "user__account__account_id",
    "user__account__name",
    "state",
    "protection",
    "owner__key",
    "owner__name",
    "shown_category",
)


def _parts(wanted: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


def _match(line: Line, index: _Index, places: _Accounts, teams: Mapping[str, Team]) -> Match:
    match = Match(line.number, Outcome.UNMATCHED, line.named, line.account or line.account_name)
    if line.problem:
        return replace(match, why=line.problem)
    accounts = places.of(line)
    if accounts is not None and not accounts:
        return replace(match, why=f"There is no account {match.account} here.")
    one, why = index.find(line, accounts)
    if one is None:
        return replace(match, why=why)
    match = replace(
        match,
        user=one.name,
        user_id=one.user_id,
        account=one.account,
        departure=one.departure,
        protection=one.protection,
    )
    if one.state == State.DELETED:
        return replace(match, outcome=Outcome.DELETED, why="It was deleted. Nothing changes.")
    team = teams.get(line.team.casefold())
    if line.team and team is None:
        near = difflib.get_close_matches(line.team.casefold(), teams, n=1)
        hint = f" Do you mean {teams[near[0]].key}?" if near else ""
        return replace(match, why=f"There is no team {line.team[:60]}.{hint}")
    return _judged(match, one, team, line)


def _judged(match: Match, one: _Here, team: Team | None, line: Line) -> Match:
    new_team = team.key if team and team.key != one.owner else ""
    new_category = line.category if line.category != one.category else ""
    outcome = Outcome.SAME
    if new_team:
        outcome = Outcome.CHANGE if one.owner else Outcome.ASSIGN
    elif new_category:
        outcome = Outcome.CATEGORY
    return replace(
        match,
        outcome=outcome,
        from_team=one.owner,
        team=new_team,
        from_category=one.category,
        category=new_category,
        note=line.note,
    )


def _without_conflicts(matches: list[Match]) -> list[Match]:
    """Of lines about one user only the first of equal ones counts, and none that contradict.

    What a line says is compared with what it says, not with what holds: a line that agrees with
    today contradicts one that does not.
    """
    lines: dict[int, list[int]] = defaultdict(list)
    for position, match in enumerate(matches):
        if match.departure and match.outcome not in (Outcome.UNMATCHED, Outcome.DELETED):
            lines[match.departure].append(position)
    for positions in lines.values():
        if len(positions) > 1:
            _settle(matches, positions)
    return matches


def _settle(matches: list[Match], positions: list[int]) -> None:
    group = [matches[position] for position in positions]
    numbers = ", ".join(str(match.number) for match in group)
    wanted = {(match.team, match.category) for match in group}
    if len(wanted) > 1:
        why = f"Lines {numbers} say different things about it. None of them is followed."
        for position in positions:
            matches[position] = replace(matches[position], outcome=Outcome.CONFLICT, why=why)
        return
    for position in positions[1:]:
        why = f"Line {group[0].number} says the same."
        matches[position] = replace(matches[position], outcome=Outcome.SAME, why=why)


def _hinted(matches: list[Match], lines: Sequence[Line], places: _Accounts) -> list[Match]:
    """Whoever was not found gets the name that is most like theirs."""
    lost = [place for place, one in enumerate(matches) if one.outcome == Outcome.UNMATCHED]
    lost = [place for place in lost if not matches[place].why]
    if not lost:
        return matches
    hints = _Likeness()
    for number, place in enumerate(lost):
        accounts = places.of(lines[place])
        near = hints.nearest(lines[place].user, accounts) if number < _MOST_HINTS else ""
        hint = f" The nearest is {near}." if near else ""
        matches[place] = replace(matches[place], why=f"No user has this name.{hint}")
    return matches


class _Likeness:
    """Living names by the three-letter pieces in them, so that few must be compared."""

    def __init__(self) -> None:
        rows = IamUser.objects.filter(gone_at=None).values_list("user_name", "account__account_id")
        self.names = [*rows]
        self.pieces: dict[str, list[int]] = defaultdict(list)
        for number, (name, _) in enumerate(self.names):
            for piece in _pieces(name):
                self.pieces[piece].append(number)

    def nearest(self, name: str, accounts: frozenset[str] | None) -> str:
        shared: dict[int, int] = defaultdict(int)
        for piece in _pieces(name):
            for number in self.pieces.get(piece, ()):
                shared[number] += 1
        best = sorted(shared, key=lambda number: -shared[number])[:100]
        like = [
            self.names[one][0] for one in best if accounts is None or self.names[one][1] in accounts
        ]
        found = difflib.get_close_matches(name, like, n=1, cutoff=_LIKE)
        return found[0] if found else ""


def _pieces(name: str) -> set[str]:
    padded = f"  {name.lower()} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
