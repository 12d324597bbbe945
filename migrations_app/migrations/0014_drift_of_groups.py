"""Groups of Identity Center that are not what they were, and the plans that wait for them."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("migrations_app", "0013_evidence_packs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Drift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=30)),
                ("group_id", models.CharField(max_length=100)),
                ("group_name", models.CharField(blank=True, max_length=1024)),
                ("external_id", models.CharField(blank=True, max_length=200)),
                ("new_group_id", models.CharField(blank=True, max_length=100)),
                ("new_external_id", models.CharField(blank=True, max_length=200)),
                ("happened_at", models.DateTimeField(blank=True, null=True)),
                ("headline", models.CharField(max_length=1200)),
                ("meaning", models.TextField(blank=True)),
                ("felt", models.TextField(blank=True)),
                ("breaks", models.BooleanField(default=True)),
                ("lost", models.JSONField(blank=True, default=list)),
                ("found_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("accepted", models.BooleanField(default=False)),
                ("note", models.TextField(blank=True)),
                (
                    "accepted_by",
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
                "ordering": ["-breaks", "found_at", "pk"],
            },
        ),
        migrations.AddField(
            model_name="plan",
            name="held_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="plans",
                to="migrations_app.drift",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("key",),
                name="one_open_drift_per_key",
            ),
        ),
    ]
