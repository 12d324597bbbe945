"""A form that was refused is mended on the page that says why, with scripts and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from migrations_app.models import Hit
from tests import cast
from tests.journey.conftest import House

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_hit_is_dismissed_at_the_second_try(desk: House, *, scripts: bool) -> None:
    hit = cast.hit(cast.departure("cron-report", "disabled"))
    visitor = desk.visitor("jonas", scripts=scripts)
    page = visitor.go(f"/hits/{hit.pk}/")

    page.locator("#dismiss").get_by_label("Reason").fill("   ")
    page.get_by_role("button", name="Dismiss", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Not done")
    expect(page.get_by_role("alert").first).to_have_text("Say why, in a few words.")
    reason = page.get_by_label("Reason")
    expect(reason).to_be_focused()
    expect(reason).to_have_value("   ")
    visitor.look("refused-form")
    page.get_by_role("button", name="Try again").click()
    back = page.get_by_role("link", name="Go back")
    expect(back).to_have_attribute("href", re.compile(rf"/hits/{hit.pk}/$"))
    page.get_by_label("Reason").fill("A scanner of ours.")
    page.get_by_role("button", name="Try again").click()

    expect(page).to_have_url(re.compile("/soak/"))
    assert Hit.objects.get().closed_reason == "A scanner of ours."
    # That was refused, twice, is what it is about.
    told = [one for one in desk.complaints.said if "422" not in one]
    desk.complaints.said[:] = told
