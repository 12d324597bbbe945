"""Activity keeps which resources its events named."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0016_identity_center_looks"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="activity",
            name="resources",
            field=models.JSONField(blank=True, null=True),
        ),
    ]
