"""How a page answers: whole or in part, and after an action back to a page with a line.

What a verb refuses is answered in one place of its own (`iamcleanup.refused`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string

from inventory.exports import CONTENT_TYPES, Format
from inventory.models import Person
from inventory.refusals import Refused


def person_of(request: HttpRequest) -> Person:
    """Whoever is signed in. Every page asks for sign-in before its view is called."""
    person = request.user
    assert isinstance(person, Person)  # noqa: S101 (the middleware's promise, for the type)
    return person


def rendered(
    request: HttpRequest, template: str, context: dict[str, Any], *, part: str = ""
) -> HttpResponse:
    """The page, or its named partial `part` where htmx asks."""
    fragment = part and request.headers.get("HX-Request") == "true"
    name = f"{template}#{part}" if fragment else template
    return HttpResponse(render_to_string(name, context, request))


def done(request: HttpRequest, to: str, said: str) -> HttpResponse:
    """An action is done: back to the page `to`, which says so."""
    messages.success(request, said)
    return redirect(to)


def cleaned(form: Form) -> dict[str, Any]:
    """What a form holds; Refused with every reason where it does not hold."""
    if not form.is_valid():
        raise Refused.of(str(reason) for rows in form.errors.values() for reason in rows)
    return form.cleaned_data


def download(pieces: Iterator[str], form: Format, name: str) -> StreamingHttpResponse:
    """An export as a file `name` with the ending of its form, sent as it is made."""
    answer = StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer
