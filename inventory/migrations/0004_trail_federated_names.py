"""Under which names an IAM user's GetFederationToken sessions act: their events bear only those."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0003_origin_of_users"),
    ]

    operations = [
        migrations.AddField(
            model_name="iamuser",
            name="federated_names",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
