"""What was done lately is found by an index."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0016_headcounts")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["status", "finished_at"], name="change_ended"),
        ),
    ]
