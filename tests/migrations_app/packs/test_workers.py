"""A real worker builds a pack, also one whose message was lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import current_app

from inventory.pack.checking import check
from migrations_app.models import EvidencePack
from tests import cast
from tests.migrations_app.packs import packing
from tests.processes import Workers, eventually

pytestmark = pytest.mark.worker


@pytest.mark.parametrize("lost", [False, True], ids=["told", "message lost"])
def test_a_worker_builds_it_to_its_end(workers: Workers, tmp_path: Path, lost: bool) -> None:
    everybody = cast.cast()
    for number in range(20):
        cast.departure(f"user-{number}")
    pack = packing.asked(everybody.vera)
    if lost:
        current_app.control.purge()
        current_app.send_task("migrations_app.tasks.sweep", queue="read")

    eventually(lambda: EvidencePack.objects.get().status == EvidencePack.Status.DONE)

    pack.refresh_from_db()
    assert check(packing.on_disk(pack, tmp_path)).walk.last == pack.head_seq
