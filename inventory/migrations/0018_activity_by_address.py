"""Who called from an address is found without reading all calls."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0017_resources_of_calls")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("source_address", ""), _negated=True),
                fields=["source_address"],
                name="activity_by_address",
            ),
        ),
    ]
