"""What Identity Center held at one time, so that what changed between two looks can be told."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0015_policy_texts"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="CenterLook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("region", models.CharField(max_length=30)),
                ("asked_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("reading", "Being read"),
                            ("whole", "Read whole"),
                            ("failed", "Failed"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("claims", models.PositiveSmallIntegerField(default=0)),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                ("held", models.BooleanField(default=False)),
                ("instance_arn", models.CharField(blank=True, max_length=1224)),
                ("identity_store_id", models.CharField(blank=True, max_length=100)),
                ("people", models.JSONField(default=list)),
                ("groups", models.JSONField(default=list)),
                ("permission_sets", models.JSONField(default=list)),
                ("assignments", models.JSONField(default=list)),
                ("policies", models.JSONField(default=dict)),
                ("state", models.JSONField(blank=True, default=dict)),
                ("changed", models.JSONField(blank=True, default=list)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="center_looks",
                        to="inventory.account",
                    ),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-asked_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["asked", "reading"])),
                        fields=("account",),
                        name="one_open_center_look",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("held", True)),
                        fields=("account",),
                        name="one_held_center_look",
                    ),
                ],
            },
        ),
    ]
