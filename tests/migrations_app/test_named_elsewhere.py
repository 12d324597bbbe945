"""A delete and whoever still names the user: what blocks stops it, the rest is ticked first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inventory import refresh
from inventory.models import Account, IamUser
from inventory.referrers.declared import of_origin, signs_digest
from inventory.referrers.looked_at import Scope, wanted
from inventory.referrers.references import Reference
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.changes import batches
from migrations_app.lifecycle import State
from migrations_app.models import Change, Departure
from tests import cast
from tests.migrations_app.browsing import browser
from tests.migrations_app.stage import REGIONS, Stage

pytestmark = pytest.mark.django_db
KEY = Reference(
    "key", "k-1", "Key policy, its only administrator", blocks=True, fix="Name another first."
)
OVERRIDES = {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"}
BUCKET = Reference("bucket", "acme", "Bucket policy, will hold a dead AIDA… ID", region="eu-west-1")


def named(departure: Departure, *references: Reference) -> None:
    rows = [one.row() for one in references]
    IamUser.objects.filter(pk=departure.user_id).update(references=rows)


def everywhere_looked(stage: Stage, **instead: Any) -> None:
    """As a sync leaves it that read every resource a moment ago, but for `instead`."""
    now = stage.simulator.now()
    read: dict[str, dict[str, Any]] = {}
    for kind, region in wanted(REGIONS):
        scope = instead.get(kind) or Scope(kind, region, now, 1)
        read.setdefault(kind, {})[region] = scope.row()
    Account.objects.filter(pk=stage.people.account.pk).update(
        references_read=read, enabled_regions=list(REGIONS)
    )


@pytest.fixture
def shut(stage: Stage) -> Departure:
    """Shut, soaked, listened to: nothing else stands in the way of its deletion."""
    departure = stage.user()
    stage.ready_to_delete(departure)
    everywhere_looked(stage)
    departure.refresh_from_db()
    return departure


def test_what_blocks_stops_a_delete_with_its_own_sentence(stage: Stage, shut: Departure) -> None:
    named(shut, KEY, BUCKET)
    draft = stage.draft("delete", [shut])
    (change,) = draft.changes.all()
    assert [(one["text"], one["fix"]) for one in change.blockers] == [
        (f"{shut.user} is the only administrator of KMS key k-1.", "Name another first.")
    ]
    with pytest.raises(Refused):
        changes.ask(draft, stage.people.jonas)


def test_what_blocks_only_since_the_approval_leaves_the_user_out(
    stage: Stage, shut: Departure
) -> None:
    batch = stage.started("delete", [shut])
    named(shut, KEY)
    stage.work(batch)
    change = batch.changes.get()
    assert change.status == Change.Status.LEFT_OUT
    assert "only administrator of KMS key" in change.result
    assert stage.in_aws(shut).name == shut.user.user_name


def test_a_warning_needs_the_tick_of_the_approver(stage: Stage, shut: Departure) -> None:
    named(shut, BUCKET)
    batch = changes.ask(stage.draft("delete", [shut]), stage.people.jonas)
    stage.open(batch)
    (change,) = batch.changes.all()
    assert {"code": "reference", "text": f"acme in eu-west-1: {BUCKET.text}"} in change.warnings
    words = changes.words_for(batch)
    with pytest.raises(Refused, match=f"Not read yet who still names {shut.user}"):
        changes.approve(batch, stage.people.mei, batch.digest, words, OVERRIDES)
    stage.see(batch)
    changes.approve(batch, stage.people.mei, batch.digest, words, OVERRIDES)


def test_a_ticked_warning_lets_the_delete_go_through(stage: Stage, shut: Departure) -> None:
    named(shut, BUCKET)
    stage.ran("delete", [shut])
    shut.refresh_from_db()
    assert shut.state == State.DELETED


def test_a_name_found_after_the_approval_leaves_the_user_out(stage: Stage, shut: Departure) -> None:
    batch = stage.started("delete", [shut])
    named(shut, BUCKET)
    stage.work(batch)
    assert "named elsewhere since it was approved" in batch.changes.get().result
    assert stage.in_aws(shut).name == shut.user.user_name


def test_of_two_who_alone_administer_a_key_one_may_go_and_the_last_may_not(
    stage: Stage, shut: Departure
) -> None:
    other = stage.user("ci-pay-older")
    stage.ready_to_delete(other)
    everywhere_looked(stage)
    other.refresh_from_db()
    key = Reference("key", "k-1", "Key policy, one of its only 2 administrators", fix="Name one.")
    named(shut, replace(key, shared_with=(other.user.user_id,)))
    named(other, replace(key, shared_with=(shut.user.user_id,)))
    batch = stage.started("delete", [shut, other])
    stage.work(batch)
    gone, kept = sorted(batch.changes.all(), key=lambda change: change.status != "done")
    assert (gone.status, kept.status) == (Change.Status.DONE, Change.Status.LEFT_OUT)
    assert "is the only administrator of KMS key k-1" in kept.result
    assert stage.in_aws(kept.departure).name == kept.departure.user.user_name


def test_a_place_that_became_unreadable_after_the_approval_leaves_the_user_out(
    stage: Stage, shut: Departure
) -> None:
    batch = stage.started("delete", [shut])
    denied = Scope("bucket", "", error="AccessDenied", broken=True)
    everywhere_looked(stage, bucket=denied)
    stage.work(batch)
    assert "That was not so when it was approved." in batch.changes.get().result
    assert stage.in_aws(shut).name == shut.user.user_name


def test_a_role_that_others_assumed_again_is_no_new_name(stage: Stage, shut: Departure) -> None:
    def trusting(day: str) -> Reference:
        text = f"Role trust policy, will hold a dead AIDA… ID, {day}"
        return Reference("role-trust", "shared", text)

    named(shut, trusting("last assumed 23 Nov 2026"))
    batch = stage.started("delete", [shut])
    named(shut, trusting("last assumed 24 Nov 2026"))
    stage.work(batch)
    shut.refresh_from_db()
    assert shut.state == State.DELETED


def test_a_tick_does_not_count_for_a_warning_that_was_not_shown(
    stage: Stage, shut: Departure
) -> None:
    batch = changes.ask(stage.draft("delete", [shut]), stage.people.jonas)
    stage.see(batch)
    changes.withdraw(batch, stage.people.jonas)
    batch.refresh_from_db()
    named(shut, BUCKET)
    changes.ask_dry_run(batch, stage.people.jonas)
    batches.dry_run(batch.pk)
    batch.refresh_from_db()
    batch = changes.ask(batch, stage.people.jonas)
    failed = {one.code for one in changes.checks(batch, stage.people.mei) if not one.ok}
    assert {"references", "viewed"} <= failed


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (
            Scope("bucket", "", error="AccessDenied", broken=True),
            "Not looked at who names it: buckets (AccessDenied)",
        ),
        (Scope("bucket", ""), "Not looked at who names it: buckets (not read yet)"),
    ],
)
def test_what_was_not_looked_at_is_ticked_and_blocks_nothing(
    stage: Stage, shut: Departure, scope: Scope, said: str
) -> None:
    everywhere_looked(stage, bucket=scope)
    shut.refresh_from_db()
    batch = stage.asked("delete", [shut])
    (change,) = batch.changes.all()
    assert said in [one["text"] for one in change.warnings]
    told = {one.code: one.ok for one in changes.checks(batch, stage.people.mei)}
    assert told["references"] is True


def test_a_disable_is_not_held_by_what_was_not_looked_at(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.draft("disable", [departure])
    codes = [one["code"] for change in batch.changes.all() for one in change.warnings]
    assert "reference-unread" not in codes


def test_removed_from_the_code_lets_it_go(stage: Stage, shut: Departure) -> None:
    tags = {"ManagedBy": "Terraform"}
    stage.in_aws(shut).tags = dict(tags)
    rows = [one.row() for one in of_origin(shut.user.user_name, tags, "", "")]
    IamUser.objects.filter(pk=shut.user_id).update(tags=tags, references=rows)
    shut.user.refresh_from_db()
    draft = stage.draft("delete", [shut])
    (change,) = draft.changes.all()
    assert "still declared in Terraform" in change.blockers[0]["text"]
    changes.discard(draft, stage.people.jonas)
    refresh.record_removed_from_code(
        shut.user, stage.people.jonas, "infra!212", signs_digest(tags, "")
    )
    stage.ran("delete", [shut])
    shut.refresh_from_db()
    assert shut.state == State.DELETED


# ── The page ─────────────────────────────────────────────────────────────────────────────────────


def page(stage: Stage, departure: Departure, person: Any) -> str:
    return browser(person).get(address(departure)).content.decode()


def address(departure: Departure, more: str = "") -> str:
    return f"/users/{cast.ACCOUNT_ID}/{departure.user.user_id}/{more}"


def test_the_page_says_who_refers_to_it_and_what_was_looked_at(
    stage: Stage, shut: Departure
) -> None:
    named(shut, KEY, BUCKET)
    everywhere_looked(stage, bucket=Scope("bucket", "", error="AccessDenied", broken=True))
    text = page(stage, shut, stage.people.jonas)
    assert "1 blocks deletion" in text
    assert "Key policy, its only administrator" in text
    assert "Name another first." in text
    assert "Bucket policy, will hold a dead AIDA… ID, eu-west-1" in text
    assert "Looked at: roles and policies, 2 queues, 2 topics" in text
    assert "Not looked at: buckets (AccessDenied)." in text


def test_an_engineer_records_on_the_page_that_code_let_go(stage: Stage) -> None:
    tags = {"ManagedBy": "Terraform"}
    rows = [one.row() for one in of_origin("ci-iac", tags, "", "")]
    departure = cast.departure(cast.iam_user("ci-iac", tags=tags, references=rows))
    button = "It was removed from the code"
    assert button in page(stage, departure, stage.people.jonas)
    assert button not in page(stage, departure, stage.people.vera)
    sent = {"reason": "infra!212", "signs": signs_digest(tags, "")}
    where = address(departure, "removed-from-code/")
    assert browser(stage.people.vera).post(where, sent).status_code == 403
    assert browser(stage.people.jonas).get(where).status_code == 405
    browser(stage.people.jonas).post(where, sent)
    text = page(stage, departure, stage.people.jonas)
    assert button not in text
    assert "infra!212" in text
    assert "Jonas Weber" in text
    IamUser.objects.update(tags={"ManagedBy": "Pulumi"})
    assert "No longer counts" in page(stage, departure, stage.people.jonas)
