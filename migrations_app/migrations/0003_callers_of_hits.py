"""Each caller of a hit is a row of its own, and a clock knows by what it was lengthened."""

import datetime
from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("migrations_app", "0002_state_moves_only_along_the_table"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="departure",
            name="lengthened_by",
            field=models.DurationField(default=datetime.timedelta),
        ),
        migrations.CreateModel(
            name="HitCaller",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("caller", models.CharField(max_length=64)),
                ("source", models.CharField(max_length=12)),
                ("what", models.CharField(max_length=200)),
                ("key", models.CharField(blank=True, max_length=128)),
                ("details", models.JSONField(blank=True, default=dict)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=1)),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
                (
                    "hit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="callers",
                        to="migrations_app.hit",
                    ),
                ),
            ],
            options={
                "ordering": ["-last_at"],
                "constraints": [
                    models.UniqueConstraint(fields=("hit", "caller"), name="caller_once_per_hit")
                ],
            },
        ),
    ]
