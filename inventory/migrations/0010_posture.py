"""How each account met CIS AWS Foundations, day by day and when it was first read whole."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0009_what_changed")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="PostureDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("first", models.BooleanField(default=False)),
                ("at", models.DateTimeField()),
                ("benchmark", models.CharField(max_length=60)),
                ("items", models.JSONField(default=list)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="posture",
                        to="inventory.account",
                    ),
                ),
            ],
            options={
                "ordering": ["-day"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("first", False)),
                        fields=("account", "day"),
                        name="posture_once_a_day",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("first", True)),
                        fields=("account",),
                        name="posture_begins_once",
                    ),
                ],
            },
        ),
    ]
