"""The one place every process passes on its way up: web, worker, beat and `manage.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created

from iamcleanup import connections, play


class WiringConfig(AppConfig):
    """Refuses demo mode on a database the demo did not make (rule 20); listens to sign-ins."""

    name = "iamcleanup"

    def ready(self) -> None:
        # `@shared_task` finds the application it belongs to only once this is imported.
        from iamcleanup import celery  # noqa: F401, PLC0415

        connection_created.connect(connections.forgive_forgotten_cursors)
        _listen_to_sign_ins()
        if settings.IAMCLEANUP_DEMO:
            play.refuse(play.database_refusals(settings.DATABASE_URL))


def _listen_to_sign_ins() -> None:
    # Models are there only now.
    from allauth.mfa.signals import authenticator_added  # noqa: PLC0415
    from django.contrib.auth.signals import user_logged_in  # noqa: PLC0415

    from iamcleanup import second_factor, sign_in  # noqa: PLC0415

    # In the place of Django's own, which knows real time only, whichever of the two comes first.
    user_logged_in.disconnect(dispatch_uid="update_last_login")
    user_logged_in.connect(sign_in.note_last_sign_in, dispatch_uid="update_last_login")
    user_logged_in.connect(second_factor.note_sign_in)
    authenticator_added.connect(second_factor.note_set_up)
