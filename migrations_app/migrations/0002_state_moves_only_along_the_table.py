"""The database refuses a state change that the lifecycle does not hold, or of a protected user.

The pairs are written out, because a schema migration must not change when the table in
`migrations_app.lifecycle` does; a test holds the two together.

`vanish` is exempt from the protection: what is gone in AWS can always be recorded. Protecting a
user that is fenced or shut already is never refused.
"""

from django.db import migrations

STEPS = (
    ("deleted", ()),
    ("disabled", ("deleted", "owner-assigned", "soaking")),
    ("discovered", ("deleted", "owner-assigned")),
    ("owner-assigned", ("deleted", "disabled", "discovered", "owner-assigned")),
    ("soaking", ("deleted", "owner-assigned")),
)

_PAIRS = ", ".join(f"('{source}', '{target}')" for source, targets in STEPS for target in targets)

REFUSE = f"""
CREATE FUNCTION migrations_app_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state::text, NEW.state::text) NOT IN ({_PAIRS}) THEN
        RAISE EXCEPTION 'No move leads from % to %.', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'departure_state_moves_along_the_table';
    END IF;
    IF NEW.state = 'deleted' AND OLD.state <> 'soaking' AND NOT NEW.deleted_outside THEN
        RAISE EXCEPTION 'Only a soaking user is deleted; % is not.', OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'departure_state_moves_along_the_table';
    END IF;
    IF NEW.state IN ('disabled', 'soaking', 'deleted')
       AND (OLD.protection <> '' OR NEW.protection <> '')
       AND NOT NEW.deleted_outside THEN
        RAISE EXCEPTION 'A protected user is never moved to %.', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'departure_protected_stays';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER departure_moves
    BEFORE UPDATE OF state ON migrations_app_departure
    FOR EACH ROW EXECUTE FUNCTION migrations_app_refuse_move();
"""

ALLOW = """
DROP TRIGGER departure_moves ON migrations_app_departure;
DROP FUNCTION migrations_app_refuse_move();
"""


class Migration(migrations.Migration):
    dependencies = [("migrations_app", "0001_departures_and_changes")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
