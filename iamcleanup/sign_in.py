"""How people come in: local accounts without sign-up, and what a lost session answers."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.middleware import HtmxDetails

from iamcleanup import second_factor
from iamcleanup.error_pages import came_from
from inventory import clock
from inventory.models import Person

# The sign-in page then says that what was sent was not saved.
UNSAVED = "unsaved"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """People are declared in the organization file; nobody signs up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This account is switched off. Ask Security.",
        "email_password_mismatch": "E-mail or password is wrong.",
        "username_password_mismatch": "E-mail or password is wrong.",
        "too_many_login_attempts": "Too many tries. Wait 5 minutes.",
        "rate_limited": "Too many tries. Wait 5 minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Not of who has just given the password and now sets up the second factor."""
        return not second_factor.is_being_set_up(self.request)


class SignedInMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless its view says otherwise."""

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Also sends who came by password alone to set up the second factor first."""
        answer = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is not None or not request.user.is_authenticated:
            return answer
        match = request.resolver_match
        here = match is not None and match.url_name in second_factor.PAGES
        if here or not second_factor.is_missing(request):
            return None
        second_factor.remember(request)
        return self._elsewhere(request, resolve_url("mfa_activate_totp"))

    def handle_no_permission(  # type: ignore[override]  # any response will do
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        """Send a browser to sign-in and back; htmx follows redirects by itself, so it is told to.

        A fragment request comes back to the page it was on, not to the fragment; what was sent, to
        the page with its button, which then says that nothing was saved.
        """
        sent = request.method == "POST"
        fragment = request.headers.get("HX-Request") == "true"
        if not sent and not fragment:
            return super().handle_no_permission(request, view_func)
        page = HtmxDetails(request).current_url_abs_path if fragment else came_from(request)
        query = ({UNSAVED: "1"} if sent else {}) | {"next": page or "/"}
        return self._elsewhere(request, f"{resolve_url('account_login')}?{urlencode(query)}")

    def _elsewhere(self, request: HttpRequest, to: str) -> HttpResponse:
        if request.headers.get("HX-Request") != "true":
            return redirect(to)
        answer = HttpResponse(status=401)
        answer["HX-Redirect"] = to
        return answer


def wanted_page(request: HttpRequest, told: str | None) -> str:
    """Where a link pointed, if that is a page of ours; else the overview."""
    ours = url_has_allowed_host_and_scheme(told, {request.get_host()}, request.is_secure())
    return told if told and ours else settings.LOGIN_REDIRECT_URL


def note_last_sign_in(user: Person, **_: Any) -> None:
    """By the product's clock, which Django's own receiver does not know."""
    user.last_login = clock.now()
    user.save(update_fields=["last_login"])
