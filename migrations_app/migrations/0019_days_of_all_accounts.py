"""The kept days of all accounts together are kept too, by the database itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

_SUMMED = """
    SELECT day, sum("left") AS "left", sum(with_access) AS with_access FROM {rows} GROUP BY day
"""

FILL = f"""
INSERT INTO migrations_app_daytotal (day, "left", with_access)
{_SUMMED.format(rows="migrations_app_daycount")};
"""

KEEP = f"""
CREATE FUNCTION migrations_app_total_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE migrations_app_daytotal AS total
        SET "left" = total."left" - less."left",
            with_access = total.with_access - less.with_access
        FROM ({_SUMMED.format(rows="rows_before")}) AS less WHERE total.day = less.day;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        -- By day, so that two who write at once never wait for each other.
        INSERT INTO migrations_app_daytotal AS total (day, "left", with_access)
        {_SUMMED.format(rows="rows_after")} ORDER BY day
        ON CONFLICT (day) DO UPDATE
            SET "left" = total."left" + EXCLUDED."left",
                with_access = total.with_access + EXCLUDED.with_access;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER total_new_days AFTER INSERT ON migrations_app_daycount
    REFERENCING NEW TABLE AS rows_after
    FOR EACH STATEMENT EXECUTE FUNCTION migrations_app_total_days();
CREATE TRIGGER total_changed_days AFTER UPDATE ON migrations_app_daycount
    REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after
    FOR EACH STATEMENT EXECUTE FUNCTION migrations_app_total_days();
CREATE TRIGGER total_days_less AFTER DELETE ON migrations_app_daycount
    REFERENCING OLD TABLE AS rows_before
    FOR EACH STATEMENT EXECUTE FUNCTION migrations_app_total_days();
"""  # noqa: S608 (made of names that stand above)

FORGET = """
DROP TRIGGER total_days_less ON migrations_app_daycount;
DROP TRIGGER total_changed_days ON migrations_app_daycount;
DROP TRIGGER total_new_days ON migrations_app_daycount;
DROP FUNCTION migrations_app_total_days();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0018_found_without_reading_all")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="DayTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(unique=True)),
                ("left", models.PositiveIntegerField()),
                ("with_access", models.PositiveIntegerField()),
            ],
            options={"ordering": ["day"]},
        ),
        migrations.RunSQL([KEEP, FILL], FORGET),
    ]
