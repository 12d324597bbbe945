"""The outbox: each notice goes out by deliveries, and belongs to a thread."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("migrations_app", "0006_campaigns"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.RemoveField(
            model_name="notice",
            name="accepted_at",
        ),
        migrations.RemoveField(
            model_name="notice",
            name="channel",
        ),
        migrations.RemoveField(
            model_name="notice",
            name="status",
        ),
        migrations.AddField(
            model_name="notice",
            name="closes",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="notice",
            name="links",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="notice",
            name="summary",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="notice",
            name="thread",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="notice",
            name="ask",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="migrations_app.ask",
            ),
        ),
        migrations.AddField(
            model_name="notice",
            name="mail_to",
            field=models.EmailField(blank=True, max_length=254),
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("slack", "Slack"),
                            ("jira", "Jira"),
                            ("email", "E-mail"),
                            ("webhook", "Webhook"),
                        ],
                        max_length=10,
                    ),
                ),
                ("address", models.CharField(blank=True, max_length=320)),
                ("key", models.CharField(max_length=64, unique=True)),
                ("thread", models.CharField(blank=True, max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Waits to be sent"),
                            ("accepted", "Accepted by the channel"),
                            ("parked", "Could not be delivered"),
                            ("unset", "Not sent: the channel is not set up"),
                            ("rehearsed", "Shown instead of sent"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("tries", models.PositiveIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("uncertain", models.BooleanField(default=False)),
                ("problem", models.TextField(blank=True)),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("receipt", models.JSONField(blank=True, default=dict)),
                ("rendered", models.TextField(blank=True)),
                (
                    "notice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="migrations_app.notice",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "queued")),
                        fields=["next_try_at"],
                        name="delivery_to_send",
                    ),
                    models.Index(
                        fields=["channel", "address", "thread"], name="delivery_by_thread"
                    ),
                    models.Index(
                        condition=models.Q(("status", "parked")),
                        fields=["-at"],
                        name="delivery_parked",
                    ),
                ],
            },
        ),
    ]
