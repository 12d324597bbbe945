"""Addresses that exist in demo mode only."""

from __future__ import annotations

from django.urls import URLPattern, path

from demo import views

app_name = "demo"

urlpatterns: list[URLPattern] = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("stack/", views.stack, name="stack"),
    path("skip/", views.skip, name="skip"),
    path("group/", views.group, name="group"),
]
