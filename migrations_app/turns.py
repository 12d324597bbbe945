"""What one person sends twice: by a double click, after Back, or a browser whose answer was lost.

What has a key of its own (a name, a state, one that is open) is there once by that. Of what has
none, the second is compared with what the first left, and both take turns for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection

from inventory import clock
from inventory.models import Person
from migrations_app.models import Comment, PlanComment

# Who says the same so soon, and nobody said anything in between, sent it again.
AGAIN = timedelta(minutes=10)
_LOCK = 0x7C1CE


def take(person: Person) -> None:
    """Wait for what else this person asks for; the others wait until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, person.pk % 2**31])


def is_again(last: Comment | PlanComment, told: Mapping[str, Any]) -> bool:
    """Whether the last comment says just what is `told`, and was said a moment ago."""
    same = all(getattr(last, name) == value for name, value in told.items())
    return same and last.at > clock.now() - AGAIN
