"""What was kept for 30 days is deleted, once, and the record of it stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import LedgerEntry, Role
from migrations_app import packs, tasks
from migrations_app.models import EvidencePack, PackKey, PackPart
from tests import cast
from tests.migrations_app.packs import packing

pytestmark = pytest.mark.django_db


def aged(days: float) -> EvidencePack:
    person = cast.person("jonas", "Jonas Weber", [Role.ENGINEER])
    pack = packing.work(packing.asked(person, contents=("policy",)))
    EvidencePack.objects.update(built_at=clock.now() - timedelta(days=days))
    return pack


def test_after_thirty_days_its_bytes_are_gone_and_the_ledger_says_so() -> None:
    pack = aged(30)
    assert packs.delete_old() == 1
    pack.refresh_from_db()
    assert pack.status == EvidencePack.Status.DELETED
    assert not PackPart.objects.exists()
    assert LedgerEntry.objects.get(kind="pack.deleted").data["pack"] == pack.pk
    # The second run finds nothing.
    assert packs.delete_old() == 0
    assert LedgerEntry.objects.filter(kind="pack.deleted").count() == 1


def test_before_that_it_stays() -> None:
    pack = aged(29.9)
    assert packs.delete_old() == 0
    assert packing.bytes_of(pack)


def test_the_ledger_vouches_for_every_file_of_a_pack() -> None:
    pack = aged(0)
    entry = LedgerEntry.objects.get(kind="pack.built")
    assert entry.data["sums"] == pack.sums_digest
    assert entry.data["signed_by"] == packing.FINGERPRINT
    assert pack.bytes == len(packing.bytes_of(pack))


def test_a_worker_tells_its_public_key_once_and_the_ledger_has_it() -> None:
    tasks.tell_the_key_of_packs()
    tasks.tell_the_key_of_packs()
    assert PackKey.objects.get().fingerprint == packing.FINGERPRINT
    assert "PRIVATE" not in PackKey.objects.get().pem
    assert LedgerEntry.objects.filter(kind="pack.key").count() == 1
