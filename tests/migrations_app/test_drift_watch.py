"""A group is deleted and made again: who lost access is named, and plans wait till it is mended."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.identity_center import (
    STAGING,
    STORY_GROUP,
    STORY_SET,
    Assignment,
    Group,
    IdentityCenter,
    Person,
    as_uuid,
)
from inventory import at_once, clock, models, refresh
from inventory.models import Alert, CenterLook, LedgerEntry, PolicyText
from inventory.refusals import NotAllowed, Refused
from inventory.signals import center_read
from migrations_app import changes
from migrations_app.changes import plans as plan_verbs
from migrations_app.lifecycle import State
from migrations_app.models import Drift, Notice, Plan
from migrations_app.progress import needs
from migrations_app.replacement import center as rows
from migrations_app.replacement import plan_drafts
from tests import cast
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db
REGION = "eu-west-1"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SETS, GROUPS = (STORY_SET, "DataEngineer"), (STORY_GROUP, "data-eng")
PEOPLE = [f"person{number:02}@acme.example" for number in range(14)]


@pytest.fixture
def center(simulator: Simulator) -> IdentityCenter:
    """A small Identity Center with fourteen people in `platform-eng` and nobody in `data-eng`."""
    found = simulator.account.identity_center
    assert found is not None
    found.region = REGION
    found.sets = {arn: one for arn, one in found.sets.items() if one.name in SETS}
    found.groups = {key: one for key, one in found.groups.items() if one.name in GROUPS}
    held = {**found.groups, **found.people}
    found.assignments = [
        one for one in found.assignments if one.set_arn in found.sets and one.principal_id in held
    ]
    for group in found.groups.values():
        group.members = {}
    for name in PEOPLE:
        one = Person(as_uuid(name), name, name.partition("@")[0].capitalize(), "Acme", f"00u{name}")
        found.people[one.id] = one
        found.group(STORY_GROUP).members[as_uuid(f"in-{name}")] = one.id
    return found


@pytest.fixture
def everybody(center: IdentityCenter) -> cast.Cast:
    made = cast.cast()
    account = made.account
    account.reader_role = f"arn:aws:iam::{account.account_id}:role/IamCleanupReader"
    account.external_id = "env:PRODUCTION_EXTERNAL_ID"
    account.save()
    organization = cast.organization(made.security)
    organization.identity_center = {"account": account.account_id, "region": REGION}
    organization.save()
    return made


def look() -> CenterLook:
    asked = refresh.ask_look(None)
    while refresh.run_look(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def planned(everybody: cast.Cast, name: str = "person03", **columns: Any) -> Plan:
    """The confirmed plan of an administrator who only looks at instances."""
    PolicyText.objects.get_or_create(
        account=everybody.account, arn=ADMIN, name="AdministratorAccess",
        defaults={"document": EVERYTHING},
    )  # fmt: skip
    user = cast.iam_user(
        name, verdict="active", attached_policies=[ADMIN], category="human-console",
        last_activity_at=clock.now(),
    )  # fmt: skip
    cast.activity(user, clock.now().date(), service="ec2", action="DescribeInstances")
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.platform, answer="needed")
    columns = {"status": Plan.Status.CONFIRMED, "confirmed_at": clock.now(), **columns}
    plan = cast.plan(row, "identity-center", **columns)
    plan_drafts.refresh_figures(everybody.account)
    plan.refresh_from_db()
    return plan


def recreate(simulator: Simulator) -> None:
    act(simulator, {"act": "recreate-group", "group": STORY_GROUP})


def give_back(simulator: Simulator) -> None:
    act(simulator, {"act": "give-back", "group": STORY_GROUP})


def needs_of_groups(person: models.Person) -> list[needs.Need]:
    """What the Overview asks of this person about groups."""
    wanted = needs.questions(person, [], clock.now())
    told = at_once.ask(models.Person.objects.filter(pk=person.pk), wanted)
    return [one for one in needs.needs_of(person, [], told, Counter()) if "Group" in one.title]


def test_the_story(simulator: Simulator, center: IdentityCenter, everybody: cast.Cast) -> None:
    assert look().held
    plan = planned(everybody)
    assert (plan.figures["name"], plan.figures["group"]) == (STORY_SET, STORY_GROUP)
    recreate(simulator)
    look()

    alert = Alert.objects.get(closed_at=None)
    assert alert.title == f"Group {STORY_GROUP} was deleted and re-created"
    assert "14 people lost DeveloperAccess in 2 accounts." in alert.text
    assert all(name in alert.text for name in PEOPLE)
    plan.refresh_from_db()
    assert plan.held_reason.startswith(f"Group {STORY_GROUP} was deleted and re-created.")
    assert not Plan.objects.counted().exists()
    with pytest.raises(Refused, match="on hold"):
        changes.confirm_plan(plan.departure, everybody.priya, "it works")
    [need] = needs_of_groups(everybody.jonas)
    assert "14 people lost" in need.text
    assert "1 plan is on hold." in need.text
    assert Notice.objects.get(kind="drift").role == "engineer"

    page = text_of(browser(everybody.vera).get("/plans/"))
    assert "1 plan depends on it and is on hold." in page
    assert "I fixed it, check again" not in page
    fixing = text_of(browser(everybody.jonas).get("/plans/identity-center/"))
    assert "14 people lost access" in fixing
    assert "aws_ssoadmin_account_assignment" in fixing
    assert f"assign {STORY_GROUP} the permission set {STORY_SET}" in fixing
    assert all(name in fixing for name in PEOPLE)

    # Half mended is not mended.
    new = center.group(STORY_GROUP).id
    center.assignments.append(Assignment(center.owner, center.set(STORY_SET).arn, new))
    look()
    assert "14 people lost DeveloperAccess in 1 account." in Alert.objects.get(closed_at=None).text
    plan.refresh_from_db()
    assert plan.on_hold

    give_back(simulator)
    answer = browser(everybody.jonas).post("/plans/identity-center/check/")
    assert answer.status_code == 302
    reading = text_of(browser(everybody.jonas).get("/plans/identity-center/"))
    assert "Identity Center is being read." in reading
    [asked] = refresh.unheld_looks()
    refresh.run_look(asked)
    plan.refresh_from_db()
    assert (plan.held_reason, plan.held_by) == ("", None)
    assert Plan.objects.counted().get() == plan
    alert.refresh_from_db()
    assert alert.closed_at is not None
    after = text_of(browser(everybody.jonas).get("/plans/identity-center/"))
    assert "Nobody lost access through a group" in after
    assert "seen mended" in after
    assert CenterLook.objects.get().held
    kinds = list(
        LedgerEntry.objects.filter(kind__startswith="drift.").values_list("kind", flat=True)
    )
    assert sorted(kinds) == ["drift.found", "drift.mended"]


def test_without_the_watch_nobody_hears_of_it(
    simulator: Simulator, everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    look()
    plan = planned(everybody)
    monkeypatch.setattr(center_read, "receivers", [])
    recreate(simulator)
    look()
    plan.refresh_from_db()
    assert (plan.on_hold, Alert.objects.exists()) == (False, False)


def test_a_second_look_tells_nothing_twice(simulator: Simulator, everybody: cast.Cast) -> None:
    look()
    recreate(simulator)
    look()
    look()
    assert (Drift.objects.count(), Alert.objects.count(), Notice.objects.count()) == (1, 1, 1)
    # Whoever closed the alert is not called again by the same finding.
    Alert.objects.update(closed_at=clock.now(), closed_by=everybody.jonas)
    look()
    assert not Alert.objects.filter(closed_at=None).exists()
    assert Drift.objects.filter(closed_at=None).exists()


def test_a_look_that_broke_off_neither_alarms_nor_releases(
    simulator: Simulator, everybody: cast.Cast
) -> None:
    from tests.inventory.syncs import fault

    look()
    plan = planned(everybody)
    fault(simulator, "throttling", "ListAccountAssignments")
    recreate(simulator)
    assert look().status == "failed"
    plan.refresh_from_db()
    assert (plan.on_hold, Drift.objects.exists()) == (False, False)
    page = text_of(browser(everybody.vera).get("/plans/identity-center/"))
    assert "It could not be read whole at" in page
    assert "ThrottlingException" in page
    simulator.faults.clear()
    look()
    fault(simulator, "access-denied", "ListGroupMemberships")
    give_back(simulator)
    look()
    plan.refresh_from_db()
    assert plan.on_hold


def test_groups_that_are_gone_or_emptied_and_assignments_that_vanish(
    simulator: Simulator, center: IdentityCenter, everybody: cast.Cast
) -> None:
    person = next(one for one in center.people.values() if one.user_name == PEOPLE[0])
    direct = Assignment(center.owner, center.set("DataEngineer").arn, person.id, "USER")
    center.assignments.append(direct)
    look()
    center.assignments.remove(direct)
    look()
    assert Drift.objects.get(closed_at=None).names == [PEOPLE[0]]
    center.assignments.append(direct)
    look()
    group = center.group(STORY_GROUP)
    members, assignments = dict(group.members), list(center.assignments)
    group.members.clear()
    look()
    assert (
        Drift.objects.get(closed_at=None).headline == "Group platform-eng has no members any more"
    )
    group.members.update(members)
    look()
    assert not Drift.objects.filter(closed_at=None).exists()
    center.assignments.remove(Assignment(STAGING, center.set(STORY_SET).arn, group.id))
    look()
    found = Drift.objects.get(closed_at=None)
    assert found.headline == "Group platform-eng is there, but assignments of it are not"
    assert found.felt == "14 people lost DeveloperAccess in 1 account."
    center.assignments[:] = assignments
    look()
    del center.groups[group.id]
    look()
    found = Drift.objects.get(closed_at=None)
    assert (found.headline, len(found.lost)) == ("Group platform-eng is gone", 14)
    center.groups[group.id] = group
    look()
    assert not Drift.objects.filter(closed_at=None).exists()


def test_assignments_that_were_dead_before_we_watched_are_told_and_hold_nothing(
    simulator: Simulator, center: IdentityCenter, everybody: cast.Cast
) -> None:
    gone = as_uuid("long-gone")
    center.assignments.append(Assignment(center.owner, center.set(STORY_SET).arn, gone))
    look()
    found = Drift.objects.get()
    assert (found.kind, found.breaks, found.lost) == ("dead-assignment", False, [])
    assert Alert.objects.get(closed_at=None).kind == "drift"
    assert planned(everybody).on_hold is False
    changes.accept_drift(found, everybody.jonas, "It is harmless.")
    look()
    assert not Alert.objects.filter(closed_at=None).exists()


def test_what_is_right_as_it_is_is_accepted_with_a_reason_and_may_break_again(
    simulator: Simulator, center: IdentityCenter, everybody: cast.Cast
) -> None:
    look()
    plan = planned(everybody)
    group = center.group(STORY_GROUP)
    members = dict(group.members)
    group.members.clear()
    look()
    found = Drift.objects.get()
    with pytest.raises(NotAllowed):
        changes.accept_drift(found, everybody.priya, "We left.")
    with pytest.raises(Refused, match="Say why"):
        changes.accept_drift(found, everybody.jonas, "  ")
    address = f"/plans/identity-center/{found.pk}/accept/"
    page = text_of(browser(everybody.jonas).get("/plans/identity-center/"))
    form = page[page.index(f'action="{address}"') :]
    assert "csrfmiddlewaretoken" in form[: form.index("</form>")]
    browser(everybody.jonas).post(address, {"reason": "The team was dissolved."})
    plan.refresh_from_db()
    assert plan.on_hold is False
    assert rows.compared_with(CenterLook.objects.whole()[0]).pk == CenterLook.objects.whole()[0].pk  # type: ignore[union-attr]
    with pytest.raises(Refused, match="closed already"):
        changes.accept_drift(found, everybody.jonas, "Again.")
    look()
    assert not Drift.objects.filter(closed_at=None).exists()
    # Refilled and emptied again is another accident.
    group.members.update(members)
    look()
    group.members.clear()
    look()
    assert Drift.objects.filter(closed_at=None).count() == 1


def test_accepting_one_keeps_the_other(
    simulator: Simulator, center: IdentityCenter, everybody: cast.Cast
) -> None:
    person = next(iter(center.people))
    data = center.group("data-eng")
    data.members = {as_uuid("in-data"): person}
    look()
    data.members = {}
    recreate(simulator)
    look()
    emptied = Drift.objects.get(group_name="data-eng")
    changes.accept_drift(emptied, everybody.jonas, "Dissolved.")
    assert [one.group_name for one in Drift.objects.filter(closed_at=None)] == [STORY_GROUP]
    look()
    assert [one.group_name for one in Drift.objects.filter(closed_at=None)] == [STORY_GROUP]
    give_back(simulator)
    look()
    assert not Drift.objects.filter(closed_at=None).exists()
    assert not Drift.objects.filter(accepted=True).exists()


def test_another_center_is_watched_from_its_first_look_on(
    simulator: Simulator, center: IdentityCenter, everybody: cast.Cast
) -> None:
    look()
    center.store_id = "d-0123456789"
    center.groups = {one.id: one for one in [Group(as_uuid("x"), "other", "", clock.now())]}
    center.assignments = []
    look()
    assert not Drift.objects.exists()
    assert "another Identity Center" in Alert.objects.get(closed_at=None).text
    look()
    assert not Alert.objects.filter(closed_at=None).exists()


def test_a_plan_of_another_way_does_not_wait(simulator: Simulator, everybody: cast.Cast) -> None:
    look()
    plan = planned(everybody)
    other = planned(everybody, "stranger")
    recreate(simulator)
    look()
    other.refresh_from_db()
    assert other.on_hold is False
    assert other.figures["unmatched"].startswith("Nobody there has its e-mail")
    # Redrafted while it waits, it still goes through the group that it was.
    plan_drafts.refresh_figures(everybody.account)
    assert changes.hold_plans() == 1
    plan.refresh_from_db()
    assert plan.figures["group"] == STORY_GROUP
    plan_verbs.choose_way(plan, everybody.priya, "other")
    plan.refresh_from_db()
    assert (plan.on_hold, plan.held_by) == (False, None)


def test_the_page_tells_sets_and_who_is_nobody(simulator: Simulator, everybody: cast.Cast) -> None:
    planned(everybody, "stranger")
    assert "was not read yet" in text_of(browser(everybody.vera).get("/plans/identity-center/"))
    look()
    plan_drafts.refresh_figures(everybody.account)
    page = text_of(browser(everybody.vera).get("/plans/identity-center/"))
    assert "1 of 1 people were not found in the directory" in page
    assert "Nobody there has its e-mail" in page
    assert "Starts" not in page
    assert "Looks everywhere, starts and stops instances" in page
    assert "by 1 person together" in page
    fragment = browser(everybody.vera).get(
        "/plans/identity-center/", headers={"HX-Request": "true"}
    )
    assert fragment.status_code == 286


def test_people_who_share_a_set_are_told_together_with_what_it_ends(
    simulator: Simulator, everybody: cast.Cast
) -> None:
    look()
    planned(everybody)
    other = planned(everybody, "person04").departure.user
    cast.activity(other, clock.now().date(), service="ec2", action="DescribeVolumes")
    new = planned(everybody, "dreamer").departure.user
    cast.activity(new, clock.now().date(), service="sqs", action="CreateQueue")
    Plan.objects.update(figures_at=None)
    plan_drafts.refresh_figures(everybody.account)
    page = text_of(browser(everybody.vera).get("/plans/identity-center/"))
    assert "3 people get 2 permission sets: 1 that exists and 1 new one." in page
    assert "3 of them had every action there is." in page
    assert "2 of its 2 people had every action there is. Together they used 2 of up to" in page
    assert "Its one person had every action there is. Used 2 of" in page
    assert "by 2 people together" in page
    # What the set allows of what they used, not the most that one of them did.
    assert re.search(r"2 of [\d,]+ actions</span>", page)


def test_figures_from_before_are_counted_as_soon_as_they_are_drafted_anew(
    simulator: Simulator, everybody: cast.Cast
) -> None:
    look()
    plan = planned(everybody)
    for name in ("actions", "everything"):
        del plan.figures[name]
    plan.save()
    page = text_of(browser(everybody.vera).get("/plans/identity-center/"))
    assert "1 person gets 1 permission set" in page
    assert "drafted anew with the next sync" in page
    assert "not counted yet" in page
    Plan.objects.update(figures={})
    page = text_of(browser(everybody.vera).get("/plans/identity-center/"))
    assert "1 is not drafted yet; the next sync does." in page


def test_the_fix_is_a_zip_while_there_is_something_to_apply(
    simulator: Simulator, everybody: cast.Cast
) -> None:
    look()
    recreate(simulator)
    look()
    found = Drift.objects.get()
    address = f"/plans/identity-center/{found.pk}/fix/"
    answer = browser(everybody.vera).get(address)
    assert answer["Content-Type"] == "application/zip"
    assert browser(everybody.vera).get("/plans/identity-center/999/fix/").status_code == 404
    give_back(simulator)
    look()
    assert browser(everybody.vera).get(address).status_code == 422


def test_where_it_is_not_declared_the_page_says_how(everybody: cast.Cast) -> None:
    organization = cast.organization(everybody.security)
    organization.identity_center = {}
    organization.save()
    page = text_of(browser(everybody.jonas).get("/plans/identity-center/"))
    assert "Declare identity_center" in page
    assert browser(everybody.jonas).post("/plans/identity-center/check/").status_code == 422
