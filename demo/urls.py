"""Addresses that exist in demo mode only."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
