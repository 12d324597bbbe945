"""A user whose key AWS found in public, and how far a deletion was really listened to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Min

from demo.aws.managed_policies import QUARANTINE
from demo.aws.state import User
from inventory.models import TrailCoverage
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change
from tests.migrations_app.stage import Stage, of_user, one_key

pytestmark = pytest.mark.django_db
LOCKED = {"lock-out": "drilled", "no-federation": "next week"}


def leaked(stage: Stage, user: User) -> None:
    one_key(stage, user)
    user.attached.append(QUARANTINE)


def test_an_ordinary_batch_leaves_it_out_and_says_what_to_do(stage: Stage) -> None:
    batch = stage.draft("disable", [stage.user(give=leaked)])
    (blocker,) = batch.changes.get().blockers
    assert blocker["code"] == "quarantined"
    assert "urgent batch" in blocker["fix"]


def asked_delete(stage: Stage) -> Batch:
    """Shut by an urgent batch, soaked, and asked to be deleted."""
    departure = stage.user(give=leaked)
    stage.ran("disable", [departure], urgent=True, reason="It is on GitHub")
    assert QUARANTINE in stage.holdings(departure).attached_policies
    stage.skip(days=15)
    stage.listen()
    return stage.asked("delete", [departure])


def test_its_deletion_names_the_detaching_as_a_line_of_its_own_to_approve(stage: Stage) -> None:
    batch = asked_delete(stage)
    change = batch.changes.get()
    assert any("this detaches it" in one["text"] for one in change.warnings)
    words = changes.words_for(batch)
    with pytest.raises(Refused, match="Detaches AWSCompromisedKeyQuarantineV2"):
        changes.approve(batch, stage.people.mei, batch.digest, words, LOCKED)
    code = f"quarantine:{change.departure.user.user_id}"
    reasons = {**LOCKED, code: "Support case 4711 is closed"}
    batch = changes.approve(batch, stage.people.mei, batch.digest, words, reasons)
    assert batch.overrides[code] == "Support case 4711 is closed"
    changes.sweep()
    stage.work(batch)
    change.departure.refresh_from_db()
    assert change.departure.state == State.DELETED


def test_a_quarantine_put_on_after_the_approval_leaves_the_user_out(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    stage.in_aws(departure).attached.append(QUARANTINE)
    stage.work(batch)
    change = of_user(departure, "delete")
    assert change.status == Change.Status.LEFT_OUT
    assert "managed policies changed" in change.result


def test_the_dry_run_of_a_deletion_says_until_when_it_was_listened_to(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    heard = TrailCoverage.objects.filter(user=departure.user).aggregate(to=Min("read_to"))["to"]
    stage.skip(minutes=40)
    judged = stage.draft("delete", [departure]).changes.get().judged
    departure.refresh_from_db()
    assert departure.last_used_read_at is not None
    assert judged["looked_at"] == min(heard, departure.last_used_read_at).isoformat()
    assert judged["whole"]


def test_a_region_that_was_never_heard_is_not_called_looked_at(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    TrailCoverage.objects.filter(user=departure.user, region="eu-west-1").delete()
    judged = stage.draft("delete", [departure]).changes.get().judged
    assert (judged["looked_at"], judged["whole"]) == ("", False)


def test_a_gap_after_the_fence_is_not_whole(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    departure.refresh_from_db()
    assert departure.fenced_at is not None
    late = departure.fenced_at + timedelta(days=1)
    TrailCoverage.objects.filter(user=departure.user).update(read_from=late)
    assert not stage.draft("delete", [departure]).changes.get().judged["whole"]
