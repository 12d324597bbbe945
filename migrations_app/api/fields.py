"""The types of inputs: what a text, an id and a page may be, so that the description says it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

from inventory.refusals import Refused

# PostgreSQL takes no NUL, and a lone surrogate is no text.
_TEXT = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(max_length=200, pattern=_TEXT)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_TEXT)
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_TEXT)]
AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,128}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TeamKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,50}$")]
BatchNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Cursor = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,60}$"),
    Field(description="Where to go on: from next of the page before."),
]
Limit = Annotated[int, Field(ge=1, le=200, description="How many at most.")]


class Asked(Schema):
    """A request body: what it does not know is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class Page(Schema):
    """A part of a list. `next` is the address of the next part, null at the end."""

    next: str | None


def place_of(cursor: str) -> int:
    """The row number inside a cursor, 0 for none; Refused for one that is not ours."""
    if not cursor:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        number = int(base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        number = 0
    if not 0 < number < 2**63:
        raise Refused("This cursor is not one of ours. Begin without one.", rule="input")
    return number


def next_address(request: HttpRequest, place: int | None) -> str | None:
    """The address of the next part, which begins after the row `place`; None where none is."""
    if place is None:
        return None
    query = request.GET.copy()
    query["cursor"] = base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")
    return f"{request.path}?{query.urlencode()}"


def blockers_of(found: Any) -> list[dict[str, str]]:
    """Blockers as an answer tells them; `found` are rows or values with code, text and fix."""
    return [
        {"code": one["code"], "text": one["text"], "fix": one.get("fix", "")}
        if isinstance(one, Mapping)
        else {"code": one.code, "text": one.text, "fix": one.fix}
        for one in found
    ]
