"""The ledger cannot be changed, and a chain that was changed all the same is found out."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from inventory import ledger
from inventory.models import LedgerEntry, LedgerName
from tests import cast

pytestmark = pytest.mark.django_db


def entries(number: int = 3) -> list[LedgerEntry]:
    return [ledger.append("test.entry", number=one) for one in range(number)]


def forge(statement: str, *values: Any) -> None:
    """Do what only a superuser who switches the triggers off can do."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_ledgerentry SET kind = 'other'",
        "DELETE FROM inventory_ledgerentry",
        "TRUNCATE inventory_ledgerentry",
    ],
)
def test_the_database_refuses_to_change_the_ledger(statement: str) -> None:
    entries()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert LedgerEntry.objects.count() == 3


def test_a_whole_chain_verifies() -> None:
    last = entries()[-1]
    found = ledger.verify()
    assert (found.intact, found.entries, found.head) == (True, 3, last.hash)


def test_many_entries_are_one_chain_for_the_statements_of_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    entries()
    with django_assert_max_num_queries(6):
        many = ledger.append_all(ledger.Line("test.entry", data={"n": n}) for n in range(500))
    assert [entry.seq for entry in many] == list(range(4, 504))
    assert ledger.verify() == ledger.Verification(503, many[-1].hash, None, "")


def test_a_changed_entry_is_named() -> None:
    entries()
    forge("UPDATE inventory_ledgerentry SET data = '{\"number\": 9}' WHERE seq = %s", 2)
    assert ledger.verify().broken_at == 2


def test_an_entry_with_a_new_hash_breaks_the_one_after_it() -> None:
    second = entries()[1]
    second.data = {"number": 9}
    forge(
        "UPDATE inventory_ledgerentry SET data = '{\"number\": 9}', hash = %s WHERE seq = 2",
        ledger.entry_hash(second),
    )
    assert ledger.verify().broken_at == 3


def test_a_missing_entry_is_noticed() -> None:
    entries()
    forge("DELETE FROM inventory_ledgerentry WHERE seq = 2")
    assert not ledger.verify().intact


def test_a_cut_tail_is_seen_beside_an_announced_head() -> None:
    head = entries()[-1]
    forge("DELETE FROM inventory_ledgerentry WHERE seq = 3")
    assert ledger.verify().intact
    assert not ledger.verify((3, head.hash)).intact


def test_a_rewritten_chain_does_not_hold_an_announced_head() -> None:
    entries()
    assert not ledger.verify((2, "0" * 64)).intact


def test_people_stand_in_it_as_hashes_and_their_names_apart() -> None:
    jonas = cast.person("jonas", "Jonas Weber")
    entry = ledger.append("test.entry", actor=jonas)
    assert entry.actor == ledger.person_hash(jonas)
    assert "Jonas" not in str(entry.data)
    LedgerName.objects.all().delete()
    assert ledger.verify().intact


def test_what_rolls_back_leaves_no_entry_and_no_gap() -> None:
    entries(1)
    with transaction.atomic():
        ledger.append("test.entry")
        transaction.set_rollback(True)
    ledger.append("test.entry")
    assert ledger.verify().entries == 2
    assert ledger.verify().intact


def test_the_command_says_how_many_and_the_head() -> None:
    last = entries()[-1]
    out = io.StringIO()
    call_command("ledger", "verify", stdout=out)
    assert f"3:{last.hash}" in out.getvalue()


def test_the_command_fails_on_a_broken_chain_and_names_the_entry() -> None:
    entries()
    forge("UPDATE inventory_ledgerentry SET kind = 'other' WHERE seq = %s", 2)
    with pytest.raises(CommandError, match="entry 2"):
        call_command("ledger", "verify")


def test_the_command_fails_when_an_announced_head_is_gone() -> None:
    entries()
    with pytest.raises(CommandError, match="was announced"):
        call_command("ledger", "verify", "--head", f"9:{'a' * 64}")


def test_the_command_refuses_a_head_that_is_none() -> None:
    with pytest.raises(CommandError, match="NUMBER:HASH"):
        call_command("ledger", "verify", "--head", "nine")
