"""The database keeps the row by which the Users page finds each IAM user, whoever writes.

Each trigger goes off only where a column changes that the row is made of. It takes the row first
and looks then, in a statement of its own, so that of two who write at once the later sees what the
earlier wrote.

`pg_trgm` makes typing into the filter quick on many users. It comes with PostgreSQL's contrib
modules; where those are missing the same search reads every row.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations

_FOUND = """
SELECT
    departure.id AS departure_id,
    iam.account_id,
    departure.owner_id,
    iam.user_name,
    CASE WHEN departure.protection <> '' AND departure.state <> 'deleted' THEN 'protected'
         ELSE departure.state END AS state,
    departure.protection,
    CASE WHEN iam.category_override <> '' THEN iam.category_override
         ELSE iam.category END AS category,
    iam.verdict,
    iam.privilege,
    CASE WHEN NOT iam.has_console_password THEN 'n/a'
         WHEN iam.mfa = '[]' THEN 'no'
         ELSE 'yes' END AS mfa,
    coalesce(plan.target, '') AS target,
    CASE WHEN iam.judged_at IS NULL THEN 'unjudged'
         WHEN iam.verdict = 'unknown' AND iam.coverage_whole AND iam.coverage ? 'blockers'
              AND iam.coverage -> 'blockers' <> '[]' THEN 'young'
         WHEN iam.coverage_whole THEN 'whole'
         WHEN iam.coverage -> 'gaps' ? 'credentials' THEN 'credentials'
         WHEN iam.coverage -> 'gaps' ? 'services' THEN 'advisor'
         ELSE 'regions' END AS reads,
    CASE WHEN iam."references" @> '[{"blocks": true}]' THEN 'blocks'
         WHEN iam."references" = '[]' THEN 'nobody'
         ELSE 'names' END AS named,
    CASE WHEN iam.privilege IN ('admin', 'can-become-admin') THEN 0
         WHEN iam.has_console_password AND iam.mfa = '[]' THEN 1
         WHEN iam.verdict IN ('dormant', 'never-used') THEN 2
         ELSE 3 END AS urgency,
    coalesce(iam.last_activity_at, '1970-01-01Z') AS last_used_at,
    coalesce(held.oldest_key_at, '9999-01-01Z') AS oldest_key_at,
    coalesce(
        least(
            held.unused_since,
            CASE WHEN iam.has_console_password THEN coalesce(
                iam.password_last_used_at, iam.password_last_changed_at, iam.created_at) END
        ),
        '9999-01-01Z'
    ) AS unused_since,
    held.active_keys,
    departure.disputed_until,
    departure.state = 'owner-assigned' AND departure.protection = ''
        AND departure.handed_to_id IS NULL AND departure.answer <> 'needed'
        AND iam.verdict IN ('dormant', 'never-used') AND iam.coverage_whole AS ready,
    iam.inline_policies <> '{}' OR jsonb_path_exists(
        iam.attached_policies,
        '$[*] ? (!(@ like_regex ":iam::aws:policy/(AWSDenyAll|AWSCompromisedKeyQuarantine)"))'
    ) AS direct_policies,
    iam.gone_at IS NOT NULL AS gone,
    lower(concat_ws(E'\\n', iam.user_name, iam.user_id, tagged.words, held.ids)) AS words
FROM migrations_app_departure departure
JOIN inventory_iamuser iam ON iam.id = departure.user_id
LEFT JOIN migrations_app_plan plan ON plan.departure_id = departure.id
CROSS JOIN LATERAL (
    SELECT
        min(key.created_at) FILTER (WHERE active) AS oldest_key_at,
        min(coalesce(key.last_used_at, key.created_at)) FILTER (WHERE active) AS unused_since,
        count(*) FILTER (WHERE active) AS active_keys,
        string_agg(key.credential_id, E'\\n' ORDER BY key.id) AS ids
    FROM inventory_credential key,
        LATERAL (SELECT key.kind = 'access-key' AND key.status = 'Active'
                        AND key.gone_at IS NULL AS active) of_key
    WHERE key.user_id = iam.id
) held
CROSS JOIN LATERAL (
    SELECT string_agg(tag.key || '=' || tag.value, E'\\n' ORDER BY tag.key) AS words
    FROM jsonb_each_text(
        CASE WHEN jsonb_typeof(iam.tags) = 'object' THEN iam.tags ELSE '{}' END
    ) tag
) tagged
"""

_COLUMNS = (
    "account_id",
    "owner_id",
    "user_name",
    "state",
    "protection",
    "category",
    "verdict",
    "privilege",
    "mfa",
    "target",
    "reads",
    "named",
    "urgency",
    "last_used_at",
    "oldest_key_at",
    "unused_since",
    "active_keys",
    "disputed_until",
    "ready",
    "direct_policies",
    "gone",
    "words",
)
_NAMES = ", ".join(_COLUMNS)

# All at once: a call for each of 100,000 users takes minutes, this takes seconds.
FILL = f"""
INSERT INTO migrations_app_listed (departure_id, {_NAMES})
SELECT departure_id, {_NAMES} FROM ({_FOUND}) found
ON CONFLICT (departure_id) DO NOTHING;
"""  # noqa: S608 (made of names that stand above)

KEEP = f"""
CREATE FUNCTION migrations_app_list(wanted bigint, anew boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM migrations_app_listed listed
        JOIN migrations_app_departure departure ON departure.id = listed.departure_id
        WHERE departure.user_id = wanted FOR UPDATE OF listed;
    IF NOT FOUND AND NOT anew THEN
        RETURN;
    END IF;
    IF anew THEN
        -- Whoever writes its facts just now is waited for: there is no row yet to wait at.
        PERFORM 1 FROM inventory_iamuser WHERE id = wanted FOR SHARE;
    END IF;
    INSERT INTO migrations_app_listed (departure_id, {_NAMES})
    SELECT departure_id, {_NAMES} FROM ({_FOUND} WHERE iam.id = wanted) found
    ON CONFLICT (departure_id) DO UPDATE SET
        ({_NAMES}) = ({", ".join(f"EXCLUDED.{name}" for name in _COLUMNS)});
END
$$;

CREATE FUNCTION migrations_app_list_iam_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM migrations_app_list(NEW.id, false);
    RETURN NULL;
END
$$;

CREATE FUNCTION migrations_app_list_by_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM migrations_app_list(
        CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END, TG_ARGV[0] = 'anew');
    RETURN NULL;
END
$$;

CREATE FUNCTION migrations_app_list_by_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM migrations_app_list(departure.user_id, false) FROM migrations_app_departure departure
        WHERE departure.id = CASE WHEN TG_OP = 'DELETE' THEN OLD.departure_id
                                  ELSE NEW.departure_id END;
    RETURN NULL;
END
$$;
"""  # noqa: S608 (made of names that stand above)


def _changed(*columns: str) -> str:
    old, new = (", ".join(f'{row}."{column}"' for column in columns) for row in ("OLD", "NEW"))
    return f"ROW({old}) IS DISTINCT FROM ROW({new})"


_OF_USER = _changed(
    "user_name",
    "user_id",
    "tags",
    "category",
    "category_override",
    "verdict",
    "privilege",
    "has_console_password",
    "mfa",
    "judged_at",
    "coverage",
    "coverage_whole",
    "references",
    "last_activity_at",
    "password_last_used_at",
    "password_last_changed_at",
    "inline_policies",
    "attached_policies",
    "gone_at",
)
_OF_DEPARTURE = _changed(
    "state", "protection", "owner_id", "handed_to_id", "answer", "disputed_until"
)
_OF_CREDENTIAL = _changed(
    "kind", "status", "credential_id", "created_at", "last_used_at", "gone_at"
)

WATCH = f"""
CREATE TRIGGER list_iam_user AFTER UPDATE ON inventory_iamuser
    FOR EACH ROW WHEN ({_OF_USER}) EXECUTE FUNCTION migrations_app_list_iam_user();
CREATE TRIGGER list_new_departure AFTER INSERT ON migrations_app_departure
    FOR EACH ROW EXECUTE FUNCTION migrations_app_list_by_user('anew');
CREATE TRIGGER list_departure AFTER UPDATE ON migrations_app_departure
    FOR EACH ROW WHEN ({_OF_DEPARTURE}) EXECUTE FUNCTION migrations_app_list_by_user('');
CREATE TRIGGER list_new_credential AFTER INSERT OR DELETE ON inventory_credential
    FOR EACH ROW EXECUTE FUNCTION migrations_app_list_by_user('');
CREATE TRIGGER list_credential AFTER UPDATE ON inventory_credential
    FOR EACH ROW WHEN ({_OF_CREDENTIAL}) EXECUTE FUNCTION migrations_app_list_by_user('');
CREATE TRIGGER list_new_plan AFTER INSERT OR DELETE ON migrations_app_plan
    FOR EACH ROW EXECUTE FUNCTION migrations_app_list_by_plan();
CREATE TRIGGER list_plan AFTER UPDATE ON migrations_app_plan
    FOR EACH ROW WHEN ({_changed("target")}) EXECUTE FUNCTION migrations_app_list_by_plan();
"""

FORGET = """
DROP TRIGGER list_plan ON migrations_app_plan;
DROP TRIGGER list_new_plan ON migrations_app_plan;
DROP TRIGGER list_credential ON inventory_credential;
DROP TRIGGER list_new_credential ON inventory_credential;
DROP TRIGGER list_departure ON migrations_app_departure;
DROP TRIGGER list_new_departure ON migrations_app_departure;
DROP TRIGGER list_iam_user ON inventory_iamuser;
DROP FUNCTION migrations_app_list_by_plan();
DROP FUNCTION migrations_app_list_by_user();
DROP FUNCTION migrations_app_list_iam_user();
DROP FUNCTION migrations_app_list(bigint, boolean);
"""

TYPED = """
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX listed_words ON migrations_app_listed USING gin (words gin_trgm_ops);
EXCEPTION WHEN feature_not_supported OR undefined_file OR insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm is missing, so the filter of the Users page reads every row';
END
$$;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("migrations_app", "0010_listed_users")]

    operations: ClassVar = [
        migrations.RunSQL([KEEP, WATCH, FILL], FORGET),
        migrations.RunSQL(TYPED, "DROP INDEX IF EXISTS listed_words"),
    ]
