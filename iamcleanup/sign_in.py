"""How people come in: local accounts without sign-up, and what a lost session answers."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import urlencode
from django_htmx.middleware import HtmxDetails


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


class SignedInMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless its view says otherwise."""

    def handle_no_permission(  # type: ignore[override]  # any response will do
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        """Send a browser to sign-in and back; htmx follows redirects by itself, so it is told to.

        A fragment request comes back to the page it was on, not to the fragment.
        """
        if request.headers.get("HX-Request") != "true":
            return super().handle_no_permission(request, view_func)
        page = HtmxDetails(request).current_url_abs_path or "/"
        answer = HttpResponse(status=401)
        answer["HX-Redirect"] = f"{resolve_url('account_login')}?{urlencode({'next': page})}"
        return answer
