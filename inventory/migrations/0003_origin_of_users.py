"""Who made an IAM user, with what, and which names it bore before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0002_ledger_is_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="iamuser",
            name="created_by",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="created_with",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="earlier_names",
            field=models.JSONField(blank=True, default=list),
        ),
    ]
