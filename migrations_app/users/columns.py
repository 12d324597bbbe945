"""The columns of the Users page, and which of them a person does without.

A choice is kept with the person. Files keep every column: what reads them counts on it.
"""

from __future__ import annotations

from collections.abc import Collection

from inventory.models import Person
from inventory.permissions import Action, require

# The user itself always stands first.
COLUMNS = {
    "state": "State",
    "owner": "Owner",
    "last-used": "Last used",
    "weeks": "13 weeks",
    "oldest-key": "Oldest key",
    "mfa": "MFA",
    "privilege": "Privilege",
    "verdict": "Verdict",
}


def offered(person: Person) -> list[tuple[str, str, bool]]:
    """Every column with its title, and whether this person sees it."""
    return [(key, title, key not in person.hidden_columns) for key, title in COLUMNS.items()]


def hidden(person: Person) -> list[str]:
    """The columns that this person does without, in the order of the table."""
    return [key for key in COLUMNS if key in person.hidden_columns]


def show_only(person: Person, wanted: Collection[str]) -> None:
    """From now on this person sees the `wanted` columns; what is no column is left out."""
    require(person, Action.OWN_CHOICES)
    person.hidden_columns = [key for key in COLUMNS if key not in wanted]
    person.save(update_fields=["hidden_columns"])
