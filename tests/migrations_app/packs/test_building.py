"""A pack is the same whoever builds it, however often they die, and whatever its size."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from inventory import clock, ledger
from inventory.models import LedgerEntry
from inventory.pack.checking import Pinned, check
from migrations_app import packs
from migrations_app.models import EvidencePack, Notice, PackPart
from migrations_app.packs import building, pieces, tables, zipping
from tests import cast
from tests.cast import Cast
from tests.migrations_app.packs import packing
from tests.migrations_app.stage import Killed

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast.cast()


@pytest.fixture
def _same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages for a handful of rows."""
    small = tuple(replace(table, at_once=3) for table in tables.TABLES)
    monkeypatch.setattr(tables, "TABLES", small)


def some_rows(people: Cast, count: int = 7) -> None:
    for number in range(count):
        user = cast.iam_user(f"user-{number}")
        cast.departure(user)
        ledger.append("user.discovered", user=user, name=user.user_name)
        notice = cast.notice(people.payments)
        notice.key = f"notice-{number}"
        notice.save()


def undisturbed(pack: EvidencePack) -> bytes:
    """What it becomes when nobody dies; afterwards it waits as before."""
    content = b""
    with transaction.atomic():
        packing.work(pack)
        content = packing.bytes_of(pack)
        transaction.set_rollback(True)
    pack.refresh_from_db()
    assert pack.status == EvidencePack.Status.QUEUED
    return content


@pytest.mark.usefixtures("_same_moment", "small_pages")
def test_a_worker_killed_at_any_step_changes_nothing(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_rows(people, 4)
    pack = packing.asked(people.jonas)
    wanted = undisturbed(pack)
    really_put, seen = pieces._put, set()

    def dies(pack: EvidencePack, file: dict[str, Any], data: bytes) -> None:
        """Once at each piece, after it was written."""
        really_put(pack, file, data)
        place = (file["name"], file["parts"])
        if place not in seen:
            seen.add(place)
            raise Killed

    monkeypatch.setattr(pieces, "_put", dies)
    monkeypatch.setattr(building, "MOST_ATTEMPTS", 1000)
    died = 0
    for _ in range(500):
        try:
            with transaction.atomic():
                left = packs.build(pack.pk, seconds=0)
        except Killed:
            died += 1
            # Its lease runs out; nobody tells the next worker anything.
            EvidencePack.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
        else:
            if not left:
                break
    pack.refresh_from_db()
    assert pack.status == EvidencePack.Status.DONE
    assert died == len(seen) > 20
    assert packing.bytes_of(pack) == wanted


@pytest.mark.usefixtures("_same_moment")
def test_one_long_slice_and_many_short_ones_give_the_same_bytes(people: Cast) -> None:
    some_rows(people)
    pack = packing.asked(people.jonas)
    wanted = undisturbed(pack)
    assert not packs.build(pack.pk, seconds=60)
    assert packing.bytes_of(pack) == wanted


@pytest.mark.usefixtures("small_pages")
def test_pages_join_without_a_seam(people: Cast, tmp_path: Path) -> None:
    some_rows(people)
    pack = packing.work(packing.asked(people.jonas))
    files = packing.files_of(pack)
    for name in ("users", "messages", "people"):
        assert len(packing.cells(files, name)) == len(packing.rows(files, name)), name
    assert [row["user_name"] for row in packing.cells(files, "users")] == [
        f"user-{number}" for number in range(7)
    ]
    assert check(packing.on_disk(pack, tmp_path), Pinned(packing.FINGERPRINT)).walk.entries == 8


def test_another_worker_that_comes_meanwhile_finds_it_taken(people: Cast) -> None:
    pack = packing.asked(people.jonas)
    EvidencePack.objects.update(lease_until=clock.real_now() + timedelta(minutes=1))
    assert not packs.build(pack.pk)
    assert packs.waiting() == []
    EvidencePack.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
    assert packs.waiting() == [pack.pk]
    assert packing.work(pack).status == EvidencePack.Status.DONE
    assert packs.waiting() == []


def test_a_message_that_comes_twice_builds_nothing_twice(people: Cast) -> None:
    pack = packing.work(packing.asked(people.jonas))
    before = packing.bytes_of(pack)
    assert not packs.build(pack.pk)
    assert packing.bytes_of(pack) == before
    assert LedgerEntry.objects.filter(kind="pack.built").count() == 1
    assert Notice.objects.filter(kind="pack").count() == 1


def test_what_breaks_is_tried_again_a_few_times_and_then_told(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("row 7 says Jonas Weber")

    monkeypatch.setattr(building, "_page", breaks)
    pack = packing.asked(people.jonas)
    packs.build(pack.pk, seconds=0)
    for _ in range(building.MOST_ATTEMPTS):
        with pytest.raises(RuntimeError):
            packs.build(pack.pk, seconds=0)
    pack.refresh_from_db()
    assert pack.status == EvidencePack.Status.FAILED
    assert "RuntimeError" in pack.error
    assert "row 7" not in pack.error
    assert not packs.build(pack.pk)
    assert Notice.objects.get(kind="pack").person == people.jonas
    assert LedgerEntry.objects.filter(kind="pack.failed").count() == 1


def test_a_pack_that_kills_its_workers_is_given_up(people: Cast) -> None:
    pack = packing.asked(people.jonas)
    EvidencePack.objects.update(attempts=building.MOST_ATTEMPTS)
    assert not packs.build(pack.pk)
    pack.refresh_from_db()
    assert "Several workers died" in pack.error


def test_more_than_a_zip_can_hold_is_said_with_what_to_do(
    people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipping, "MOST_BYTES", 100)
    pack = packing.work(packing.asked(people.jonas))
    assert pack.status == EvidencePack.Status.FAILED
    assert "Choose one account or fewer days" in pack.error
    assert not PackPart.objects.exists()


def test_a_key_that_is_none_is_said_and_not_shown(people: Cast, settings: Settings) -> None:
    settings.IAMCLEANUP_PACK_KEY = "private words"
    pack = packing.work(packing.asked(people.jonas))
    assert pack.status == EvidencePack.Status.FAILED
    assert "signing key cannot be read" in pack.error
    assert "private words" not in pack.error


def test_without_a_key_it_is_built_and_said_to_be_unsigned(
    people: Cast, settings: Settings, tmp_path: Path
) -> None:
    settings.IAMCLEANUP_PACK_KEY = ""
    pack = packing.work(packing.asked(people.jonas))
    assert check(packing.on_disk(pack, tmp_path)).signed_by == ""
    assert "NOT SIGNED" in packing.files_of(pack)["README.txt"].decode()
    assert "not signed" in Notice.objects.get(kind="pack").text


def statements(pack: EvidencePack) -> list[int]:
    """How many statements each step takes, in order."""
    found = []
    while True:
        with CaptureQueriesContext(connection) as asked:
            left = packs.build(pack.pk, seconds=0)
        found.append(len(asked))
        if not left:
            return found


def test_a_step_costs_as_much_with_many_rows_as_with_few(people: Cast) -> None:
    some_rows(people, 3)
    few = statements(packing.asked(people.jonas))
    for number in range(60):
        user = cast.iam_user(f"more-{number}")
        cast.departure(user)
        ledger.append("user.discovered", user=user, name=user.user_name)
    many = statements(packing.asked(people.mei))
    assert len(many) == len(few)
    assert max(many) <= max(few)


def test_the_head_of_the_ledger_is_fixed_when_it_begins(people: Cast, tmp_path: Path) -> None:
    ledger.append("before.it", note="in")
    pack = packing.asked(people.jonas)
    packs.build(pack.pk, seconds=0)
    ledger.append("after.it", note="out")
    user = cast.iam_user("late")
    cast.departure(user, "deleted", deleted_outside=True)
    ledger.append("move.vanish", user=user)
    packing.work(pack)
    files = packing.files_of(pack)
    kinds = [row["kind"] for row in packing.rows(files, "ledger")]
    assert kinds == ["before.it", "pack.asked"]
    assert packing.rows(files, "deletions") == []
    assert check(packing.on_disk(pack, tmp_path)).walk.head == pack.head_hash


def test_the_first_moment_of_a_step_is_real_time(people: Cast) -> None:
    """A lease runs on real time: the demo's clock may jump."""
    pack = packing.asked(people.jonas)
    packs.build(pack.pk, seconds=0)
    pack.refresh_from_db()
    assert pack.lease_until is None
    assert isinstance(pack.began_at, datetime)
