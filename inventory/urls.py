"""Addresses of facts: settings, syncs, the log."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
