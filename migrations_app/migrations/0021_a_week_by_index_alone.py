"""What was done in a week, and in which account, is counted from indexes alone."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0020_off_without_wide_rows")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                fields=["status", "finished_at"],
                include=["move", "departure"],
                name="change_done_when",
            ),
        ),
        migrations.RemoveIndex(model_name="change", name="change_ended"),
        migrations.AddIndex(
            model_name="listed",
            index=models.Index(
                fields=["account", "state"], include=["departure"], name="listed_of_account"
            ),
        ),
        migrations.RemoveIndex(model_name="listed", name="listed_by_account"),
    ]
