"""How far the longer history of an account was read, by Region."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0004_trail_federated_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchiveCoverage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("region", models.CharField(max_length=30)),
                ("archive", models.CharField(max_length=1300)),
                ("read_from", models.DateField(blank=True, null=True)),
                ("read_to", models.DateField(blank=True, null=True)),
                ("gaps", models.JSONField(blank=True, default=dict)),
                ("cursor", models.CharField(blank=True, max_length=200)),
                ("draft", models.BinaryField(blank=True, null=True)),
                ("error", models.TextField(blank=True)),
                ("looked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="archive_coverage",
                        to="inventory.account",
                    ),
                ),
            ],
            options={"verbose_name_plural": "archive coverage"},
        ),
        migrations.AddConstraint(
            model_name="archivecoverage",
            constraint=models.UniqueConstraint(
                fields=("account", "region"), name="archive_coverage_once_per_region"
            ),
        ),
    ]
