"""What happened last in an account is found by an index: its syncs and its ledger entries."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0018_activity_by_address")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(fields=["account_id", "seq"], name="ledger_by_account"),
        ),
        migrations.AddIndex(
            model_name="sync",
            index=models.Index(fields=["account", "-asked_at"], name="sync_latest"),
        ),
    ]
