"""Privilege names those who can become administrator, and keeps by which path."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0005_archive_coverage"),
    ]

    operations = [
        migrations.AlterField(
            model_name="iamuser",
            name="privilege",
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="privilege_facts",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
