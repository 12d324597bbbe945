"""The pages on which people come in: the sign-in page, and the way to the issuer and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import structlog
from allauth.account import views as account
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.decorators import rate_limit
from allauth.mfa.base import views as mfa
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from iamcleanup import openid, second_factor
from iamcleanup.sign_in import UNSAVED, wanted_page
from inventory.models import Account
from inventory.refusals import NotAllowed, Refused
from migrations_app import sign_ins

log = structlog.get_logger(__name__)
# Attempts by state in the session: as many as a person may have open in windows at once.
ATTEMPTS = "openid_attempts"
KEPT = 5
# Seconds until an attempt is too old: time to find the phone with the second factor.
HOLDS = 600


class SignIn(account.LoginView):  # type: ignore[misc]  # allauth has no types
    """The sign-in page; a POST is a local sign-in."""

    refusal: Iterable[str] = ()
    onward = ""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Sign in with a local account, where those are not switched off."""
        if not settings.IAMCLEANUP_LOCAL_SIGN_IN:
            raise NotAllowed(f"Local accounts are switched off. Use {settings.OIDC_NAME}.")
        answer: HttpResponseBase = super().post(request, *args, **kwargs)
        return answer

    def form_invalid(self, form: Any) -> HttpResponseBase:
        """The form again with what is wrong, as every other form answers (422)."""
        answer: HttpResponseBase = super().form_invalid(form)
        answer.status_code = 422
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Which ways in there are, what refused the last one, and whether a session just ended."""
        sent = settings.SESSION_COOKIE_NAME in self.request.COOKIES
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {
            "issuer": openid.configured(),
            "local": settings.IAMCLEANUP_LOCAL_SIGN_IN,
            "refusal": self.refusal,
            "next": self.onward or self.request.GET.get("next", ""),
            "synced_at": Account.objects.aggregate(last=Max("last_whole_at"))["last"],
            "version": settings.VERSION,
            "ended": sent and self.request.session.is_empty() and "next" in self.request.GET,
            "unsaved": UNSAVED in self.request.GET,
        }


sign_in = SignIn.as_view()


def change_password(request: HttpRequest) -> HttpResponseBase:
    """A local account's own; whoever the issuer vouches for has no password here."""
    if request.user.is_authenticated and not request.user.has_usable_password():
        raise Refused("You have no password here. Change it where you sign in.")
    answer: HttpResponseBase = account.password_change(request)
    return answer


def confirm(request: HttpRequest) -> HttpResponseBase:
    """Is it still you? By the password, or else by the second factor."""
    return _confirmed(request, account.reauthenticate)


def confirm_by_code(request: HttpRequest) -> HttpResponseBase:
    """Is it still you? By the second factor."""
    return _confirmed(request, mfa.reauthenticate)


def _confirmed(request: HttpRequest, page: Callable[..., HttpResponseBase]) -> HttpResponseBase:
    """The page that asks; whoever has nothing here to confirm it with is told so."""
    if request.user.is_authenticated and not get_reauthentication_flows(request.user):
        raise Refused(
            "You have no password here, so there is nothing to confirm with. You are signed in "
            f"as {request.user}: go back and go on. If that is not you, sign out."
        )
    return page(request)


@login_not_required
@require_POST
@rate_limit(action="login")  # type: ignore[untyped-decorator]  # allauth has no types
@never_cache
def to_issuer(request: HttpRequest) -> HttpResponse:
    """On to the issuer, by a page that leads there.

    Not by a redirect: the content policy lets forms go to ourselves only, and Chromium holds the
    whole chain of redirects after a form to that. Naming the issuer there would not do, as it may
    send people on to hosts that nobody here knows.
    """
    issuer = _issuer()
    onward = wanted_page(request, request.POST.get("next"))
    attempt = openid.Attempt.new()
    try:
        url = openid.authorize_url(issuer, attempt, _back_to(request))
    except Refused as refused:
        return _refused(request, refused, onward)
    attempts = request.session.get(ATTEMPTS, {})
    newest = sorted(attempts.items(), key=lambda item: item[1]["at"])[-(KEPT - 1) :]
    request.session[ATTEMPTS] = dict(newest) | {
        attempt.state: asdict(attempt) | {"at": time.time(), "next": onward}
    }
    return render(request, "account/to_issuer.html", {"url": url, "issuer": issuer})


@login_not_required
@require_GET
@rate_limit(action="login")  # type: ignore[untyped-decorator]  # allauth has no types
@never_cache
def from_issuer(request: HttpRequest) -> HttpResponse:
    """Back from the issuer: who it vouches for comes in, and goes where the link pointed."""
    issuer = _issuer()
    onward = ""
    try:
        kept = _attempt(request)
        onward = kept["next"]
        attempt = openid.Attempt(kept["state"], kept["nonce"], kept["verifier"])
        told = openid.vouched(issuer, attempt, request.GET.dict(), _back_to(request))
        person = sign_ins.admit(told)
    except Refused as refused:
        return _refused(request, refused, onward)
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    # The issuer's own second factor counts, whatever this browser had begun before.
    second_factor.is_theirs(request)
    return redirect(wanted_page(request, onward))


def _issuer() -> openid.Issuer:
    issuer = openid.configured()
    if issuer is None:
        raise Http404("No such page: sign-in by OpenID Connect is not set up.")
    return issuer


def _back_to(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("sign-in-from-issuer"))


def _attempt(request: HttpRequest) -> dict[str, Any]:
    """What this browser asked with; it counts once."""
    attempts = request.session.get(ATTEMPTS, {})
    kept: dict[str, Any] | None = attempts.pop(request.GET.get("state", ""), None)
    if kept is None or time.time() - kept["at"] > HOLDS:
        raise NotAllowed(
            "This sign-in is older than ten minutes, was used already or began in another browser. "
            "Start again here."
        )
    request.session[ATTEMPTS] = attempts
    return kept


def _refused(request: HttpRequest, refused: Refused, onward: str) -> HttpResponse:
    """The sign-in page, which says why and still leads `onward`."""
    log.warning(
        "sign_in_refused", rule=refused.rule, why=getattr(refused, "why", ""), status=refused.status
    )
    if request.user.is_authenticated:
        raise refused
    request.method = "GET"
    answer: HttpResponse = SignIn.as_view(refusal=refused.reasons, onward=onward)(request)
    answer.status_code = refused.status
    return answer
