"""A real worker follows a confirmed sheet, also one whose message was lost."""

from __future__ import annotations

import pytest
from celery import current_app

from migrations_app import owner_import
from migrations_app.models import Departure, OwnerImport
from tests import cast
from tests.processes import Workers, eventually

pytestmark = pytest.mark.worker


@pytest.mark.parametrize("lost", [False, True], ids=["told", "message lost"])
def test_a_worker_follows_it_to_its_end(workers: Workers, lost: bool) -> None:
    everybody = cast.cast()
    for number in range(60):
        cast.departure(f"user-{number}")
    content = "user,team\n" + "".join(f"user-{number},payments\n" for number in range(60))
    row = owner_import.show(content.encode(), "x.csv", everybody.jonas)
    if lost:
        counts = {**row.counts, "assigned": 0, "changed": 0, "categories": 0, "left_out": 0}
        OwnerImport.objects.update(status=OwnerImport.Status.RUNNING, counts=counts)
        current_app.send_task("migrations_app.tasks.sweep", queue="read")
    else:
        owner_import.confirm(row, everybody.jonas, row.digest)

    eventually(lambda: OwnerImport.objects.get().status == OwnerImport.Status.DONE)

    assert OwnerImport.objects.get().counts["assigned"] == 60
    assert Departure.objects.filter(owner=everybody.payments).count() == 60
