"""Wiring only: settings, Celery, URLs, health. No app imports anything from here."""

from iamcleanup.celery import app as celery_app

__all__ = ["celery_app"]
