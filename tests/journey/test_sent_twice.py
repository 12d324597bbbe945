"""What a person presses twice in a real browser: by a double click, and after the way back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from inventory.models import Account, IamUser
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure
from tests import cast
from tests.journey.conftest import House

pytestmark = pytest.mark.browser


def quiet() -> Departure:
    user: IamUser = cast.iam_user("quiet", Account.objects.get())
    return cast.departure(user, State.OWNER_ASSIGNED)


def test_a_double_click_without_scripts_makes_one_draft(house: House) -> None:
    row = quiet()
    jonas = house.visitor("jonas", scripts=False)
    page = jonas.go(f"/batches/new/?move=disable&users={row.user.user_id}")
    page.get_by_role("button", name="Make the draft").dblclick()
    expect(page).to_have_url(f"{jonas.address}/batches/1/")
    assert Batch.objects.count() == 1


def test_whoever_comes_back_and_sends_it_again_is_led_to_what_it_made(house: House) -> None:
    row = quiet()
    jonas = house.visitor("jonas")
    page = jonas.go(f"/batches/new/?move=disable&users={row.user.user_id}")
    page.get_by_role("button", name="Make the draft").click()
    expect(page).to_have_url(f"{jonas.address}/batches/1/")
    page.go_back()
    expect(page.get_by_role("link", name="in draft #1")).to_be_visible()
    # The browser remembers what was ticked.
    page.get_by_label("quiet", exact=True).check()
    page.get_by_role("button", name="Make the draft").click()
    expect(page.get_by_text("This form made batch #1 before.")).to_be_visible()
    assert Batch.objects.count() == 1
