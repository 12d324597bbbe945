"""The one place every process passes on its way up: web, worker, beat and `manage.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from iamcleanup import play


class WiringConfig(AppConfig):
    """Refuses demo mode on a database the demo did not make (rule 20)."""

    name = "iamcleanup"

    def ready(self) -> None:
        if settings.IAMCLEANUP_DEMO:
            play.refuse(play.database_refusals(settings.DATABASE_URL))
