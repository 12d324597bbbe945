"""How people are called in a pack: by name, or everywhere by what the ledger calls them.

Without names each person is `person-` and the beginning of their hash in the ledger. That hash has
to stand beside every entry, else nobody could compute the chain; another pseudonym would only tie
to it line by line. It is keyed, so a list of people does not undo it, and which name belongs to it
is known to the database alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory import ledger
from inventory.exports import Described
from inventory.models import LedgerName, Person
from inventory.pack.layout import PSEUDONYM, pseudonym

_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 2
# Two people of one name: which of them is meant, the words do not tell.
_UNCLEAR = f"{PSEUDONYM}of-this-name"
_OUTSIDE = "(an e-mail address)"


@dataclass(frozen=True, slots=True)
class _Name:
    """One way in which a person may stand in a text, and what stands there instead."""

    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True, slots=True)
class Names:
    """Everybody who is known here; `shown` if the pack bears names."""

    shown: bool
    # First word of a name or an address -> those that begin with it.
    _by_word: Mapping[str, tuple[_Name, ...]] = field(default_factory=dict)

    def of(self, person: Person | None) -> str:
        """How the pack calls this person; "" for nobody."""
        if person is None:
            return ""
        return str(person) if self.shown else pseudonym(ledger.person_hash(person))

    def of_hash(self, digest: str, names: Mapping[str, str]) -> str:
        """How the pack calls whoever has this hash in the ledger."""
        return names.get(digest, "") if self.shown else pseudonym(digest)

    def address(self, text: str) -> str:
        """Where a message went: no address of anybody, known here or not."""
        hidden = str(self.hidden(text))
        return _OUTSIDE if not self.shown and "@" in hidden else hidden

    def hidden(self, value: Any) -> Any:
        """`value` with the name and address of everybody replaced, in all its texts."""
        if self.shown:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Described):
            return Described(self._parts(value), map(self._text, value.sentences))
        if isinstance(value, Mapping):
            return self._parts(value)
        if isinstance(value, (list, tuple)):
            return [self.hidden(one) for one in value]
        return value

    def hidden_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a table, whose columns keep their names."""
        return {name: self.hidden(value) for name, value in row.items()}

    def _parts(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {self._text(str(key)): self.hidden(one) for key, one in value.items()}

    def _text(self, text: str) -> str:
        for word in self._by_word.keys() & set(_WORD.findall(text.casefold())):
            for name in self._by_word[word]:
                text = name.pattern.sub(name.instead, text)
        return text


def names_of_everybody(*, shown: bool) -> Names:
    """Everybody with a row here, and whoever the ledger still has a name for."""
    if shown:
        return Names(shown=True)
    called: defaultdict[str, set[str]] = defaultdict(set)
    for person in Person.objects.only("pk", "name", "username", "email", "is_active").iterator():
        by = pseudonym(ledger.person_hash(person))
        for text in (str(person), person.email):
            called[text.strip()].add(by)
    for digest, name in LedgerName.objects.values_list("hash", "name"):
        called[name.strip()].add(pseudonym(digest))
    return Names(shown=False, _by_word=_indexed(called))


def _indexed(called: Mapping[str, Iterable[str]]) -> dict[str, tuple[_Name, ...]]:
    """The longest first: “Ada Berg-Lind” is not “Ada Berg” with something behind it."""
    found: defaultdict[str, list[_Name]] = defaultdict(list)
    for text in sorted(called, key=len, reverse=True):
        words = _WORD.findall(text.casefold())
        if not words or len(text) < _SHORTEST:
            continue
        instead, *others = sorted(called[text])
        pattern = re.compile(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])", re.IGNORECASE)
        found[words[0]].append(_Name(pattern, _UNCLEAR if others else instead))
    return {word: tuple(names) for word, names in found.items()}
