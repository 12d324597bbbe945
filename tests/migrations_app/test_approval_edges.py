"""What an approval writes down, until when it holds, and evidence at its very last second."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import Account, LedgerEntry
from inventory.refusals import Refused, Stale
from migrations_app import changes
from migrations_app.changes import approval, checking, steering
from migrations_app.changes.batches import words_for
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_else_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "checks", lambda *_: [])
    monkeypatch.setattr(checking, "account_blockers", lambda *_, **__: [])
    monkeypatch.setattr(steering, "account_blockers", lambda *_, **__: [])


def asked(everybody: cast.Cast, **columns: Any) -> tuple[Batch, Change]:
    """A batch of Jonas with one user that waits, and one that was left out."""
    whole = {"asked_by": everybody.jonas, "asked_at": clock.now(), "digest": "0" * 64, **columns}
    row = cast.batch(everybody.account, everybody.jonas, status="asked", **whole)
    waiting, other = (cast.departure(name, State.OWNER_ASSIGNED) for name in ("a", "b"))
    cast.change(other, batch=row, status="left-out")
    return row, cast.change(waiting, batch=row, status="asked")


def test_an_approval_is_written_down_whole_and_holds_for_a_week(everybody: cast.Cast) -> None:
    row, change = asked(everybody)

    row = changes.approve(row, everybody.mei, row.digest, overrides={"lock-out": " why ", "x": " "})

    row.refresh_from_db()
    assert (row.status, row.approved_by, row.approved_digest) == (
        "approved",
        everybody.mei,
        "0" * 64,
    )
    assert row.overrides == {"lock-out": "why"}
    assert row.approved_at is not None
    assert row.window_to == row.approved_at + timedelta(days=7)
    assert row.window_from is not None
    assert set(row.changes.values_list("status", flat=True)) == {"queued", "left-out"}
    assert Account.objects.get(pk=row.account_id).batched_for_real
    entry = LedgerEntry.objects.get(kind="batch.approved")
    assert (entry.batch, entry.data["digest"]) == (row.number, "0" * 64)
    assert entry.data["overrides"] == {"lock-out": "why"}
    change.refresh_from_db()
    assert change.status == "queued"


def test_a_sandbox_is_not_batched_for_real(everybody: cast.Cast) -> None:
    row, _ = asked(everybody, sandbox=True)
    changes.approve(row, everybody.mei, row.digest)
    assert not Account.objects.get(pk=row.account_id).batched_for_real


def test_a_deletion_needs_its_words_and_nothing_is_approved_twice_or_unseen(
    everybody: cast.Cast,
) -> None:
    row, _ = asked(everybody, move="delete")
    for digest in ("", "1" * 64):
        with pytest.raises(Stale, match="changed since you looked"):
            changes.approve(row, everybody.mei, digest)
    with pytest.raises(Refused, match="to approve") as refused:
        changes.approve(row, everybody.mei, row.digest, "delete")
    assert refused.value.rule == "words"
    changes.approve(row, everybody.mei, row.digest, f" {words_for(row)} ")
    with pytest.raises(Stale, match="nothing to approve"):
        changes.approve(row, everybody.mei, row.digest)


def test_evidence_counts_to_the_second(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, change = asked(everybody)
    looked_at = clock.now()
    change.judged = {"looked_at": looked_at.isoformat()}
    limit = looked_at + checking.policy_of_batch(row).evidence_max_age
    for moment, counts in ((limit, True), (limit + timedelta(microseconds=1), False)):
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        found = checking._evidence_age(checking.policy_of_batch(row), [change])
        assert (found.ok, found.fix == "") == (counts, counts)


def test_whoever_resumes_is_given_the_batch_that_runs(everybody: cast.Cast) -> None:
    row, _ = asked(everybody)
    row = changes.approve(row, everybody.mei, row.digest)
    Batch.objects.filter(pk=row.pk).update(status="paused", paused_at=clock.now())
    assert changes.resume(row, everybody.jonas).status == "running"
