"""From the first sync to the deletion log, in the browser, with real workers."""

from __future__ import annotations

import os
import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from demo.aws.control import Control
from iamcleanup.celery import app
from inventory import clock
from inventory.models import Account, IamUser, Person, Sync
from inventory.rights.privilege import ADMIN_LEVELS
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Plan
from migrations_app.outgoing import notices
from migrations_app.replacement import proving
from tests.journey.conftest import SIZE, House, Visitor
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.worker]


def skip_ahead(**by: float) -> None:
    """What the demo's button does, by more than a day."""
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


def tick(*tasks: str) -> None:
    """What beat does."""
    for task in tasks:
        app.send_task(f"migrations_app.tasks.{task}", queue="read")


def state_of(departure: Departure) -> str:
    departure.refresh_from_db()
    return departure.state


def sync(engineer: Visitor) -> None:
    """Press "Sync now", see how far it is, and wait until the account was read whole."""
    progress = f"/syncs/{Account.objects.get().account_id}/"
    before = Sync.objects.filter(status=Sync.Status.WHOLE).count()
    page = engineer.go("/")
    page.get_by_role("button", name="Sync now").first.click()
    engineer.go(progress)
    eventually(lambda: Sync.objects.filter(status=Sync.Status.WHOLE).count() > before, 120)
    engineer.go(progress)


def someone_to_claim() -> Departure:
    """A dormant user without admin rights whose team is not the custodian."""
    return (
        Departure.objects.filter(
            user__verdict__in=["dormant", "never-used"],
            user__suggested_team__lead__isnull=False,
            protection="",
        )
        .exclude(user__privilege__in=ADMIN_LEVELS)
        .exclude(user__suggested_team__key="security")
        .select_related("user__suggested_team__lead")[0]
    )


def claim(lead: Visitor, departure: Departure) -> None:
    """It is ours, and it can go."""
    team = departure.user.suggested_team
    assert team is not None
    page = lead.go(f"/claim/{team.key}/")
    card = page.locator(f"#card-{departure.pk}")
    card.get_by_role("button", name=f"It is ours: {departure.user.user_name}").click()
    card.get_by_role("button", name="No, it can go").click()
    expect(card.get_by_role("button", name=f"Undo: {departure.user.user_name}")).to_be_visible()
    lead.look("claimed")


def someone_in_use() -> Departure:
    """A pipeline's user that calls every few days with one key, of a team with a lead."""
    return (
        Departure.objects.filter(
            user__verdict="active",
            user__category="ci-cd",
            user__has_console_password=False,
            user__references=[],
            user__suggested_team__lead__isnull=False,
            protection="",
        )
        .exclude(user__privilege__in=ADMIN_LEVELS)
        .exclude(user__suggested_team__key="security")
        .select_related("user__account", "user__suggested_team__lead", "plan")[0]
    )


def get_another_way_in(lead: Visitor, engineer: Visitor, departure: Departure) -> None:
    """Still needed: a role is drafted, seen assumed by its repository, and confirmed by the owner.

    Its old key is switched off by the team itself, and quiet for the days that the policy asks for.
    """
    user, team = departure.user, departure.user.suggested_team
    assert team is not None
    page = lead.go(f"/claim/{team.key}/")
    card = page.locator(f"#card-{departure.pk}")
    card.get_by_role("button", name=f"It is ours: {user.user_name}").click()
    card.get_by_role("button", name="Yes, plan a replacement").click()
    expect(card.get_by_role("button", name=f"Undo: {user.user_name}")).to_be_visible()
    plan = departure.plan
    page = engineer.go(f"/plans/{plan.pk}/")
    # Drafted so already: only other ways are offered as another one.
    ways = page.get_by_role("combobox", name="Way out").get_by_role("option")
    expect(ways.filter(has_text="GitHub")).to_have_count(0)
    page.locator("[name=repository]").fill("acme/shop")
    page.locator("[name=branches]").fill("main")
    page.get_by_role("button", name="Keep and draft anew").click()
    expect(page.get_by_text("main.tf", exact=True).first).to_be_visible()
    engineer.look("draft-plan")

    plan.refresh_from_db()
    role = proving.way_of(plan).name
    account = Control(os.environ["AWS_ENDPOINT_URL"])
    nobody = {"RoleName": role, "AssumeRolePolicyDocument": '{"Statement": []}'}
    account.act("api", operation="CreateRole", params=nobody)
    account.act(
        "assumed",
        role=role,
        event="AssumeRoleWithWebIdentity",
        who="repo:acme/shop:ref:refs/heads/main",
        session="deploy",
    )
    for key in user.credentials.filter(kind="access-key", gone_at=None):
        off = {"UserName": user.user_name, "AccessKeyId": key.credential_id, "Status": "Inactive"}
        account.act("api", operation="UpdateAccessKey", params=off)
    skip_ahead(days=15)
    tick("look_at_plans")
    eventually(lambda: Plan.objects.get(pk=plan.pk).status == Plan.Status.TESTED, 60)
    page = lead.go(f"/plans/{plan.pk}/")
    expect(page.get_by_text("New access once")).to_be_visible()
    page.get_by_text("Confirm the plan").first.click()
    page.get_by_role("button", name="It works").click()
    expect(page.get_by_text("Confirmed", exact=True).first).to_be_visible()
    lead.look("confirmed-plan")


def adopt_the_rest(engineer: Visitor) -> None:
    page = engineer.go("/claims/")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Adopt for the custodian").click()
    page.wait_for_load_state()
    engineer.go("/claims/")


def compose(engineer: Visitor, move: str) -> Batch:
    """Tick everybody offered, make the draft, see the calls of the dry run, and ask."""
    page = engineer.go(f"/batches/new/?move={move}")
    page.get_by_label("All of these").check()
    page.get_by_role("button", name="Make the draft").click()
    page.wait_for_url("**/batches/*/")
    asking = page.get_by_role("button", name=re.compile("^Ask "))
    expect(asking).to_be_enabled(timeout=60_000)
    last = "DeleteUser" if move == "delete" else "AttachUserPolicy"
    expect(page.locator(".row-detail").first).to_contain_text(last)
    engineer.look(f"draft-{move}")
    asking.click()
    page.wait_for_load_state()
    batch = Batch.objects.latest("number")
    assert batch.status == Batch.Status.ASKED, page.get_by_role("main").inner_text()
    return batch


def open_message(reader: Visitor, batch: Batch) -> None:
    """Open what the inbox says about this batch."""
    page = reader.go("/inbox/")
    team = notices.inbox_for(Person.objects.get(username=reader.name)).get(
        batch=batch, kind="announce"
    )
    page.get_by_role("link", name=team.title).first.click()
    page.wait_for_url("**/inbox/*/")
    reader.look("message")


def approve(approver: Visitor, batch: Batch) -> None:
    """View every user, type the words where they are asked for, approve."""
    page = approver.go(f"/batches/{batch.number}/")
    waiting = page.get_by_role("button", name="Viewed")
    for left in range(waiting.count(), 0, -1):
        waiting.first.click()
        expect(waiting).to_have_count(left - 1)
    if batch.move == "delete":
        users = batch.changes.filter(status=Change.Status.ASKED).count()
        words, field = f"delete {users} users", page.get_by_label("to approve")
        # The server takes these words and no others, so the button waits for them.
        field.fill(words.capitalize())
        expect(page.get_by_role("button", name="Approve for")).to_be_disabled()
        expect(page.locator("[data-typed-reason]")).to_have_text(f"Type {words}")
        field.fill(words)
        expect(page.locator("[data-typed-reason]")).to_be_empty()
    approver.look("viewed")
    page.get_by_role("button", name="Approve for").click()
    page.wait_for_load_state()
    expect(page.get_by_text("Approved, and waits.")).to_be_visible()
    approver.look("approved")


def run(engineer: Visitor, batch: Batch) -> None:
    """Skip the notice, let the workers run the batch, and watch it end."""
    skip_ahead(days=4, hours=1)
    tick("listen")
    eventually(_heard, 60)
    tick("sweep")
    eventually(lambda: _status(batch) in (*Batch.LIVE, Batch.Status.DONE), 30)
    page = engineer.go(f"/batches/{batch.number}/")
    users = batch.changes.filter(follows=None, status__in=[*Change.OPEN, "done"]).count()
    expect(page.locator("#run-head .run-done")).to_have_text(f"{users} of {users}", timeout=90_000)
    expect(page.locator("#run-subline")).to_contain_text("Done")
    engineer.look(f"done-{batch.move}")


def _status(batch: Batch) -> str:
    batch.refresh_from_db()
    return batch.status


def _heard() -> bool:
    """Whether every fenced and shut user was listened to since the clock moved."""
    since = clock.now() - timedelta(minutes=30)
    return not Departure.objects.switched_off().exclude(last_used_read_at__gte=since).exists()


def restore(lead: Visitor, departure: Departure) -> None:
    user = departure.user
    page = lead.go(f"/users/{user.account.account_id}/{user.user_id}/restore/")
    page.get_by_role("button", name="Restore now").click()
    expect(page.get_by_text("Restored,")).to_be_visible(timeout=60_000)
    lead.look("restored")
    assert state_of(departure) == State.OWNER_ASSIGNED


def see_no_action_on_break_glass(engineer: Visitor) -> None:
    keeper = IamUser.objects.get(user_name="break-glass")
    page = engineer.go(f"/users/{keeper.account.account_id}/{keeper.user_id}/")
    expect(page.get_by_role("main").get_by_text("break-glass").first).to_be_visible()
    for action in ("Restore", "Overrule", "Add to batch", "Release"):
        expect(page.get_by_role("main").get_by_role("button", name=action)).to_have_count(0)
    page = engineer.go("/batches/new/?move=disable")
    expect(page.get_by_role("main").get_by_text("break-glass", exact=True)).to_have_count(0)


def stop_and_lift(engineer: Visitor, approver: Visitor) -> None:
    page = engineer.go("/stop/")
    page.get_by_label("Reason").fill("An alarm nobody understands")
    page.get_by_role("button", name="Stop all writing").click()
    expect(page.get_by_text("You pulled it, so somebody else lifts it.")).to_be_visible()
    engineer.look("stopped")
    page = approver.go("/stop/")
    page.get_by_label("Reason").fill("A false alarm")
    page.get_by_role("button", name="Lift the stop").click()
    expect(page.get_by_role("heading", name="Stop all writing to AWS?")).to_be_visible()
    approver.look("lifted")
    # Nothing goes on by itself, not even a shut that is still to come.
    page = engineer.go("/stop/")
    halted = page.get_by_role("button", name="Resume")
    expect(halted.first).to_be_visible()
    for _ in range(halted.count()):
        halted.first.click()
        page = engineer.go("/stop/")
        halted = page.get_by_role("button", name="Resume")
    expect(halted).to_have_count(0)


def test_every_dormant_user_goes_from_the_first_sync_to_the_deletion_log(house: House) -> None:
    jonas, mei = house.visitor("jonas"), house.visitor("mei")
    sync(jonas)
    page = jonas.go("/users/")
    expect(page.get_by_role("main")).to_contain_text(str(SIZE))
    see_no_action_on_break_glass(jonas)

    needed = someone_in_use()
    owner = needed.user.suggested_team
    assert owner is not None and owner.lead is not None  # noqa: PT018
    holder = house.visitor(owner.lead.username)
    get_another_way_in(holder, jonas, needed)
    # Two weeks have passed, and evidence may be a day old.
    sync(jonas)

    going = someone_to_claim()
    team = going.user.suggested_team
    assert team is not None and team.lead is not None  # noqa: PT018
    lead = house.visitor(team.lead.username)
    claim(lead, going)
    adopt_the_rest(jonas)

    batch = compose(jonas, "disable")
    open_message(lead, batch)
    open_message(holder, batch)
    open_message(jonas, batch)
    approve(mei, batch)
    run(jonas, batch)
    assert state_of(going) == State.DISABLED
    assert state_of(needed) == State.DISABLED
    jonas.go("/soak/")
    restore(lead, going)
    stop_and_lift(jonas, mei)

    off = list(Departure.objects.switched_off())
    assert len(off) >= 5
    for days in (7, 15):
        skip_ahead(days=days, hours=1)
        tick("listen")
        eventually(_heard, 60)
        tick("sweep")
        eventually(lambda: {state_of(row) for row in off} == {State.SOAKING}, 60)
        jonas.go("/soak/")

    # Rule 19 asks who was seen within thirty days; in production a sync runs every six hours.
    sync(jonas)
    batch = compose(jonas, "delete")
    open_message(holder, batch)
    open_message(jonas, batch)
    approve(mei, batch)
    run(jonas, batch)
    assert {state_of(row) for row in off} == {State.DELETED}
    assert state_of(needed) == State.DELETED
    page = jonas.go("/log/deletions/")
    for row in off:
        expect(page.get_by_role("row", name=row.user.user_name).first).to_be_visible()
    for path in ("/", "/users/", "/batches/", "/log/", "/alerts/", "/plans/"):
        jonas.go(path)
