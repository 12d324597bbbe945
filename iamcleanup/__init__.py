"""Wiring only: settings, Celery, URLs, health. No app imports anything from here."""
