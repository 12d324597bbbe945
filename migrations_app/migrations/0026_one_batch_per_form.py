"""A form that is sent twice makes one batch."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("migrations_app", "0025_orders_by_index_alone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="batch",
            name="form",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("form", ""), _negated=True),
                fields=("composed_by", "form"),
                name="one_batch_per_form",
            ),
        ),
    ]
