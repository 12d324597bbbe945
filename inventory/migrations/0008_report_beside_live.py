"""Where the credential report and live reads disagree, and since when a console password is set."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0007_who_refers_to_users"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="report_notes",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="password_created_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
