"""Settings, tokens: everybody sees, makes and revokes their own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from inventory import clock
from inventory.models import Person, Scope, Token
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import tokens as verbs
from migrations_app.forms.people import TokenForm
from migrations_app.views.answers import done, person_of, rendered

SHOWN = 50
_FRESH = {"scopes": [Scope.READ], "days": 30}


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Own tokens; a POST makes one and shows it, this once."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    if request.method != "POST":
        return _page(request, person, TokenForm(initial=_FRESH))
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, person, form, status=422)
    data = form.cleaned_data
    days = None if Scope.APPROVE in data["scopes"] else data["days"]
    try:
        made, secret = verbs.make(person, data["name"], data["scopes"], days, made_by=person)
    except Refused as refused:
        form.add_error(None, refused.reasons[0])
        return _page(request, person, form, status=refused.status)
    answer = _page(request, person, TokenForm(initial=_FRESH), made=made, secret=secret)
    # Shown once: neither the browser's history nor a proxy may keep it.
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End an own token for good."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    token = get_object_or_404(Token, pk=pk, person=person)
    verbs.revoke(token, person)
    return done(request, reverse("settings-tokens"), f"“{token.name}” is revoked.")


def _page(
    request: HttpRequest,
    person: Person,
    form: TokenForm,
    *,
    made: Token | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    rows = list(Token.objects.filter(person=person)[:SHOWN])
    open_ones = [row for row in rows if row.ended_at is None and row.expires_at > now]
    context = {
        "page": "tokens",
        "form": form,
        "made": made,
        "secret": secret,
        "open": open_ones,
        "ended": [row for row in rows if row not in open_ones],
        "scopes": [(scope, verbs.SCOPE_WORDS[scope]) for scope in verbs.scopes_for(person)],
        "chosen": form["scopes"].value() or [],
    }
    return rendered(request, "migrations_app/settings_tokens.html", context, status=status)
