"""How many users stand where is counted once and kept, and so is each day that is over."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

_ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0015_policy_texts"),
        ("migrations_app", "0015_what_stays"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="HeadCount",
            fields=[
                ("id", _ID),
                ("at", models.DateTimeField()),
                ("entry", models.BigIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("first", models.JSONField(default=dict)),
                ("first_on", models.DateField(blank=True, null=True)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="headcount",
                        to="inventory.account",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DayCount",
            fields=[
                ("id", _ID.clone()),
                ("day", models.DateField()),
                ("left", models.PositiveIntegerField()),
                ("with_access", models.PositiveIntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="day_counts",
                        to="inventory.account",
                    ),
                ),
            ],
            options={
                "ordering": ["day"],
                "constraints": [
                    models.UniqueConstraint(fields=["account", "day"], name="day_counted_once")
                ],
            },
        ),
    ]
