"""What the shell counts, and what the log shows page by page, is found by an index."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0017_changes_that_ended")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                fields=["account", "status"],
                name="batch_open",
                condition=Q(status__in=["draft", "asked", "approved", "running", "paused"]),
            ),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["-approved_at"], name="batch_approved"),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                fields=["-finished_at", "-id"],
                name="change_deletions",
                condition=Q(move="delete", status="done"),
            ),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(
                fields=["-requested_at"], name="change_restores", condition=Q(move="restore")
            ),
        ),
        migrations.AddIndex(
            model_name="departure",
            index=models.Index(
                fields=["-deleted_at"],
                name="departure_gone_outside",
                condition=Q(deleted_outside=True),
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["-at"], name="notice_by_time"),
        ),
    ]
