"""What of event history could not be read is kept, and how often listening broke off."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0011_reads_of_accounts"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="account",
            name="listening_error",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="account",
            name="listening_failures",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="TrailGap",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("region", models.CharField(max_length=30)),
                ("from_at", models.DateTimeField()),
                ("until_at", models.DateTimeField()),
                ("read_from", models.DateTimeField()),
                ("why", models.TextField()),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("tried_at", models.DateTimeField(blank=True, null=True)),
                ("lost_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trail_gaps",
                        to="inventory.iamuser",
                    ),
                ),
            ],
            options={
                "ordering": ["from_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "region", "until_at"), name="trail_gap_once_per_end"
                    )
                ],
            },
        ),
    ]
