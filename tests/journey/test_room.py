"""Where room is scarce: what a browser shows of rows, tabs and sentences that do not fit."""

from __future__ import annotations

import pytest
from playwright.sync_api import FloatRect, Locator

from migrations_app.lifecycle import State
from tests import cast
from tests.journey.conftest import House

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
