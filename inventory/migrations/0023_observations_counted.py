"""How many changes each look saw is kept by the database, so that a week of them is not counted.

A trigger goes off once per statement, however many rows it writes.
"""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

_COUNTED = """
    SELECT account_id, seen_at, kind, count(*) AS number FROM {rows} WHERE explained = ''
    GROUP BY account_id, seen_at, kind
"""

FILL = f"""
INSERT INTO inventory_observationcount (account_id, seen_at, kind, number)
{_COUNTED.format(rows="inventory_observation")};
"""

KEEP = f"""
CREATE FUNCTION inventory_count_observations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE inventory_observationcount AS kept SET number = kept.number - less.number
        FROM ({_COUNTED.format(rows="rows_before")}) AS less
        WHERE (kept.account_id, kept.seen_at, kept.kind)
            = (less.account_id, less.seen_at, less.kind);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO inventory_observationcount AS kept (account_id, seen_at, kind, number)
        {_COUNTED.format(rows="rows_after")} ORDER BY 1, 2, 3
        ON CONFLICT (account_id, seen_at, kind)
            DO UPDATE SET number = kept.number + EXCLUDED.number;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_new_observations AFTER INSERT ON inventory_observation
    REFERENCING NEW TABLE AS rows_after
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_count_observations();
CREATE TRIGGER count_changed_observations AFTER UPDATE ON inventory_observation
    REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_count_observations();
CREATE TRIGGER count_observations_less AFTER DELETE ON inventory_observation
    REFERENCING OLD TABLE AS rows_before
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_count_observations();
"""  # noqa: S608 (made of names that stand above)

FORGET = """
DROP TRIGGER count_observations_less ON inventory_observation;
DROP TRIGGER count_changed_observations ON inventory_observation;
DROP TRIGGER count_new_observations ON inventory_observation;
DROP FUNCTION inventory_count_observations();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("inventory", "0022_found_without_reading_all")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="ObservationCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                ("kind", models.CharField(max_length=30)),
                ("number", models.PositiveIntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observation_counts",
                        to="inventory.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["account", "seen_at", "kind"], name="observations_counted_once"
                    )
                ],
                "indexes": [
                    models.Index(
                        fields=["seen_at"],
                        include=["kind", "number"],
                        name="observation_counts_by_time",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="observation",
            index=models.Index(
                fields=["kind", "-seen_at", "-id"],
                condition=Q(explained=""),
                name="observation_latest",
            ),
        ),
        migrations.AddIndex(
            model_name="observation",
            index=models.Index(
                fields=["account", "kind", "-seen_at", "-id"],
                condition=Q(explained=""),
                name="observation_latest_of_account",
            ),
        ),
        migrations.RunSQL([KEEP, FILL], FORGET),
    ]
