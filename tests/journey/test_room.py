"""Where room is scarce: what a browser shows of rows, tabs and sentences that do not fit."""

from __future__ import annotations

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from inventory import clock
from inventory.models import Person, Team
from migrations_app.lifecycle import State
from migrations_app.models import SavedView
from tests import cast
from tests.journey.conftest import House
from tests.migrations_app import batch_rows

pytestmark = pytest.mark.browser


def box(of: Locator) -> FloatRect:
    found = of.bounding_box()
    assert found
    return found


@pytest.mark.parametrize("path", ["/log/packs/", "/users/?view=all"])
def test_the_tab_one_is_at_is_in_sight_on_a_phone(desk: House, path: str) -> None:
    page = desk.visitor("jonas", width=390).go(path)

    tab = box(page.locator(".tabs > [aria-current=page]"))

    assert tab["x"] >= 0
    assert tab["x"] + tab["width"] <= 390


def test_the_tab_of_the_section_that_is_read_comes_into_sight_on_a_phone(desk: House) -> None:
    user = cast.departure("release-bot", State.OWNER_ASSIGNED, cast.team("payments")).user
    page = desk.visitor("jonas", width=390).go(f"/users/{cast.ACCOUNT_ID}/{user.user_id}/")

    page.evaluate("document.getElementById('coverage').scrollIntoView()")
    page.locator("[data-sections] [aria-current][href='#coverage']").wait_for()

    tab = box(page.locator("[data-sections] [aria-current]"))
    assert tab["x"] + tab["width"] <= 390


def test_the_longest_privilege_takes_two_lines_of_a_row(desk: House) -> None:
    cast.departure(cast.iam_user("vendor", privilege="can-become-admin"), State.DISCOVERED)
    page = desk.visitor("jonas").go("/users/")

    words = box(page.locator("td.privilege .line > span"))

    assert words["height"] < 40


def test_numbers_of_the_ways_out_stand_on_one_line(desk: House) -> None:
    targets = ("identity-center", "github-oidc", "eks", "instance-profile", "cross-account-role")
    for number, target in enumerate((*targets, "secrets-manager", "other")):
        user = cast.iam_user(f"user-{number}", verdict="active")
        cast.plan(cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments")), target)
    page = desk.visitor("jonas").go("/plans/")

    numbers = page.locator(".targets .risk-count").all()

    assert len(numbers) == 7
    assert len({box(one)["y"] for one in numbers}) == 1


def test_views_stay_in_one_row_when_filters_and_saved_views_come_to_them(desk: House) -> None:
    jonas = Person.objects.get(username="jonas")
    for name in ("Sleepers", "Contractors of last year", "Keys of payments"):
        SavedView.objects.create(person=jonas, name=name, query="view=all", saved_at=clock.now())
    page = desk.visitor("jonas").go("/users/?verdict=dormant")

    assert box(page.locator(".users-views > .tabs"))["height"] < 50

    last = page.locator(".users-views > .tabs > a").last
    last.focus()
    tab, strip = box(last), box(page.locator(".users-views > .tabs"))
    assert tab["x"] + tab["width"] <= strip["x"] + strip["width"] + 1


@pytest.mark.parametrize(
    ("dark", "chosen", "icon"),
    [(False, "", "sun"), (True, "", "moon"), (False, "dark", "moon"), (True, "light", "sun")],
)
def test_the_theme_button_shows_the_theme(desk: House, dark: bool, chosen: str, icon: str) -> None:
    page = desk.visitor("vera", dark=dark).go("/users/")

    if chosen:
        page.get_by_label("Theme").click()
        page.locator(f"[data-theme={chosen}]").click()

    shown = page.get_by_label("Theme").locator("use:visible").all()
    assert [one.get_attribute("href") for one in shown] == [f"#icon-{icon}"]


def test_focus_stays_on_the_user_that_was_marked_as_viewed(desk: House) -> None:
    jonas, now = Person.objects.get(username="jonas"), clock.now()
    batch = cast.batch(
        cast.account(), jonas, status="asked", asked_by=jonas, asked_at=now, digest="d" * 64
    )
    for name in ("ana", "ben"):
        row, facts = cast.departure(name, "owner-assigned"), batch_rows.fence_facts(name)
        batch_rows.item(batch, row, facts=facts, status="asked", digest=name.ljust(64, "0"))
    page = desk.visitor("mei").go(f"/batches/{batch.number}/")

    page.locator("button.viewed").first.focus()
    page.keyboard.press("Enter")

    expect(page.locator("span.viewed")).to_be_focused()


@pytest.mark.parametrize("path", ["/claim/payments/", "user"])
def test_a_dispute_begins_at_what_it_asks_for(desk: House, path: str) -> None:
    payments = Team.objects.get(key="payments")
    row = cast.departure(cast.iam_user("pay-old", suggested_team=payments))
    where = f"/users/{cast.ACCOUNT_ID}/{row.user.user_id}/" if path == "user" else path
    page = desk.visitor("sara").go(where)

    page.locator("summary", has_text="Dispute").first.click()

    dialog = page.get_by_role("dialog", name="Dispute pay-old")
    expect(dialog.get_by_label("What did we get wrong?")).to_be_focused()
