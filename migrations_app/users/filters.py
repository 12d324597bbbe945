"""What the reader of the Users page asked to see: a query string as a value, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from migrations_app.users import facets, posture
from migrations_app.users.paging import FIRST, SORTS, Place

VIEWS = {
    "left": "All left",
    "dormant": "Dormant, 90 days",
    "unused-45": "Unused, 45 days",
    "no-owner": "No owner",
    "admin": "Admin",
    "ready": "Ready to disable",
    "old-keys": "Keys older than 1 year",
    "no-mfa": "No MFA",
    "never-used": "Never used",
    "everything": "Everything",
}
_TYPED = 200
_MOST_VALUES = 50


@dataclass(frozen=True, slots=True)
class Filters:
    """`account` is the one of the switcher, `saved` the number of the saved view begun with."""

    view: str = "left"
    q: str = ""
    account: str = ""
    sort: str = "suggested"
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    place: Place = FIRST
    saved: int | None = None

    @classmethod
    def read(cls, query: QueryDict, account: str = "") -> Filters:
        """Filters from a query string; what is unknown in it is left out, never an error."""
        chosen = {name: values for name in facets.FACETS if (values := _values(query, name))}
        view, known = query.get("view", ""), {*VIEWS, *posture.VIEWS}
        sort, saved = query.get("sort", ""), query.get("saved", "")
        sort = sort if sort in SORTS else "suggested"
        return cls(
            # A state was asked for by name: no view may hide it.
            view=view if view in known else "everything" if "state" in chosen else "left",
            q=_plain(query.get("q", "")),
            account=_plain(query.get("account", account)),
            sort=sort,
            chosen=chosen,
            place=Place.read(query, sort),
            saved=int(saved) if _is_number(saved) else None,
        )

    def query(self, **changed: Any) -> str:
        """The query string of these filters, with `changed` ones; from the first page on."""
        now = replace(self, **{"place": FIRST, **changed})
        pairs = [("view", now.view)]
        pairs += [
            (name, value)
            for name, value, default in (
                ("q", now.q, ""),
                ("account", now.account, ""),
                ("sort", now.sort, "suggested"),
                ("saved", str(now.saved or ""), ""),
            )
            if value != default
        ]
        pairs += [(name, value) for name, values in now.chosen.items() for value in values]
        return urlencode([*pairs, *now.place.pairs()])

    @property
    def here(self) -> str:
        """The query string of exactly this page."""
        return self.query(place=self.place)

    @property
    def kept(self) -> str:
        """What a saved view keeps: neither the account at hand nor the page."""
        return self.query(account="", saved=None)

    def with_only(self, query: str, saved: int | None = None) -> Filters:
        """Filters of a kept query for the account at hand."""
        return replace(Filters.read(QueryDict(query)), account=self.account, saved=saved)

    def without(self, name: str) -> Filters:
        """These filters without a facet."""
        return replace(self, chosen={key: one for key, one in self.chosen.items() if key != name})


def _values(query: QueryDict, name: str) -> tuple[str, ...]:
    found = dict.fromkeys(filter(None, map(_plain, query.getlist(name)[:_MOST_VALUES])))
    return tuple(sorted(found))


def _plain(text: str) -> str:
    """Typed text as the database takes it: no NUL, no blanks around, not endless."""
    return text.replace("\x00", "").strip()[:_TYPED]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
