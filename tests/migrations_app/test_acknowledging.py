"""What is acknowledged without a page, and the single reasons behind a refusal: row by row."""

from __future__ import annotations

import pytest

from inventory import ledger
from inventory.refusals import Because, NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import checking, reasons
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Viewed
from tests import cast

pytestmark = pytest.mark.django_db

ADMIN = {"code": "admin", "text": "Admin"}
RARE = {"code": "rare", "text": "Rare: runs yearly"}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def batch(everybody: cast.Cast) -> Batch:
    """Asked by Jonas: one user with two kinds of warnings, one with one, one left out."""
    row = cast.batch(
        everybody.account,
        everybody.jonas,
        status="asked",
        asked_by=everybody.jonas,
        digest="d" * 64,
    )
    for name, status, warnings in (
        ("both", "asked", [RARE, ADMIN]),
        ("rare", "asked", [RARE]),
        ("left", "left-out", [{"code": "password", "text": "It does not come back"}]),
    ):
        of = cast.departure(name, State.OWNER_ASSIGNED, everybody.payments)
        cast.change(of, batch=row, status=status, warnings=warnings, digest="c" * 64)
    return row


def test_each_kind_that_waits_for_approval_is_named_once(batch: Batch) -> None:
    assert changes.to_acknowledge(batch) == ["admin", "rare"]


def test_what_is_not_acknowledged_is_told_user_by_user_and_nothing_else(
    everybody: cast.Cast, batch: Batch
) -> None:
    with pytest.raises(Refused, match="Not acknowledged: admin") as refused:
        changes.approve_by_digest(batch, everybody.mei, "d" * 64, acknowledged=["rare"])
    user = Change.objects.get(departure__user__user_name="both").departure.user
    fix = "Look at it, then acknowledge it."
    assert refused.value.because == (Because("admin", "Admin", fix, user.user_id, "both"),)
    assert refused.value.rule == "warnings"
    assert not Viewed.objects.exists()


def test_another_digest_is_stale_and_who_may_not_approve_acknowledges_nothing(
    everybody: cast.Cast, batch: Batch
) -> None:
    both = ["admin", "rare"]
    ledger.append("batch.asked", actor=everybody.jonas, batch=batch.number)
    with pytest.raises(Stale, match=f"looked at it by {everybody.jonas}") as refused:
        changes.approve_by_digest(batch, everybody.mei, "e" * 64, acknowledged=both)
    assert refused.value.rule == "digest"
    with pytest.raises(NotAllowed):
        changes.approve_by_digest(batch, everybody.sara, "d" * 64, acknowledged=both)
    Batch.objects.update(move="delete")
    batch.refresh_from_db()
    with pytest.raises(NotAllowed) as not_allowed:
        changes.approve_by_digest(batch, everybody.mei, "d" * 64, acknowledged=both)
    assert not_allowed.value.rule == "api-approves-deletes"
    assert not Viewed.objects.exists()


def test_who_was_left_out_comes_with_what_to_do(batch: Batch) -> None:
    change = Change.objects.get(departure__user__user_name="left")
    change.blockers = [
        {"code": "busy", "text": "It is busy.", "fix": "Wait."},
        {"code": "gone", "text": "It is gone."},
    ]
    user = change.departure.user
    assert reasons.left_out([change]) == [
        Because("busy", "It is busy.", "Wait.", user.user_id, "left"),
        Because("gone", "It is gone.", "", user.user_id, "left"),
    ]


@pytest.mark.parametrize(
    ("text", "fix", "said"),
    [
        ("1 user not viewed yet", "Tick Viewed.", "1 user not viewed yet. Tick Viewed."),
        ("It is in use.", "Ask its owner.", "It is in use. Ask its owner."),
        ("Not every user was looked at.", "", "Not every user was looked at."),
        ("Who answers for it?", "Ask its team.", "Who answers for it? Ask its team."),
        ("It is the last one!", "Keep it.", "It is the last one! Keep it."),
        ("Evidence is 2 hours old", "", "Evidence is 2 hours old"),
    ],
)
def test_a_refusal_is_said_in_whole_sentences(text: str, fix: str, said: str) -> None:
    refused = reasons.refused_for([checking.Check("viewed", False, text, fix)])
    assert str(refused) == said
