"""An account that manages its organization is known as such: no policy of it acts there."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0023_observations_counted")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="account",
            name="manages_organization",
            field=models.BooleanField(default=False),
        ),
    ]
