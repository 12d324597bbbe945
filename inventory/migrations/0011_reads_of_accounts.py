"""When the users of an account were read is noted once for all of them, not beside each."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0010_posture")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="iamuser",
            name="missing_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="ReadPass",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("listing", "Listing"),
                            ("details", "Policies and groups"),
                            ("credentials", "Credentials"),
                            ("report", "Credential report"),
                        ],
                        max_length=20,
                    ),
                ),
                ("marks", models.JSONField(blank=True, default=list)),
                ("earlier", models.JSONField(blank=True, default=list)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="read_passes",
                        to="inventory.account",
                    ),
                ),
                (
                    "sync",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="inventory.sync",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "read passes",
                "constraints": [
                    models.UniqueConstraint(fields=("account", "part"), name="read_pass_once")
                ],
            },
        ),
    ]
