"""The one place every process passes on its way up: web, worker, beat and `manage.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from iamcleanup import play


class WiringConfig(AppConfig):
    """Refuses demo mode on a database the demo did not make (rule 20)."""

    name = "iamcleanup"

    def ready(self) -> None:
        # `@shared_task` finds the application it belongs to only once this is imported.
        from iamcleanup import celery  # noqa: F401, PLC0415

        if settings.IAMCLEANUP_DEMO:
            play.refuse(play.database_refusals(settings.DATABASE_URL))
