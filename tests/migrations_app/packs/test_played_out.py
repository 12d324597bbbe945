"""A pack of an account whose users were really fenced, restored and deleted says what happened."""

from __future__ import annotations

from pathlib import Path

from inventory import ledger
from inventory.models import LedgerEntry
from inventory.pack.checking import Pinned, check
from migrations_app.models import Call, Departure, Notice
from tests.migrations_app.packs import packing
from tests.migrations_app.stage import Stage, of_user


def test_what_is_in_it_is_what_happened(stage: Stage, tmp_path: Path) -> None:
    gone, back = stage.user("ci-gone"), stage.user("ci-back")
    shut = stage.shut(gone, back)
    stage.restored(back)
    stage.skip(days=15)
    stage.listen()
    deletion = stage.ran("delete", [gone])
    people = stage.people

    pack = packing.work(packing.asked(people.jonas))

    files = packing.files_of(pack)
    (row,) = packing.rows(files, "deletions")
    change = of_user(gone, "delete")
    gone.refresh_from_db()
    assert row["user"] == "ci-gone"
    assert row["user_id"] == gone.user.user_id
    assert row["change"] == change.pk
    assert row["batch"] == deletion.number
    assert "NoSuchEntity" in row["proof"]
    assert row["request_ids"] == [
        call.request_id for call in change.calls.order_by("seq") if call.request_id
    ]
    assert deletion.asked_by
    assert deletion.approved_by
    assert row["requester"] == ledger.person_hash(deletion.asked_by)
    assert row["approver"] == ledger.person_hash(deletion.approved_by)
    approvals = {one["batch"]: one for one in packing.rows(files, "approvals")}
    assert {shut.number, deletion.number} <= set(approvals)
    assert approvals[deletion.number]["digest"] == deletion.approved_digest
    assert approvals[deletion.number]["users"] == [gone.user.user_id]
    calls = packing.rows(files, "calls")
    assert [one["call"] for one in calls] == list(
        Call.objects.order_by("pk").values_list("pk", flat=True)
    )
    assert {one["move"] for one in calls} == {"disable", "restore", "delete"}
    states = {one["user_name"]: one["state"] for one in packing.rows(files, "users")}
    assert states["ci-gone"] == "deleted"
    assert states["ci-back"] == "owner-assigned"
    assert len(states) == Departure.objects.count()
    told = {one["key"] for one in packing.rows(files, "messages")}
    assert told == set(Notice.objects.exclude(kind="pack").values_list("key", flat=True))

    found = check(packing.on_disk(pack, tmp_path), Pinned(packing.FINGERPRINT))
    head = LedgerEntry.objects.get(seq=found.walk.last)
    assert (found.walk.first, found.walk.head) == (1, head.hash)
    assert found.deletions == 1
    assert found.walk.withheld == 0
