"""How a page answers an action: back to a page with a line, or a fragment with a toast.

What a verb refuses is answered in one place of its own (`iamcleanup.refused`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django_htmx.http import trigger_client_event

from inventory.models import Person
from inventory.refusals import Refused


def person_of(request: HttpRequest) -> Person:
    """Whoever is signed in. Every page asks for sign-in before its view is called."""
    person = request.user
    assert isinstance(person, Person)  # noqa: S101 (the middleware's promise, for the type)
    return person.remembering()


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def really_opened(request: HttpRequest) -> bool:
    """A person looks at it: no HEAD, and no browser that fetches it only in case."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return request.method != "HEAD" and "prefetch" not in purpose


def rendered(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    part: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page, or its named partial `part` where htmx asks."""
    name = f"{template}#{part}" if part and is_fragment(request) else template
    return HttpResponse(render_to_string(name, context, request), status=status)


def done(
    request: HttpRequest, to: str, said: str, fragment: Callable[[], HttpResponse] | None = None
) -> HttpResponse:
    """An action is done and `said` says so: a redirect `to` a page, or `fragment` with a toast."""
    if fragment is not None and is_fragment(request):
        answer = fragment()
        if said:
            trigger_client_event(answer, "toast", {"text": said, "kind": "done"})
        return answer
    if said:
        messages.success(request, said)
    return redirect(to)


def cleaned(form: Form) -> dict[str, Any]:
    """What a form holds; Refused with every reason where it does not hold."""
    if not form.is_valid():
        reasons = [str(reason) for rows in form.errors.values() for reason in rows]
        raise Refused(*reasons)
    return form.cleaned_data
