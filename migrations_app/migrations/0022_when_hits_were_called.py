"""How often a hit was called, by minute, hour and day."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0021_a_week_by_index_alone")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="hit",
            name="tally",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
