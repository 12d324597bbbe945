"""How an answer is written: JSON in which no text can become anything else."""

from __future__ import annotations

import json

from django.http import HttpResponse
from ninja import Schema

# Names, tags and error messages come from AWS and may be hostile (rule 17). JSON needs no escape
# for these three; a browser that is talked into reading it as HTML does.
_INERT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def text_of(answer: Schema) -> str:
    """ASCII JSON of an answer, times as ISO 8601 in UTC."""
    return json.dumps(answer.model_dump(mode="json"), indent=1).translate(_INERT)


def written(answer: Schema, status: int = 200) -> HttpResponse:
    """An answer as it is sent; no cache may keep it."""
    return sent(text_of(answer), status)


def sent(text: str, status: int) -> HttpResponse:
    """JSON that was written before, as it is sent."""
    return HttpResponse(
        text,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
