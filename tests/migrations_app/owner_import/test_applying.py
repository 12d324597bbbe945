"""A confirmed sheet is followed once, by the verbs, and only where nothing moved meanwhile."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.db import connection

from inventory import clock, ledger
from inventory.models import LedgerEntry, Role
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes, owner_import
from migrations_app.lifecycle import State
from migrations_app.models import Departure, GivenAnswer, OwnerImport
from migrations_app.owner_import import Outcome
from tests import cast

pytestmark = pytest.mark.django_db
FILE = b"user,team,category,note\npay-deploy,payments,third-party,Theirs\nbilling,platform,,\n"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def rows(everybody: cast.Cast) -> tuple[Departure, Departure]:
    return (
        cast.departure("pay-deploy"),
        cast.departure("billing", State.DISABLED, everybody.payments),
    )


def imported(everybody: cast.Cast, content: bytes = FILE) -> OwnerImport:
    row = owner_import.show(content, "Owners 2025.csv", everybody.jonas)
    owner_import.confirm(row, everybody.jonas, row.digest)
    assert not owner_import.go_on(row.pk)
    row.refresh_from_db()
    return row


def test_a_preview_writes_nothing_about_users(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    before = list(Departure.objects.order_by("pk").values())
    owner_import.show(FILE, "x.csv", everybody.jonas)
    assert list(Departure.objects.order_by("pk").values()) == before
    assert not LedgerEntry.objects.exists()
    assert not GivenAnswer.objects.exists()


def test_each_line_is_ledgered_as_the_engineers_and_the_whole_once(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    row = imported(everybody)

    for departure in rows:
        departure.refresh_from_db()
    assert [one.owner for one in rows] == [everybody.payments, everybody.platform]
    assert (rows[0].state, rows[1].state) == (State.OWNER_ASSIGNED, State.DISABLED)
    rows[0].user.refresh_from_db()
    assert (rows[0].user.category_override, rows[0].user.category_note) == ("third-party", "Theirs")
    entries = list(LedgerEntry.objects.order_by("seq"))
    kinds = ["move.assign", "category.changed", "owner.changed", "owners.imported"]
    assert [entry.kind for entry in entries] == kinds
    assert {entry.actor for entry in entries} == {ledger.person_hash(everybody.jonas)}
    told = entries[-1].data
    assert told["sha256"] == hashlib.sha256(FILE).hexdigest()
    assert (told["assigned"], told["changed"], told["categories"]) == (1, 1, 1)
    assert (told["lines"], told["left_out"], told["file"]) == (2, 0, "Owners 2025.csv")
    assert row.status == OwnerImport.Status.DONE
    notes = GivenAnswer.objects.order_by("pk").values_list("note", flat=True)
    assert list(notes) == ["Theirs", "From the spreadsheet Owners 2025.csv"]


def test_the_same_file_a_second_time_changes_nothing(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    imported(everybody)
    before = LedgerEntry.objects.count()
    versions = list(Departure.objects.order_by("pk").values_list("version", flat=True))

    again = owner_import.show(FILE, "x.csv", everybody.jonas)

    assert {one.outcome for one in owner_import.kept(again)} == {Outcome.SAME}
    with pytest.raises(Refused, match="nothing to change"):
        owner_import.confirm(again, everybody.jonas, again.digest)
    assert LedgerEntry.objects.count() == before
    assert list(Departure.objects.order_by("pk").values_list("version", flat=True)) == versions


def test_a_user_that_changed_owner_meanwhile_is_left_out_and_named(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    row = owner_import.show(FILE, "x.csv", everybody.jonas)
    changes.assign(rows[0], everybody.platform, everybody.mei)
    owner_import.confirm(row, everybody.jonas, row.digest)
    owner_import.go_on(row.pk)

    row.refresh_from_db()
    rows[0].refresh_from_db()
    assert rows[0].owner == everybody.platform
    rows[0].user.refresh_from_db()
    assert rows[0].user.category_override == ""
    assert row.left_out == [
        {
            "number": 2,
            "user": "pay-deploy",
            "why": "Its owner changed meanwhile, from nobody to platform.",
        }
    ]
    assert (row.counts["left_out"], row.counts["changed"]) == (1, 1)


def test_a_category_that_changed_meanwhile_takes_its_whole_line_out(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    row = owner_import.show(FILE, "x.csv", everybody.jonas)
    rows[0].user.category_override = "mystery"
    rows[0].user.save()
    owner_import.confirm(row, everybody.jonas, row.digest)
    owner_import.go_on(row.pk)

    rows[0].refresh_from_db()
    assert rows[0].owner is None
    row.refresh_from_db()
    why = row.left_out[0]["why"]
    assert why.startswith("pay-deploy was changed meanwhile")
    assert "its category" in why


def test_only_an_engineer_and_only_what_that_engineer_was_shown(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    for person in (everybody.vera, everybody.sara, everybody.ada):
        with pytest.raises(NotAllowed):
            owner_import.show(FILE, "x.csv", person)
    row = owner_import.show(FILE, "x.csv", everybody.jonas)
    for person, seen in ((everybody.mei, row.digest), (everybody.jonas, "0" * 64)):
        with pytest.raises(Stale):
            owner_import.confirm(row, person, seen)
    with pytest.raises(NotAllowed):
        owner_import.confirm(row, everybody.sara, row.digest)


def test_a_preview_lasts_an_hour_and_is_confirmed_once(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    row = owner_import.show(FILE, "x.csv", everybody.jonas)
    OwnerImport.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    with pytest.raises(Stale):
        owner_import.confirm(row, everybody.jonas, row.digest)
    # An old preview that nobody wanted is not kept.
    fresh = owner_import.show(FILE, "x.csv", everybody.jonas)
    assert list(OwnerImport.objects.all()) == [fresh]
    owner_import.confirm(fresh, everybody.jonas, fresh.digest)
    with pytest.raises(Stale):
        owner_import.confirm(fresh, everybody.jonas, fresh.digest)


def test_whoever_is_no_engineer_any_more_changes_nothing(
    everybody: cast.Cast, rows: tuple[Departure, Departure]
) -> None:
    row = owner_import.show(FILE, "x.csv", everybody.jonas)
    owner_import.confirm(row, everybody.jonas, row.digest)
    everybody.jonas.roles = [Role.VIEWER]
    everybody.jonas.save()
    owner_import.go_on(row.pk)

    row.refresh_from_db()
    assert (row.counts["left_out"], row.counts["assigned"]) == (2, 0)
    rows[0].refresh_from_db()
    assert rows[0].owner is None


def test_a_worker_that_dies_in_the_middle_costs_time_and_nothing_is_done_twice(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_import.applying, "AT_ONCE", 3)
    names = [f"user-{number}" for number in range(8)]
    for name in names:
        cast.departure(name)
    content = "user,team\n" + "".join(f"{name},payments\n" for name in names)
    row = owner_import.show(content.encode(), "x.csv", everybody.jonas)
    owner_import.confirm(row, everybody.jonas, row.digest)

    assert owner_import.go_on(row.pk, transactions=1)
    assert owner_import.running() == [row.pk]
    with monkeypatch.context() as dying:
        dying.setattr(owner_import.applying, "_count", _dies)
        with pytest.raises(RuntimeError):
            owner_import.go_on(row.pk)
    row.refresh_from_db()
    assert row.position == 3
    assert Departure.objects.filter(owner=everybody.payments).count() == 3

    assert not owner_import.go_on(row.pk)
    assert not owner_import.go_on(row.pk)
    row.refresh_from_db()
    assert (row.position, row.counts["assigned"], owner_import.running()) == (8, 8, [])
    kinds = LedgerEntry.objects.values_list("kind", flat=True)
    assert sorted(kinds) == ["move.assign"] * 8 + ["owners.imported"]


def _dies(*_: object) -> None:
    raise RuntimeError("killed")


def test_an_import_that_is_not_there_is_no_work() -> None:
    assert not owner_import.go_on(0)
    assert connection.in_atomic_block
