"""The whole life of a user without a mouse: claimed, composed, approved, restored, deleted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from inventory.models import Person
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from migrations_app.outgoing import notices
from tests.journey.conftest import House, Visitor
from tests.journey.test_the_whole_way import (
    _heard,
    run,
    skip_ahead,
    someone_to_claim,
    state_of,
    sync,
    tick,
)
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.worker, pytest.mark.slow]
# More stops than any page has: whoever needs so many goes in a circle.
MOST = 250
_IS_FOCUSED = "(one) => one === document.activeElement"


@dataclass
class Keyboard:
    """One person at a page, who has keys and nothing else."""

    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    def open(self, path: str) -> None:
        """Type an address, and go past the menu by the link that every page has first."""
        self.visitor.go(path)
        self.press("Tab")
        expect(self.page.locator(":focus")).to_have_text("Skip to the content")
        self.press("Enter")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def to(self, wanted: Locator) -> None:
        """Go on with Tab until `wanted` has the focus."""
        expect(wanted).to_be_visible()
        for _ in range(MOST):
            if wanted.evaluate(_IS_FOCUSED):
                return
            self.press("Tab")
        pytest.fail(f"No way by Tab to {wanted} at {self.page.url}")

    def push(self, name: str | re.Pattern[str], *, exact: bool = False) -> None:
        """Reach the first button of that name and push it."""
        button = self.page.get_by_role("main").get_by_role("button", name=name, exact=exact)
        expect(button.first).to_be_enabled(timeout=60_000)
        self.to(button.first)
        self.press("Enter")

    def follow(self, name: str) -> None:
        self.to(self.page.get_by_role("main").get_by_role("link", name=name).first)
        self.press("Enter")
        self.page.wait_for_load_state()

    def row(self, name: str) -> None:
        """Go down the table until that user's row is the one that keys act on."""
        for _ in range(MOST):
            self.press("j")
            if self.page.locator(".is-current[data-row]", has_text=name).count():
                return
        pytest.fail(f"No way by j to {name} at {self.page.url}")


def claim(lead: Keyboard, departure: Departure) -> None:
    """It is ours and can go, each by its key."""
    team, name = departure.user.suggested_team, departure.user.user_name
    assert team is not None
    lead.open(f"/claim/{team.key}/")
    card = lead.page.locator(f"#card-{departure.pk}")
    for _ in range(MOST):
        if "is-current" in (
            card.locator("[data-row]").or_(card).first.get_attribute("class") or ""
        ):
            break
        lead.press("j")
    lead.press("y")
    expect(card.get_by_role("button", name="No, it can go")).to_be_visible()
    lead.press("n")
    expect(card.get_by_role("button", name=f"Undo: {name}")).to_be_visible()
    lead.visitor.look("keys-claimed")


def adopt(engineer: Keyboard, name: str) -> None:
    """For the custodian, from the Users page."""
    engineer.open("/users/?view=no-owner&sort=name")
    engineer.row(name)
    engineer.press("x")
    engineer.push("Adopt for the custodian")
    expect(engineer.page.get_by_text("Adopted 1 user")).to_be_visible()


def compose(engineer: Keyboard, *names: str) -> Batch:
    """Tick them, add them to a batch, see the dry run end, and ask."""
    engineer.open("/users/?view=dormant&sort=name")
    for name in sorted(names):
        engineer.row(name)
        engineer.press("x")
    expect(engineer.page.get_by_text(f"{len(names)} selected")).to_be_visible()
    engineer.press("b")
    return draft(engineer)


def draft(engineer: Keyboard) -> Batch:
    """Make a draft of whoever is ticked, and ask for it."""
    engineer.push("Make the draft")
    engineer.page.wait_for_url(re.compile(r"/batches/\d+/"))
    return ask(engineer)


def ask(engineer: Keyboard) -> Batch:
    batch = Batch.objects.latest("number")
    engineer.open(f"/batches/{batch.number}/")
    engineer.push(re.compile("^Ask "))
    eventually(lambda: _status(batch) == Batch.Status.ASKED, 15)
    return batch


def read_message(reader: Keyboard, batch: Batch) -> None:
    person = Person.objects.get(username=reader.visitor.name)
    told = notices.inbox_for(person).get(batch=batch, kind="announce")
    reader.open("/inbox/")
    reader.follow(told.title)
    reader.page.wait_for_url("**/inbox/*/")


def approve(approver: Keyboard, batch: Batch) -> None:
    approver.open(f"/batches/{batch.number}/")
    users = batch.changes.filter(status=Change.Status.ASKED).count()
    waiting = approver.page.get_by_role("button", name="Viewed")
    for left in range(users, 0, -1):
        approver.push("Viewed")
        expect(waiting).to_have_count(left - 1)
    if batch.move == "delete":
        approver.to(approver.page.get_by_label("to approve"))
        words = "delete 1 user" if users == 1 else f"delete {users} users"
        approver.page.keyboard.type(words)
    approver.push("Approve for")
    expect(approver.page.get_by_text("Approved, and waits.")).to_be_visible()
    approver.visitor.look(f"keys-approved-{batch.move}")


def restore(engineer: Keyboard, departure: Departure) -> None:
    user = departure.user
    engineer.open(f"/users/{user.account.account_id}/{user.user_id}/")
    engineer.to(engineer.page.get_by_role("main").locator("[href$='/restore/']").first)
    engineer.press("Enter")
    engineer.page.wait_for_url("**/restore/")
    engineer.push("Restore now")
    expect(engineer.page.get_by_text("Restored,")).to_be_visible(timeout=60_000)
    assert state_of(departure) == State.OWNER_ASSIGNED


def _status(batch: Batch) -> str:
    batch.refresh_from_db()
    return batch.status


def test_a_user_lives_from_its_claim_to_its_deletion_without_a_mouse(house: House) -> None:
    jonas, mei = Keyboard(house.visitor("jonas")), Keyboard(house.visitor("mei"))
    sync(jonas.visitor)
    going = someone_to_claim()
    team = going.user.suggested_team
    assert team is not None and team.lead is not None  # noqa: PT018
    lead = Keyboard(house.visitor(team.lead.username))
    claim(lead, going)
    assert state_of(going) == State.OWNER_ASSIGNED

    other = (
        Departure.objects.filter(
            state=State.DISCOVERED, protection="", user__verdict__in=["dormant", "never-used"]
        )
        .exclude(user__privilege__in=["admin", "can-become-admin"])
        .select_related("user__account")[0]
    )
    adopt(jonas, other.user.user_name)
    assert state_of(other) == State.OWNER_ASSIGNED

    batch = compose(jonas, going.user.user_name, other.user.user_name)
    read_message(lead, batch)
    read_message(jonas, batch)
    approve(mei, batch)
    run(jonas.visitor, batch)
    assert (state_of(going), state_of(other)) == (State.DISABLED, State.DISABLED)
    restore(jonas, other)

    for days in (7, 15):
        skip_ahead(days=days, hours=1)
        tick("listen")
        eventually(_heard, 60)
        tick("sweep")
        eventually(lambda: state_of(going) == State.SOAKING, 60)
    sync(jonas.visitor)
    jonas.open("/soak/")
    jonas.follow("Compose delete batch")
    batch = draft(jonas)
    read_message(lead, batch)
    approve(mei, batch)
    run(jonas.visitor, batch)
    assert state_of(going) == State.DELETED
    jonas.open("/log/deletions/")
    expect(jonas.page.get_by_role("row", name=going.user.user_name).first).to_be_visible()
