"""Rows become what the guards judge: whose change, whose hit, whose coverage, and whose are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis

from inventory import clock
from inventory.aws import identity
from inventory.models import Account, IamUser, Organization, TrailCoverage, TrailGap
from migrations_app.changes import situation as module
from migrations_app.changes.situation import account_situation, break_glass, lock_out, situation
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Change, Departure, EmergencyStop, Plan
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    """A user of Payments, with the way in that it has."""
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


@pytest.fixture
def watched(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.DISABLED, everybody.payments)


def now(departure: Departure) -> Departure:
    return Departure.objects.select_related("user__account", "owner").get(pk=departure.pk)


# ── Who can be told ──────────────────────────────────────────────────────────────────────────────


def test_a_team_is_reached_through_its_lead_or_a_member_who_leads(
    everybody: cast.Cast, theirs: Departure
) -> None:
    assert situation(theirs).owner_can_be_reached
    everybody.payments.lead = None
    everybody.payments.save()
    # Sara is a member with the role.
    assert situation(theirs).owner_can_be_reached
    everybody.sara.is_active = False
    everybody.sara.save()
    assert not situation(theirs).owner_can_be_reached


def test_a_lead_who_left_and_a_member_without_the_role_reach_nobody(
    everybody: cast.Cast, theirs: Departure
) -> None:
    everybody.sara.is_active = False
    everybody.sara.save()
    everybody.payments.members.add(everybody.vera)
    assert not situation(theirs).owner_can_be_reached


def test_what_nobody_owns_has_nobody_to_be_reached(everybody: cast.Cast) -> None:
    found = situation(cast.departure("stray"))
    assert (found.has_owner, found.owner_name, found.owner_can_be_reached) == (False, "", False)


# ── What stands in its way ───────────────────────────────────────────────────────────────────────


def test_a_change_of_another_batch_is_named_and_the_one_that_asks_is_not(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = cast.batch(everybody.account, everybody.jonas)
    mine = cast.change(theirs, batch=batch, status=Change.Status.ASKED)
    assert situation(theirs).other_change == f"batch {batch}"
    assert situation(theirs, besides=[mine]).other_change == ""


@pytest.mark.parametrize("status", [Change.Status.DRAFT, Change.Status.DONE])
def test_what_is_a_draft_or_has_ended_stands_in_nobodys_way(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    cast.change(theirs, status=status)
    assert situation(theirs).other_change == ""


@pytest.mark.parametrize(
    ("status", "finished", "named"),
    [
        ("queued", False, "a restore"),
        ("running", False, "a restore"),
        ("failed", False, "a restore"),
        ("failed", True, "a restore"),
        # Only read back.
        ("queued", True, ""),
        ("running", True, ""),
    ],
)
def test_a_restore_stands_in_the_way_until_it_is_only_read_back(
    theirs: Departure, status: str, finished: bool, named: str
) -> None:
    cast.change(theirs, "restore", status=status, finished_at=clock.now() if finished else None)
    assert situation(theirs).other_change == named


def test_a_forward_change_that_waits_again_stands_in_the_way_though_it_ended_once(
    theirs: Departure,
) -> None:
    cast.change(theirs, status="queued", finished_at=clock.now())
    assert situation(theirs).other_change == "a disable"


def test_only_an_open_hit_holds_and_only_its_own_user(watched: Departure) -> None:
    other = cast.departure("other", State.DISABLED)
    cast.hit(other)
    cast.hit(watched, kind="knock")
    cast.hit(watched, closed="dismissed")
    assert not situation(watched).open_hit
    assert situation(other).open_hit


def test_a_plan_counts_from_when_it_was_confirmed(theirs: Departure) -> None:
    at = clock.now() - timedelta(days=3)
    plan = cast.plan(theirs, confirmed_at=at)
    assert situation(theirs).plan_confirmed_at is None
    Plan.objects.filter(pk=plan.pk).update(status=Plan.Status.CONFIRMED)
    assert situation(theirs).plan_confirmed_at == at


@pytest.mark.parametrize(
    ("columns", "fact"),
    [
        ({"protection": "exempt"}, {"protection": "exempt"}),
        ({"answer": "needed"}, {"answer": "needed"}),
        ({"disputed_until": clock.now().date()}, {"disputed_until": clock.now().date()}),
        ({"overruled_verdict": "active"}, {"overruled_verdict": "active"}),
    ],
)
def test_what_the_row_says_is_judged(
    theirs: Departure, columns: dict[str, Any], fact: dict[str, Any]
) -> None:
    Departure.objects.filter(pk=theirs.pk).update(**columns)
    found = situation(now(theirs))
    assert {name: getattr(found, name) for name in fact} == fact


def test_a_pending_claim_an_offer_and_a_quarantine_are_seen(
    everybody: cast.Cast, theirs: Departure
) -> None:
    before = situation(theirs)
    assert (before.claim_pending, before.handed_over) == (False, False)
    assert (before.quarantined, before.gone) == (False, False)
    Departure.objects.filter(pk=theirs.pk).update(
        claim_pending_team=everybody.platform, handed_to=everybody.platform
    )
    IamUser.objects.filter(pk=theirs.user_id).update(
        gone_at=clock.now(),
        attached_policies=[
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
        ],
    )
    found = situation(now(theirs))
    assert (found.claim_pending, found.handed_over) == (True, True)
    assert (found.quarantined, found.gone) == (True, True)


def test_who_shares_a_reference_counts_only_while_it_is_there(theirs: Departure) -> None:
    other = cast.iam_user("other-key-admin")
    IamUser.objects.filter(pk=theirs.user_id).update(
        references=[
            {
                "name": "key billing",
                "kind": "kms-key",
                "text": "is administrator",
                "blocks": False,
                "shared_with": [other.user_id],
            }
        ]
    )
    assert situation(now(theirs)).references_that_block == ()
    IamUser.objects.filter(pk=other.pk).update(gone_at=clock.now())
    (still,) = situation(now(theirs)).references_that_block
    assert "key billing" in still.text


# ── How far it was heard ─────────────────────────────────────────────────────────────────────────


def read(row: Departure, region: str, since: datetime, until: datetime | None) -> None:
    TrailCoverage.objects.create(
        user=row.user, region=region, read_from=since, read_to=until, looked_at=clock.now()
    )


def test_whole_listening_is_what_every_region_has_in_common(watched: Departure) -> None:
    today = clock.now()
    read(watched, "us-east-1", today - timedelta(days=9), today - timedelta(hours=1))
    found = situation(watched)
    assert (found.listened_from, found.listened_to) == (None, None)
    read(watched, "eu-west-1", today - timedelta(days=4), today)
    found = situation(watched)
    assert found.listened_from == today - timedelta(days=4)
    assert found.listened_to == today - timedelta(hours=1)


def test_a_region_that_was_never_read_to_an_end_and_none_enabled_are_no_listening(
    watched: Departure,
) -> None:
    today = clock.now()
    read(watched, "us-east-1", today - timedelta(days=9), today)
    read(watched, "eu-west-1", today - timedelta(days=9), None)
    assert situation(watched).listened_to is None
    Account.objects.update(enabled_regions=["us-east-1"])
    assert situation(now(watched)).listened_to == today
    Account.objects.update(enabled_regions=[])
    assert situation(now(watched)).listened_to is None


def test_a_gap_since_the_fence_is_told_by_region_until_it_is_lost(watched: Departure) -> None:
    today = clock.now()
    other = cast.departure("other", State.DISABLED)
    for region in ("us-east-1", "eu-west-1"):
        read(watched, region, today - timedelta(days=9), today)
    for row, region, ended, lost in (
        (watched, "us-east-1", timedelta(days=2), None),
        (watched, "us-east-1", timedelta(hours=2), today),
        (watched, "eu-west-1", timedelta(hours=3), None),
        (other, "us-east-1", timedelta(hours=4), None),
    ):
        TrailGap.objects.create(
            user=row.user,
            region=region,
            from_at=today - ended - timedelta(hours=1),
            until_at=today - ended,
            read_from=today - timedelta(days=9),
            why="too many",
            lost_at=lost,
        )
    assert situation(watched).unheard == ("eu-west-1",)


# ── The account ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keeper(everybody: cast.Cast) -> IamUser:
    """The declared break-glass user, written in another case in the file."""
    user = cast.iam_user("break-glass", mfa=[{"serial": "1", "kind": "hardware"}])
    cast.iam_user("break-glass", cast.account("210987654321", "other"))
    Organization.objects.update(break_glass_account=cast.ACCOUNT_ID, break_glass_user="Break-Glass")
    return user


def test_the_break_glass_user_is_the_declared_one_while_it_is_there(keeper: IamUser) -> None:
    assert break_glass() == keeper
    IamUser.objects.filter(pk=keeper.pk).update(gone_at=clock.now())
    assert break_glass() is None
    IamUser.objects.update(gone_at=None)
    Organization.objects.update(break_glass_user="")
    assert break_glass() is None


def test_an_account_is_judged_by_its_keeper_and_its_own_open_hits(
    everybody: cast.Cast, keeper: IamUser, watched: Departure
) -> None:
    elsewhere = cast.iam_user("far", cast.account("210987654321", "other"))
    cast.hit(cast.departure(elsewhere, State.DISABLED))
    cast.hit(cast.departure("knocked", State.DISABLED), kind="knock")
    cast.hit(cast.departure("closed", State.DISABLED), closed="dismissed")
    cast.hit(watched)
    found = account_situation(everybody.account, MoveName.DISABLE)
    assert found.open_hits == ("ci-pay-old",)
    assert found.break_glass_has_mfa
    assert found.break_glass_seen_at is not None
    IamUser.objects.filter(pk=keeper.pk).update(mfa=[])
    assert not account_situation(everybody.account, MoveName.DISABLE).break_glass_has_mfa
    Organization.objects.update(break_glass_user="")
    found = account_situation(everybody.account, MoveName.DISABLE)
    assert (found.break_glass_seen_at, found.break_glass_has_mfa) == (None, False)


@pytest.mark.parametrize(
    ("move", "role"), [(MoveName.DISABLE, "actor_role"), (MoveName.DELETE, "deleter_role")]
)
def test_each_move_needs_the_role_that_makes_it(
    everybody: cast.Cast, move: MoveName, role: str
) -> None:
    assert not account_situation(everybody.account, move).has_role
    setattr(everybody.account, role, "arn:aws:iam::123456789012:role/It")
    assert account_situation(everybody.account, move).has_role


def test_a_stop_that_was_lifted_holds_nobody(everybody: cast.Cast) -> None:
    stop = EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now())
    assert account_situation(everybody.account, MoveName.DISABLE).stopped
    EmergencyStop.objects.filter(pk=stop.pk).update(
        lifted_at=clock.now(), lifted_by=everybody.jonas
    )
    assert not account_situation(everybody.account, MoveName.DISABLE).stopped


def test_a_sandbox_that_may_be_real_by_now_is_held(everybody: cast.Cast) -> None:
    account = everybody.account
    assert account_situation(account, MoveName.DISABLE).hold_reason == ""
    account.sandbox = True
    assert account_situation(account, MoveName.DISABLE).hold_reason != ""
    account.hold_reason = "It was listed short."
    assert account_situation(account, MoveName.DISABLE).hold_reason == "It was listed short."


def test_without_redis_nobody_knows_whose_credentials_the_workers_use(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not account_situation(everybody.account, MoveName.DISABLE).self_known

    def broken() -> frozenset[identity.Reported]:
        raise redis.RedisError

    monkeypatch.setattr(identity, "reported", broken)
    assert not module.self_is_known()


# ── Rule 19 ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def admin(everybody: cast.Cast) -> Departure:
    """The only administrator besides the break-glass user, seen today."""
    everybody.account.federated_sign_in_at = clock.now()
    user = cast.iam_user("root-admin", privilege="admin", last_activity_at=clock.now())
    return cast.departure(user, State.OWNER_ASSIGNED)


def locked_out(everybody: cast.Cast, *leaving: Departure) -> list[str]:
    return [one.code for one in lock_out(everybody.account, leaving)]


def test_one_administrator_who_stays_is_a_way_in(
    everybody: cast.Cast, admin: Departure, theirs: Departure
) -> None:
    assert locked_out(everybody, theirs) == []
    assert locked_out(everybody, theirs, admin) == ["lock-out"]
    everybody.account.admin_seen_at = clock.now()
    assert locked_out(everybody, theirs, admin) == []


def _elsewhere(admin: Departure) -> None:
    IamUser.objects.filter(pk=admin.user_id).update(account=cast.account("210987654321", "other"))


def _could_become_one(admin: Departure) -> None:
    IamUser.objects.filter(pk=admin.user_id).update(privilege="can-become-admin")


def _gone(admin: Departure) -> None:
    IamUser.objects.filter(pk=admin.user_id).update(gone_at=clock.now())


def _off(admin: Departure) -> None:
    Departure.objects.filter(pk=admin.pk).update(
        state=State.DISABLED, fenced_at=clock.now(), clock_started_at=clock.now(), fence="policy"
    )


def _on_its_way_out(admin: Departure) -> None:
    cast.change(admin, status=Change.Status.QUEUED)


def _the_keeper(admin: Departure) -> None:
    Organization.objects.update(break_glass_account=cast.ACCOUNT_ID, break_glass_user="root-admin")


@pytest.mark.parametrize(
    "made", [_elsewhere, _could_become_one, _gone, _off, _on_its_way_out, _the_keeper]
)
def test_who_is_no_administrator_that_stays_is_no_way_in(
    everybody: cast.Cast, admin: Departure, theirs: Departure, made: Callable[[Departure], None]
) -> None:
    made(admin)
    assert locked_out(everybody, theirs) == ["lock-out"]


@pytest.mark.parametrize(
    ("move", "status"), [("restore", "queued"), ("disable", "done"), ("disable", "left-out")]
)
def test_who_is_restored_or_was_left_out_stays_a_way_in(
    everybody: cast.Cast, admin: Departure, theirs: Departure, move: str, status: str
) -> None:
    cast.change(admin, move, status=status)
    assert locked_out(everybody, theirs) == []


def test_people_keep_a_way_in_only_where_a_federated_sign_in_was_seen(
    everybody: cast.Cast, admin: Departure, theirs: Departure
) -> None:
    everybody.account.federated_sign_in_at = None
    assert locked_out(everybody, theirs) == []
    theirs.user.category = "human-console"
    assert locked_out(everybody, theirs) == ["no-federation"]
