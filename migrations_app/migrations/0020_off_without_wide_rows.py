"""Who is off, and what called them, is found by indexes that hold nobody else."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0019_days_of_all_accounts")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="departure",
            index=models.Index(
                fields=["owner", "id"],
                include=[
                    "state",
                    "clock_started_at",
                    "watch",
                    "soak",
                    "lengthened_by",
                    "not_before",
                    "disputed_until",
                    "irreversible_at",
                ],
                condition=Q(state__in=["disabled", "soaking"]),
                name="departure_off",
            ),
        ),
        migrations.AddIndex(
            model_name="listed",
            index=models.Index(
                fields=["account", "departure"],
                condition=Q(state__in=["disabled", "protected", "soaking"]),
                name="listed_off",
            ),
        ),
        migrations.AddIndex(
            model_name="hit",
            index=models.Index(
                fields=["-last_at", "departure"],
                condition=Q(kind="hit", closed=""),
                name="hit_open_latest",
            ),
        ),
        migrations.AddIndex(
            model_name="hit",
            index=models.Index(fields=["departure"], condition=Q(kind="knock"), name="hit_knocks"),
        ),
    ]
