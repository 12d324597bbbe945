"""A spreadsheet of owners is kept here between its preview and its end."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("migrations_app", "0007_outbox"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="OwnerImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file_name", models.CharField(max_length=120)),
                ("sha256", models.CharField(max_length=64)),
                ("digest", models.CharField(max_length=64)),
                ("remarks", models.JSONField(default=list)),
                ("matches", models.JSONField(default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("shown", "Shown, not confirmed"),
                            ("running", "Being imported"),
                            ("done", "Imported"),
                        ],
                        default="shown",
                        max_length=10,
                    ),
                ),
                ("shown_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("position", models.PositiveIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("left_out", models.JSONField(default=list)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="owner_imports",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-shown_at"]},
        ),
    ]
