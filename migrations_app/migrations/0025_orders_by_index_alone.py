"""By last use or oldest key, whom a view looks for may stand behind everybody else."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0024_comments_of_plans")]

    operations: ClassVar = [
        migrations.RemoveIndex(model_name="listed", name="listed_by_last_use"),
        migrations.RemoveIndex(model_name="listed", name="listed_by_oldest_key"),
        migrations.AddIndex(
            model_name="listed",
            index=models.Index(
                fields=["-last_used_at", "-departure"],
                include=("state", "verdict"),
                name="listed_by_last_use",
            ),
        ),
        migrations.AddIndex(
            model_name="listed",
            index=models.Index(
                fields=["oldest_key_at", "departure"],
                include=("state", "verdict"),
                name="listed_by_oldest_key",
            ),
        ),
    ]
