"""What pages of claims and channels count and look for, found by indexes of their own."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0026_counted_by_index_alone"),
        ("migrations_app", "0026_one_batch_per_form"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.AlterField(
            model_name="givenanswer",
            name="team",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="inventory.team",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["channel", "-id"], name="delivery_latest"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("problem", ""), _negated=True),
                fields=["channel", "-id"],
                name="delivery_problems",
            ),
        ),
        migrations.AddIndex(
            model_name="departure",
            index=models.Index(
                condition=models.Q(
                    ("claim_pending_team", None), ("protection", ""), ("state", "discovered")
                ),
                fields=["user"],
                name="departure_nobodys",
            ),
        ),
        migrations.AddIndex(
            model_name="givenanswer",
            index=models.Index(fields=["team", "at"], name="answers_of_team"),
        ),
    ]
