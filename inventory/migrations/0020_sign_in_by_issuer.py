"""People come in by an OpenID issuer, which is remembered; its groups give roles too."""

from __future__ import annotations

from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0019_latest_of_accounts"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="person",
            name="declared",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="person",
            name="granted_roles",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=10), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="person",
            name="granted_teams",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.SlugField(), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="person",
            name="groups",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=255), blank=True, default=list, size=None
            ),
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=500)),
                ("subject", models.CharField(max_length=255)),
                ("email", models.EmailField(max_length=254)),
                ("joined_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="identity_once"),
                    models.UniqueConstraint(
                        fields=("person", "issuer"), name="identity_one_per_issuer"
                    ),
                ],
            },
        ),
    ]
