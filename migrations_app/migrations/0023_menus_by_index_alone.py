"""The menus of the filters count from an index and leave the wide rows alone."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0022_when_hits_were_called")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="listed",
            index=models.Index(
                fields=["state"],
                include=(
                    "last_used_at",
                    "oldest_key_at",
                    "verdict",
                    "protection",
                    "disputed_until",
                ),
                name="listed_of_menus",
            ),
        ),
    ]
