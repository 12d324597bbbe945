"""The Users page by keys: filters that keep their menu and the caret, selection, a saved view."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from inventory import clock
from migrations_app.lifecycle import State
from migrations_app.models import Departure, SavedView
from tests import cast
from tests.journey.conftest import House

pytestmark = pytest.mark.browser


def _some_users() -> None:
    for number in range(60):
        verdict = "dormant" if number % 2 else "active"
        cast.departure(cast.iam_user(f"svc-{number:02}", verdict=verdict), State.DISCOVERED)


def test_users_are_filtered_selected_and_kept_as_a_view_by_keys(desk: House) -> None:
    _some_users()
    jonas = desk.visitor("jonas")
    page = jonas.go("/users/?sort=name")

    # A filter from the menu stays open while values are ticked, and the address follows.
    page.locator("#add-filter > summary").click()
    page.locator("#add-filter").get_by_role("link", name="Verdict").click()
    page.locator("#f-verdict-dormant").check()
    expect(page).to_have_url(re.compile(r"verdict=dormant$"))
    expect(page.locator("#facet-verdict")).to_have_attribute("open", "")
    expect(page.locator("#f-verdict-dormant")).to_be_focused()
    expect(page.get_by_text("1 to 30 of 30")).to_be_visible()
    jonas.look("users-menu")
    page.keyboard.press("Escape")
    expect(page.locator("#facet-verdict")).not_to_have_attribute("open", "")

    # What is typed while the answer travels is kept, and so is the caret.
    page.locator("#users-q").press_sequentially("svc-2", delay=30)
    expect(page.get_by_text("1 to 5 of 5")).to_be_visible()
    expect(page.locator("#users-q")).to_be_focused()
    expect(page.locator("#users-q")).to_have_value("svc-2")

    # Back, forward and reload show what the address says.
    page.go_back()
    expect(page.get_by_text("1 to 30 of 30")).to_be_visible()
    expect(page.locator("#users-q")).to_have_value("")
    page.go_forward()
    expect(page.get_by_text("1 to 5 of 5")).to_be_visible()
    page.reload()
    expect(page.locator("#users-q")).to_have_value("svc-2")

    # The filters become a view of one's own, which is then a tab with its count.
    page.locator("#save-view > summary").click()
    page.locator("#view-name").fill("Twenties")
    page.keyboard.press("Enter")
    tab = page.get_by_role("navigation", name="Views").get_by_role("link", name="Twenties")
    expect(tab).to_have_attribute("aria-current", "page")
    expect(tab).to_contain_text("5")
    assert SavedView.objects.get().query == "view=left&q=svc-2&sort=name&verdict=dormant"

    # Rows are ticked by keys, a range with Shift, and Escape gives the selection up.
    page.locator("h1").click()
    for key in ("j", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(page.get_by_text("3 selected")).to_be_visible()
    jonas.look("users-selected")
    page.keyboard.press("Escape")
    expect(page.locator("[data-select-bar]")).to_be_hidden()

    # With nobody ticked the keys of the bar do nothing.
    for key in ("a", "b"):
        page.keyboard.press(key)
    expect(page.locator("h1")).to_have_text("Users")

    # Whoever comes back finds the boxes ticked, and the bar that goes with them.
    for key in ("k", "x", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"/users/\d+/"))
    page.go_back()
    expect(page.locator("[data-select-row]:checked")).to_have_count(1)
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.reload()

    # And given to a team, without a mouse.
    for key in ("j", "j", "x", "a"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Who answers for this user?")
    jonas.look("users-assign")
    page.get_by_label("Team").select_option("payments")
    page.get_by_role("button", name="Assign").press("Enter")
    expect(page.get_by_text("Payments now answers for 1 user.")).to_be_visible()
    assert Departure.objects.get(owner__key="payments").user.user_name == "svc-23"


def test_keys_work_with_caps_lock_on_and_with_shift_as_before(desk: House) -> None:
    _some_users()
    page = desk.visitor("jonas").go("/users/?sort=name")
    current = page.locator("tr.is-current")

    # What a browser sends while Caps Lock is on: capitals, and small letters with Shift.
    for key, name in (("J", "svc-00"), ("J", "svc-01"), ("K", "svc-00")):
        page.keyboard.press(key)
        expect(current).to_contain_text(name)
    page.keyboard.press("X")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("J")
    page.keyboard.press("J")
    page.keyboard.press("Shift+x")
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("3 selected")).to_be_hidden()


def test_the_table_is_dense_and_stays_within_every_width(desk: House) -> None:
    infrastructure = cast.team("infrastructure", "Infrastructure")
    for number in range(12):
        user = cast.iam_user(
            f"ci-infrastructure-deploy-{number:02}",
            category="human-programmatic",
            verdict="active",
            rhythm="weekly",
            privilege="can-become-admin",
            last_activity_at=clock.now() - timedelta(days=1200 + number),
            suggested_team=infrastructure,
            suggestion_percent=97,
        )
        cast.departure(user, State.DISCOVERED)
    page = desk.visitor("jonas").go("/users/")

    for width in (1240, 1280, 1351, 1352, 1366, 1399, 1400, 1439, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width

    heights = page.locator(".users-table tbody tr").evaluate_all(
        "rows => rows.map(row => row.offsetHeight)"
    )
    assert max(heights) <= 50, heights
