"""A look at Identity Center is whole or changes nothing, and is made once for the organization."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.identity_center import REGION, STORY_GROUP, STORY_SET, IdentityCenter
from inventory import clock, refresh
from inventory.aws import actions
from inventory.aws.session import open_session
from inventory.models import Account, Alert, CenterLook, Sync
from inventory.refresh import center_looks
from inventory.refresh import run as runs
from inventory.refresh.center_reading import Reading
from inventory.refusals import NotAllowed, Refused
from inventory.signals import account_synced, center_read
from migrations_app.iam_policies import policy
from tests import cast
from tests.inventory.syncs import fault, move, production, step, sync

pytestmark = pytest.mark.django_db
OPERATIONS = [
    "ListInstances",
    "ListUsers",
    "ListGroups",
    "ListGroupMemberships",
    "ListPermissionSets",
    "DescribePermissionSet",
    "ListManagedPoliciesInPermissionSet",
    "ListCustomerManagedPolicyReferencesInPermissionSet",
    "GetInlinePolicyForPermissionSet",
    "GetPermissionsBoundaryForPermissionSet",
    "ListAccountsForProvisionedPermissionSet",
    "ListAccountAssignments",
]


@pytest.fixture
def account(simulator: Simulator) -> Account:
    row = production()
    organization = cast.organization()
    organization.identity_center = {"account": row.account_id, "region": REGION}
    organization.save()
    return row


@pytest.fixture
def center(simulator: Simulator) -> IdentityCenter:
    found = simulator.account.identity_center
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What plans make of it has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])
    monkeypatch.setattr(center_read, "receivers", [])


def look() -> CenterLook:
    """A look from asking to its end."""
    asked = refresh.ask_look(None)
    while refresh.run_look(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def stepped(account: Account) -> dict[str, Any]:
    """The step of a sync, without the others."""
    run = runs.claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    run.session = open_session(account, "reader")
    assert center_looks.read_identity_center(run)
    return run.step("identity-center")


def test_a_look_holds_all_of_it(
    simulator: Simulator, account: Account, center: IdentityCenter
) -> None:
    told = look()
    assert (told.status, told.error, told.state) == ("whole", "", {})
    assert {one["id"] for one in told.people} == set(center.people)
    story = center.group(STORY_GROUP)
    held = next(one for one in told.groups if one["id"] == story.id)
    assert held["members"] == sorted(story.members.values())
    assert len(told.permission_sets) == len(center.sets)
    assert len(told.assignments) == len(center.assignments)
    assert set(told.policies) == {arn for one in center.sets.values() for arn in one.managed}
    assert told.changed == []


def test_a_second_look_reads_the_same_and_leaves_one(
    simulator: Simulator, account: Account
) -> None:
    first, second = look(), look()
    assert (second.groups, second.people) == (first.groups, first.people)
    assert (second.assignments, second.changed) == (first.assignments, [])
    assert list(CenterLook.objects.values_list("pk", flat=True)) == [second.pk]


def test_a_look_in_many_slices_is_the_same_look(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = look()
    original, slices = Reading.slice, 0

    def one_item(self: Any, time_left: Any, told: Any) -> bool:
        nonlocal slices
        slices += 1
        left = iter([1.0, 0.0])
        return bool(original(self, lambda: next(left, 0.0), told))

    monkeypatch.setattr(Reading, "slice", one_item)
    pieces = look()
    assert slices > 15
    for held in ("people", "groups", "permission_sets", "assignments", "policies"):
        assert getattr(pieces, held) == getattr(whole, held)


def test_an_error_at_any_step_changes_nothing_and_the_next_look_is_whole(
    simulator: Simulator, account: Account
) -> None:
    whole = look()
    for operation, kind in zip(OPERATIONS, cycle(("access-denied", "throttling", "reset"))):
        fault(simulator, kind, operation)
        broken = look()
        assert (broken.status, broken.groups, broken.people) == ("failed", [], []), operation
        assert broken.error.startswith(operation)
        whole.refresh_from_db()
        assert whole.groups
        simulator.faults.clear()
    again = look()
    assert (again.status, again.groups, again.changed) == ("whole", whole.groups, [])
    assert CenterLook.objects.count() == 1


def test_a_re_created_group_is_told_as_that(simulator: Simulator, account: Account) -> None:
    look()
    act(simulator, {"act": "recreate-group", "group": STORY_GROUP})
    told = look()
    assert told.changed == [f"Group {STORY_GROUP} has another ID than before."]


def test_a_group_that_the_listing_forgot_is_not_gone(
    simulator: Simulator,
    account: Account,
    center: IdentityCenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = look()
    story = center.group(STORY_GROUP)
    everybody = Reading

    original = everybody._begin

    def forgetful(self: Any) -> None:
        original(self)
        self._look.groups = [one for one in self._look.groups if one["id"] != story.id]

    monkeypatch.setattr(everybody, "_begin", forgetful)
    short = look()
    assert short.status == "failed"
    assert f"does not hold group {story.id}, which AWS still knows" in short.error
    [alert] = Alert.objects.filter(kind="identity-center", closed_at=None)
    assert "Nothing was changed by it." in alert.text
    before.refresh_from_db()
    monkeypatch.setattr(everybody, "_begin", original)
    assert look().changed == []
    alert.refresh_from_db()
    assert alert.closed_at is not None


def test_people_who_are_missed_must_be_gone(
    simulator: Simulator,
    account: Account,
    center: IdentityCenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look()
    original = Reading._begin

    def nobody(self: Any) -> None:
        original(self)
        self._look.people = []

    monkeypatch.setattr(Reading, "_begin", nobody)
    assert "ShortListing" in look().error
    center.people.clear()
    told = look()
    assert (told.status, told.people) == ("whole", [])


def test_assignments_are_asked_for_where_they_were_before(
    simulator: Simulator,
    account: Account,
    center: IdentityCenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = look()
    monkeypatch.setattr("inventory.aws.identity_center.Reader.accounts", lambda self, arn: [])
    told = look()
    assert sorted(map(str, told.assignments)) == sorted(map(str, before.assignments))


def test_a_sync_looks_and_says_so_and_others_leave_it(
    simulator: Simulator, account: Account
) -> None:
    told = stepped(account)
    assert told["status"] == "done"
    assert "6 groups, 6 permission sets" in told["detail"]
    simulator.add_account("222222222222", "acme-second", 3, 4)
    other = cast.account(
        "222222222222",
        "second",
        reader_role="arn:aws:iam::222222222222:role/IamCleanupReader",
        external_id="env:PRODUCTION_EXTERNAL_ID",
    )
    calls = simulator.counts["ListPermissionSets"]
    assert stepped(other)["detail"] == "read in production"
    assert simulator.counts["ListPermissionSets"] == calls


def test_a_sync_without_a_declared_center_asks_nothing(simulator: Simulator) -> None:
    assert stepped(production())["detail"] == "not declared"
    assert simulator.counts["ListInstances"] == 0


def test_a_sync_that_may_not_look_is_whole_all_the_same_and_shows_why(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "access-denied", "ListGroups")
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    told = step(done, "identity-center")
    assert (told["status"], told["detail"][:32]) == ("failed", "ListGroups: AccessDeniedExceptio")
    # Never read yet: nobody is watched.
    assert Alert.objects.filter(kind="identity-center", closed_at=None).exists()


def test_who_is_not_watched_for_a_day_is_an_alarm_and_an_hour_is_none(
    simulator: Simulator, account: Account
) -> None:
    look()
    fault(simulator, "access-denied", "ListGroups")
    look()
    assert not Alert.objects.exists()
    move(days=1, hours=1)
    look()
    assert Alert.objects.get().title == "Identity Center could not be read whole"


def test_two_workers_read_one_look_once(simulator: Simulator, account: Account) -> None:
    asked = refresh.ask_look(None)
    assert refresh.ask_look(None).pk == asked.pk
    CenterLook.objects.filter(pk=asked.pk).update(
        status="reading", lease_until=clock.real_now() + timedelta(seconds=60)
    )
    assert not refresh.run_look(asked.pk)
    assert refresh.unheld_looks() == []
    assert stepped(account)["detail"] == "somebody else is reading it"
    asked.refresh_from_db()
    assert (asked.status, asked.groups) == ("reading", [])
    CenterLook.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
    assert refresh.unheld_looks() == [asked.pk]
    assert not refresh.run_look(asked.pk)
    asked.refresh_from_db()
    assert asked.status == "whole"


def test_a_look_that_kills_its_workers_ends(simulator: Simulator, account: Account) -> None:
    asked = refresh.ask_look(None)
    CenterLook.objects.filter(pk=asked.pk).update(claims=6)
    assert not refresh.run_look(asked.pk)
    asked.refresh_from_db()
    assert asked.status == "failed"
    assert "stopped 6 times" in asked.error


def test_only_who_may_sync_asks_and_only_where_it_is_declared(simulator: Simulator) -> None:
    everybody = cast.cast()
    with pytest.raises(NotAllowed):
        refresh.ask_look(everybody.vera)
    with pytest.raises(Refused, match="Declare identity_center"):
        refresh.ask_look(everybody.jonas)


def test_the_shipped_policy_is_just_enough(simulator: Simulator, account: Account) -> None:
    role = simulator.account.role("IamCleanupReader")
    role.inline = {"shipped": policy("reader", account.account_id, center=True)}
    look()
    center = simulator.account.identity_center
    assert center is not None
    act(simulator, {"act": "recreate-group", "group": STORY_GROUP})
    center.people.clear()
    del center.sets[center.set(STORY_SET).arn]
    center.assignments = [one for one in center.assignments if one.set_arn in center.sets]
    assert look().status == "whole"
    reader = [note for note in simulator.calls if "/iam-cleanup-reader" in note["arn"]]
    used = {f"{note['service']}:{note['operation']}" for note in reader}
    assert used == {*actions.ON_IDENTITY_CENTER, *actions.ON_POLICIES_OF_AWS}

    role.inline = {"shipped": policy("reader", account.account_id)}
    assert "not authorized to perform: sso:ListInstances" in look().error
