"""Addresses of facts: the settings."""

from __future__ import annotations

from django.urls import URLPattern, path

from inventory.views import settings

urlpatterns: list[URLPattern] = [
    path("settings/accounts/", settings.accounts, name="settings-accounts"),
    path("settings/accounts/<str:account>/", settings.account, name="settings-account"),
    path(
        "settings/accounts/<str:account>/accept-listing/",
        settings.accept_listing,
        name="settings-accept-listing",
    ),
    path("settings/teams/", settings.teams, name="settings-teams"),
]
