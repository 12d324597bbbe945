"""The database itself refuses to change or empty the ledger."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION inventory_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The ledger is append-only: % is refused.', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER ledger_rows_stay
    BEFORE UPDATE OR DELETE ON inventory_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION inventory_ledger_refuse();

CREATE TRIGGER ledger_table_stays
    BEFORE TRUNCATE ON inventory_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_ledger_refuse();
"""

ALLOW = """
DROP TRIGGER ledger_table_stays ON inventory_ledgerentry;
DROP TRIGGER ledger_rows_stay ON inventory_ledgerentry;
DROP FUNCTION inventory_ledger_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0001_facts")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
