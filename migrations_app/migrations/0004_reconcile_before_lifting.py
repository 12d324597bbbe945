"""After a database restore the stop is lifted only when AWS was read; where the rows live."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("migrations_app", "0003_callers_of_hits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DatabaseHome",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("system_identifier", models.CharField(max_length=20)),
                ("database_oid", models.BigIntegerField()),
                ("timeline", models.BigIntegerField()),
                ("since", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="emergencystop",
            name="differences",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="emergencystop",
            name="reconcile",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="emergencystop",
            name="reconcile_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="emergencystop",
            name="reconciled_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="emergencystop",
            name="reconciled_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="emergencystop",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lifted_at", None),
                    ("reconcile", False),
                    ("reconciled_at__isnull", False),
                    _connector="OR",
                ),
                name="stop_lifted_after_reconcile",
            ),
        ),
        migrations.AddConstraint(
            model_name="emergencystop",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lifted_by", None),
                    ("reconciled_by", None),
                    models.Q(("lifted_by", models.F("reconciled_by")), _negated=True),
                    _connector="OR",
                ),
                name="stop_lifted_by_another_than_reconciled",
            ),
        ),
        migrations.AddConstraint(
            model_name="databasehome",
            constraint=models.UniqueConstraint(models.Value(1), name="one_database_home"),
        ),
    ]
