"""Which columns of the Users page a person does without."""

from __future__ import annotations

from typing import ClassVar

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0024_who_manages_the_organization")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="person",
            name="hidden_columns",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=12), blank=True, default=list, size=None
            ),
        ),
    ]
