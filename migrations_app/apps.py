"""The app that does: it takes IAM users through their lifecycle."""

from django.apps import AppConfig


class MigrationsAppConfig(AppConfig):
    name = "migrations_app"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "IAM user departures"

    def ready(self) -> None:
        from migrations_app import after_sync  # noqa: PLC0415

        after_sync.connect()
