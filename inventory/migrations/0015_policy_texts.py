"""The documents of policies that users share, so that a plan knows every statement."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0014_mail_choice"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="PolicyText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("arn", models.CharField(blank=True, max_length=2048)),
                ("group", models.CharField(blank=True, max_length=128)),
                ("name", models.CharField(max_length=128)),
                ("document", models.JSONField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy_texts",
                        to="inventory.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "arn", "group", "name"),
                        name="policy_text_once_per_account",
                    )
                ],
            },
        ),
    ]
