"""What the log, the alerts and a name typed anywhere look for is found by an index."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0021_connecting_accounts")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="iamuser",
            index=models.Index(fields=["user_id"], name="iam_user_by_user_id"),
        ),
        migrations.AddIndex(
            model_name="iamuser",
            index=models.Index(Upper("user_name"), name="iam_user_by_any_name"),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(fields=["actor", "-seq"], name="ledger_by_actor"),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=BrinIndex(fields=["at"], name="ledger_by_time"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["-closed_at"], name="alert_closed"),
        ),
    ]
