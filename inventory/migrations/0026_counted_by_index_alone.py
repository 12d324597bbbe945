"""Users are counted, and marked ones found, without reading rows as wide as theirs."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("inventory", "0025_columns_that_people_hide"),
    ]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="iamuser",
            index=models.Index(
                fields=["id"], include=("suggested_team",), name="iam_user_suggested"
            ),
        ),
        migrations.AddIndex(
            model_name="iamuser",
            index=models.Index(
                condition=models.Q(("gone_at", None)), fields=["account"], name="iam_user_present"
            ),
        ),
        migrations.AddIndex(
            model_name="iamuser",
            index=models.Index(
                condition=models.Q(
                    ("path__startswith", "/breakglass/"),
                    ("tags__iam-retire", "never"),
                    _connector="OR",
                ),
                fields=["id"],
                name="iam_user_break_glass",
            ),
        ),
    ]
