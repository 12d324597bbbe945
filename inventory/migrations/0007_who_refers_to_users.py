"""Where references to users were looked for, and who says that code let go of one."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0006_privilege_with_its_paths"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="references_read",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="account",
            name="dead_references",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="removed_from_code_signs",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="removed_from_code_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="removed_from_code_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="iamuser",
            name="removed_from_code_note",
            field=models.TextField(blank=True),
        ),
    ]
