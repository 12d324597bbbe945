"""Each person chooses which messages come by e-mail too."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0013_tokens_belong_to_people"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="person",
            name="mail",
            field=models.CharField(
                choices=[
                    ("all", "Everything"),
                    ("needed", "Only what needs me"),
                    ("none", "Nothing"),
                ],
                default="all",
                max_length=6,
            ),
        ),
    ]
