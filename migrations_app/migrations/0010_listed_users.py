"""One narrow row beside each departure holds what the Users page filters, counts and sorts by."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0015_policy_texts"),
        ("migrations_app", "0009_plans"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Listed",
            fields=[
                (
                    "departure",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="listed",
                        serialize=False,
                        to="migrations_app.departure",
                    ),
                ),
                ("user_name", models.CharField(max_length=64)),
                ("state", models.CharField(max_length=16)),
                ("protection", models.CharField(max_length=12)),
                ("category", models.CharField(max_length=20)),
                ("verdict", models.CharField(max_length=12)),
                ("privilege", models.CharField(max_length=20)),
                ("mfa", models.CharField(max_length=3)),
                ("target", models.CharField(max_length=20)),
                ("reads", models.CharField(max_length=12)),
                ("named", models.CharField(max_length=8)),
                ("urgency", models.PositiveSmallIntegerField()),
                ("last_used_at", models.DateTimeField()),
                ("oldest_key_at", models.DateTimeField()),
                ("unused_since", models.DateTimeField()),
                ("active_keys", models.PositiveSmallIntegerField()),
                ("disputed_until", models.DateField(null=True)),
                ("ready", models.BooleanField()),
                ("direct_policies", models.BooleanField()),
                ("gone", models.BooleanField()),
                ("words", models.TextField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="inventory.account",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="inventory.team",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "listed",
                "indexes": [
                    models.Index(
                        fields=["urgency", "user_name", "departure"], name="listed_suggested"
                    ),
                    models.Index(fields=["user_name", "departure"], name="listed_by_name"),
                    models.Index(fields=["-last_used_at", "-departure"], name="listed_by_last_use"),
                    models.Index(
                        fields=["oldest_key_at", "departure"], name="listed_by_oldest_key"
                    ),
                    models.Index(fields=["account", "state"], name="listed_by_account"),
                    models.Index(fields=["state", "verdict"], name="listed_by_state"),
                    models.Index(fields=["owner", "state"], name="listed_by_owner"),
                    models.Index(fields=["category", "state"], name="listed_by_category"),
                    models.Index(fields=["privilege", "state"], name="listed_by_privilege"),
                    models.Index(fields=["mfa", "state"], name="listed_by_mfa"),
                    models.Index(
                        condition=models.Q(("gone", False)),
                        fields=["unused_since"],
                        name="listed_by_unused_since",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["discovered", "owner-assigned"])),
                        fields=["oldest_key_at"],
                        name="listed_keys_with_access",
                    ),
                    models.Index(fields=["target", "state"], name="listed_by_target"),
                    models.Index(fields=["reads", "state"], name="listed_by_reads"),
                    models.Index(fields=["named", "state"], name="listed_by_named"),
                    models.Index(
                        condition=models.Q(("protection", ""), _negated=True),
                        fields=["protection"],
                        name="listed_protected",
                    ),
                    models.Index(
                        condition=models.Q(("active_keys__gt", 1)),
                        fields=["active_keys"],
                        name="listed_two_keys",
                    ),
                    models.Index(
                        condition=models.Q(("direct_policies", True)),
                        fields=["state"],
                        name="listed_direct_policies",
                    ),
                    models.Index(
                        condition=models.Q(("disputed_until__isnull", False)),
                        fields=["disputed_until"],
                        name="listed_disputed",
                    ),
                    models.Index(
                        condition=models.Q(("ready", True)),
                        fields=["disputed_until"],
                        name="listed_ready",
                    ),
                ],
            },
        ),
    ]
