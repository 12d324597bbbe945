"""Every address of the product. Pages live in the apps; this page joins them."""

from __future__ import annotations

from allauth.account import views as account
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from iamcleanup import health, sign_in_pages

handler400 = "iamcleanup.error_pages.unreadable"
handler404 = "iamcleanup.error_pages.missing"
handler500 = "iamcleanup.error_pages.broken"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("sign-in/", sign_in_pages.sign_in, name="account_login"),
    path("sign-in/openid/", sign_in_pages.to_issuer, name="sign-in-to-issuer"),
    path("sign-in/openid/back/", sign_in_pages.from_issuer, name="sign-in-from-issuer"),
    path("sign-out/", account.logout, name="account_logout"),
    path("sign-in/inactive/", account.account_inactive, name="account_inactive"),
    path("sign-in/again/", sign_in_pages.confirm, name="account_reauthenticate"),
    path(
        "sign-in/second-factor/reauthenticate/",
        sign_in_pages.confirm_by_code,
        name="mfa_reauthenticate",
    ),
    path("sign-in/second-factor/", include("allauth.mfa.urls")),
    path("account/password/", sign_in_pages.change_password, name="account_change_password"),
    path("", include("inventory.urls")),
    path("", include("migrations_app.urls")),
]

if settings.IAMCLEANUP_DEMO:
    urlpatterns.append(path("demo/", include("demo.urls")))
