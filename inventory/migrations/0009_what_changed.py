"""What changed in AWS between two syncs, and what was known at the last of them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0008_report_beside_live"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastKnown",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("parts", models.JSONField(default=dict)),
                ("unread", models.JSONField(blank=True, default=dict)),
                ("looked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="last_known",
                        to="inventory.account",
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="last_known",
                        to="inventory.iamuser",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "last known",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("user", None)),
                        fields=("account",),
                        name="last_known_once_per_account",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Observation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("params", models.JSONField(blank=True, default=dict)),
                ("key", models.CharField(max_length=64)),
                ("since_at", models.DateTimeField(blank=True, null=True)),
                ("seen_at", models.DateTimeField()),
                ("aws_at", models.DateTimeField(blank=True, null=True)),
                ("explained", models.CharField(blank=True, max_length=60)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="inventory.account",
                    ),
                ),
                (
                    "sync",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="inventory.sync",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="inventory.iamuser",
                    ),
                ),
            ],
            options={
                "ordering": ["-seen_at", "-pk"],
                "indexes": [
                    models.Index(fields=["account", "-seen_at"], name="observation_of_account"),
                    models.Index(fields=["user", "-seen_at"], name="observation_of_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sync", "key"), name="observation_once_per_sync"
                    )
                ],
            },
        ),
    ]
