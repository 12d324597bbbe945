"""An account is connected in the browser: prepared, tested, read; and adopted by the file."""

from __future__ import annotations

import pytest

from demo.aws.state import Account as AwsAccount
from inventory import clock
from inventory.models import AccessTest, Account, Connection, LedgerEntry, Person, Sync
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import connecting
from migrations_app.connecting import Wanted
from migrations_app.declared import declare
from tests import cast
from tests.migrations_app.prospect import (
    STAGING,
    WANTED,
    WITH_CHANGES,
    connected,
    passed,
)

pytestmark = pytest.mark.django_db


def test_a_connected_account_is_read_and_can_take_no_change(
    staging: AwsAccount, ada: Person
) -> None:
    row = connected(staging, ada, WITH_CHANGES)
    account = Account.objects.get(account_id=STAGING)
    assert account.active
    assert account.reader_role == row.reader_role
    assert account.external_id == row.external_id
    assert (account.actor_role, account.deleter_role, account.sandbox) == ("", "", False)
    assert Sync.objects.get().asked_by == ada
    kinds = LedgerEntry.objects.order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == ["connection.prepared", "account.connected"]


def test_nothing_is_connected_without_a_good_test_of_the_very_roles(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    with pytest.raises(Refused, match="not tested"):
        connecting.connect(row, ada)
    test = passed(row, ada)
    assert connecting.proven(row)
    test.checks[0]["status"] = "failed"
    test.save()
    with pytest.raises(Refused, match="lacks something"):
        connecting.connect(row, ada)
    passed(row, ada)
    assert not connecting.proven(
        connecting.prepare(Wanted(STAGING, "staging", prefix="Other"), ada)
    )
    assert not Account.objects.filter(account_id=STAGING).exists()


def test_an_old_test_proves_nothing(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    passed(row, ada)
    AccessTest.objects.update(finished_at=clock.now() - 2 * connecting.steps.PROOF_LASTS)
    assert not connecting.proven(row)


def test_a_second_click_connects_nothing_twice(staging: AwsAccount, ada: Person) -> None:
    row = connected(staging, ada)
    with pytest.raises(Stale):
        connecting.connect(row, ada)
    assert Sync.objects.count() == 1


@pytest.mark.parametrize("who", ["jonas", "vera", "sara"])
def test_only_an_admin_connects(staging: AwsAccount, everybody: cast.Cast, who: str) -> None:
    person = Person.objects.get(username=who)
    row = connecting.prepare(WANTED, everybody.ada)
    for verb in (
        lambda: connecting.prepare(WANTED, person),
        lambda: connecting.connect(row, person),
        lambda: connecting.discard(row, person),
        lambda: connecting.disconnect(everybody.account, person),
    ):
        with pytest.raises(NotAllowed):
            verb()


def test_what_is_connected_or_was_declared_is_not_connected_anew(
    staging: AwsAccount, everybody: cast.Cast
) -> None:
    again = Wanted(cast.ACCOUNT_ID, "again")
    with pytest.raises(Refused, match="connected already"):
        connecting.prepare(again, everybody.ada)
    Account.objects.update(active=False)
    with pytest.raises(Refused, match="declared here before"):
        connecting.prepare(again, everybody.ada)


def test_two_accounts_do_not_bear_one_name(staging: AwsAccount, ada: Person) -> None:
    with pytest.raises(Refused, match="another name"):
        connecting.prepare(Wanted(STAGING, "Production"), ada)
    connecting.prepare(WANTED, ada)
    with pytest.raises(Refused, match="another name"):
        connecting.prepare(Wanted("111122223333", "STAGING"), ada)


def test_a_disconnected_account_comes_back_with_its_external_id(
    staging: AwsAccount, ada: Person
) -> None:
    row = connected(staging, ada)
    account = Account.objects.get(account_id=STAGING)
    connecting.disconnect(account, ada)
    assert not Account.objects.get(account_id=STAGING).active
    assert connecting.prepare(WANTED, ada).external_id == row.external_id
    passed(row, ada)
    connecting.connect(row, ada)
    assert Account.objects.get(account_id=STAGING).active


def test_the_change_roles_of_a_connected_account_are_prepared_and_not_used(
    staging: AwsAccount, ada: Person
) -> None:
    row = connected(staging, ada)
    connecting.prepare_changes(row, ada)
    row.refresh_from_db()
    assert row.actor_role == f"arn:aws:iam::{STAGING}:role/IamCleanupActor"
    assert "deleter_role" in "".join(connecting.yaml_lines(row))
    assert Account.objects.get(account_id=STAGING).actor_role == ""


def test_a_declared_account_is_taken_out_of_the_file_and_not_disconnected(
    everybody: cast.Cast,
) -> None:
    with pytest.raises(Refused, match="is declared in"):
        connecting.disconnect(everybody.account, everybody.ada)


def test_what_was_begun_can_be_forgotten(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    connecting.discard(row, ada)
    assert not Connection.objects.exists()
    with pytest.raises(Stale):
        connecting.connect(row, ada)


PEOPLE = """\
people:
  - {username: ada, name: Ada Berg, email: ada@acme.example, roles: [admin]}
"""


@pytest.fixture
def declared_ada() -> Person:
    """A first file that has people, and leaves the first account to the browser."""
    declare.apply("accounts: []\n" + PEOPLE)
    return Person.objects.get(username="ada")


def test_applying_a_file_without_it_leaves_a_connected_account_alone_and_says_so(
    staging: AwsAccount, declared_ada: Person
) -> None:
    connected(staging, declared_ada)
    outcome = declare.apply("accounts: []\n" + PEOPLE)
    assert Account.objects.get(account_id=STAGING).active
    assert outcome.lines() == ["Nothing to change."]
    assert any("connected in the browser" in warning for warning in outcome.warnings)


def test_applying_its_lines_makes_it_the_files_change_roles_and_all(
    staging: AwsAccount, declared_ada: Person
) -> None:
    row = connected(staging, declared_ada, WITH_CHANGES)
    document = "\n".join(["accounts:", *connecting.yaml_lines(row), PEOPLE])
    outcome = declare.apply(document)
    assert outcome.applied
    assert not any("connected in the browser" in warning for warning in outcome.warnings)
    account = Account.objects.get(account_id=STAGING)
    assert account.actor_role == row.actor_role
    assert account.external_id == row.external_id
    assert not Connection.objects.exists()
    assert declare.apply(document).lines() == ["Nothing to change."]
    with pytest.raises(Refused, match="is declared in"):
        connecting.disconnect(account, declared_ada)


def test_a_file_must_say_that_it_declares_no_account() -> None:
    with pytest.raises(Refused, match="At least one account"):
        declare.apply(PEOPLE)
