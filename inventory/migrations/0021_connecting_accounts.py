"""Accounts connected in the browser, and tests of what an account's roles may do."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _asked_by() -> models.ForeignKey:  # type: ignore[type-arg]  # not generic at run time
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def _id() -> models.BigAutoField:  # type: ignore[type-arg]  # not generic at run time
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0020_sign_in_by_issuer")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Connection",
            fields=[
                ("id", _id()),
                ("account_id", models.CharField(max_length=12, unique=True)),
                ("name", models.CharField(max_length=100)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                ("regions", models.JSONField(blank=True, default=list)),
                ("reader_role", models.CharField(max_length=200)),
                ("actor_role", models.CharField(blank=True, max_length=200)),
                ("deleter_role", models.CharField(blank=True, max_length=200)),
                ("external_id", models.CharField(max_length=64)),
                ("asked_at", models.DateTimeField()),
                ("connected_at", models.DateTimeField(blank=True, null=True)),
                ("asked_by", _asked_by()),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="AccessTest",
            fields=[
                ("id", _id()),
                ("account_id", models.CharField(max_length=12)),
                ("roles", models.JSONField(default=dict)),
                ("external_id", models.CharField(blank=True, max_length=1224)),
                ("regions", models.JSONField(blank=True, default=list)),
                ("asked_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("queued", "Queued"), ("running", "Running"), ("done", "Done")],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("checks", models.JSONField(default=list)),
                ("asked_by", _asked_by()),
            ],
            options={
                "ordering": ["-asked_at", "-pk"],
                "indexes": [
                    models.Index(fields=["account_id", "-asked_at"], name="access_test_by_account")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["queued", "running"])),
                        fields=("account_id",),
                        name="one_open_access_test_per_account",
                    )
                ],
            },
        ),
    ]
