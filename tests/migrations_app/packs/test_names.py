"""Without names no name and no address of anybody stands in a pack; with names they do."""

from __future__ import annotations

import pytest

from inventory import ledger
from inventory.exports import Described
from inventory.models import LedgerName, Person
from inventory.pack.layout import pseudonym
from migrations_app.models import Opening
from migrations_app.packs.names import names_of_everybody
from tests import cast
from tests.cast import Cast
from tests.migrations_app.packs import packing

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast.cast()


def everywhere(people: Cast) -> None:
    """Names and addresses wherever people, AWS or the product write them."""
    user = cast.iam_user(
        "sara.lindqvist",
        verdict_reasons=[{"text": "Tag owner is SARA@acme.example", "source": "tags"}],
    )
    row = cast.departure(user)
    cast.departure(cast.iam_user("jonas@acme.example"))
    ledger.append(
        "claim.made",
        actor=people.sara,
        user=user,
        note="Priya Nair, not Mei tanaka's (ada@acme.example)",
        people=[{"Vera Nowak": ["omar"]}],
    )
    ledger.append("gone.person", actor=people.priya)
    notice = cast.notice(people.payments, "Sara Lindqvist claimed sara.lindqvist")
    notice.departures.add(row)
    cast.delivery(notice, channel="email", address="sara@acme.example", person=people.sara)
    outside = cast.notice(None, "A lead is silent")
    outside.key, outside.mail_to = "outside", "her.boss@acme.example"
    outside.save()
    cast.delivery(outside, channel="email", address="her.boss@acme.example")
    Opening.objects.create(notice=notice, person=people.sara, at=notice.at)


def test_without_names_the_whole_zip_holds_nobodys_name_or_address(people: Cast) -> None:
    everywhere(people)
    pack = packing.work(packing.asked(people.jonas))
    files = packing.files_of(pack)
    held = {name: content.decode("utf-8", "replace").casefold() for name, content in files.items()}
    for person in Person.objects.all():
        for word in (str(person).casefold(), person.email.casefold()):
            assert [name for name, text in held.items() if word in text] == [], word
    assert "her.boss" not in "".join(held.values())
    # What names the IAM user stays, and the same person is the same everywhere.
    sara = pseudonym(ledger.person_hash(people.sara))
    assert "sara.lindqvist" in held["users.csv"]
    (told,) = (row for row in packing.rows(files, "messages") if row["channel"] == "email"
               and row["title"].startswith(sara))  # fmt: skip
    assert told["address"] == sara
    assert sara in held["people.csv"]
    (entry,) = (row for row in packing.rows(files, "ledger") if row["kind"] == "claim.made")
    assert entry["withheld"] == "names of people"
    assert entry["data"]["note"].startswith(pseudonym(ledger.person_hash(people.priya)))


def test_with_names_they_stand_there_and_every_entry_is_whole(people: Cast) -> None:
    everywhere(people)
    files = packing.built(people.jonas, with_names=True)
    assert "Sara Lindqvist" in files["people.csv"].decode()
    assert "Sara Lindqvist claimed" in files["messages.csv"].decode()
    assert not any("withheld" in row for row in packing.rows(files, "ledger"))
    assert '"names_of_people": true' in files["manifest.json"].decode()


def test_a_name_is_a_whole_word_in_any_case_and_the_longest_one_counts(people: Cast) -> None:
    longer = cast.person("ada2", "Ada Berg-Lind")
    names = names_of_everybody(shown=False)
    ada, lind = (pseudonym(ledger.person_hash(one)) for one in (people.ada, longer))
    assert names.hidden("ada BERG and Ada Berg-Lind") == f"{ada} and {lind}"
    assert names.hidden("Ada Bergström, Nevada Berg") == "Ada Bergström, Nevada Berg"


def test_two_people_of_one_name_are_neither(people: Cast) -> None:
    cast.person("ada2", "Ada Berg")
    assert names_of_everybody(shown=False).hidden("Ada Berg") == "person-of-this-name"


def test_somebody_who_is_only_in_the_ledger_any_more_is_hidden_too(people: Cast) -> None:
    LedgerName.objects.create(hash="f" * 64, name="Old Hand")
    assert names_of_everybody(shown=False).hidden("Old Hand did") == "person-ffffffffffff did"


def test_lists_mappings_and_described_values_are_gone_through(people: Cast) -> None:
    names = names_of_everybody(shown=False)
    ada = pseudonym(ledger.person_hash(people.ada))
    value = {"Ada Berg": ["by Ada Berg", 7, None], "x": ("Ada Berg",)}
    assert names.hidden(value) == {ada: [f"by {ada}", 7, None], "x": [ada]}
    described = names.hidden(Described({"who": "Ada Berg"}, ["Ada Berg says"]))
    assert described == {"who": ada}
    assert described.sentences == (f"{ada} says",)


def test_a_column_keeps_its_name_even_if_somebody_is_called_so(people: Cast) -> None:
    cast.person("u", "user")
    assert [*names_of_everybody(shown=False).hidden_row({"user": "x"})] == ["user"]
