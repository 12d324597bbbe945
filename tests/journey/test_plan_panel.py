"""The files of a plan on its user's page: they come when the section is reached, by tabs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from inventory import clock
from inventory.models import Person
from migrations_app.lifecycle import State
from migrations_app.models import Plan
from tests import cast
from tests.journey.conftest import House

pytestmark = pytest.mark.browser


def _planned() -> Plan:
    user = cast.iam_user(
        "deploy-prod",
        verdict="active",
        tags={"repository": "acme/shop"},
        last_activity_at=clock.now() - timedelta(days=7),
    )
    cast.activity(user, (clock.now() - timedelta(days=8)).date(), service="ecs",
                  action="UpdateService")  # fmt: skip
    row = cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments"), answer="needed")
    return cast.plan(
        row,
        choices={"repository": "acme/shop", "branches": ["main"]},
        confirmed_by=Person.objects.get(username="sara"),
        confirmed_at=clock.now(),
        status="confirmed",
    )


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_files_of_a_plan_come_by_tabs_and_keep_the_focus(
    desk: House, width: int, *, dark: bool
) -> None:
    plan = _planned()
    user = plan.departure.user
    jonas = desk.visitor("jonas", width=width, dark=dark)
    page = jonas.go(f"/users/{user.account.account_id}/{user.user_id}/#replacement")

    tabs = page.get_by_role("navigation", name="Files of the plan")
    expect(tabs.get_by_role("link", name="Terraform")).to_have_attribute("aria-current", "true")
    expect(page.locator("#plan-file")).to_contain_text('resource "aws_iam_role"')
    tabs.get_by_role("link", name="How to roll back").press("Enter")
    expect(page.locator("#plan-file")).to_have_attribute("aria-label", "HOW-TO-ROLL-BACK.md")
    expect(tabs.get_by_role("link", name="How to roll back")).to_be_focused()
    jonas.look("plan-panel")
    with page.expect_download() as saved:
        page.locator("#plan-panel").get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "HOW-TO-ROLL-BACK.md"
