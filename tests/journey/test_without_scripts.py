"""Claim, compose and approve by plain forms, in a browser that runs no script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from inventory import refresh
from inventory.models import Account, Person, Sync
from migrations_app import changes
from migrations_app.models import Answer, Batch, Change, Departure
from tests.journey.conftest import House
from tests.journey.test_the_whole_way import open_message, someone_to_claim
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.worker]


def read_account() -> None:
    """Have the workers read the account whole."""
    refresh.ask_sync(Account.objects.get(), None)
    eventually(lambda: Sync.objects.filter(status=Sync.Status.WHOLE).exists(), 120)


def test_a_user_is_claimed_batched_and_approved_without_any_script(house: House) -> None:
    read_account()
    going = someone_to_claim()
    team = going.user.suggested_team
    assert team is not None
    assert team.lead is not None

    lead = house.visitor(team.lead.username, scripts=False)
    page = lead.go(f"/claim/{team.key}/")
    name = going.user.user_name
    page.get_by_role("button", name=f"It is ours: {name}").click()
    page.locator(f"#card-{going.pk}").get_by_role("button", name="No, it can go").click()
    expect(page.get_by_role("button", name=f"Undo: {name}")).to_be_visible()
    lead.look("claimed")
    going.refresh_from_db()
    assert (going.owner, going.answer) == (team, Answer.CAN_GO)

    jonas = house.visitor("jonas", scripts=False)
    changes.adopt(Departure.objects.filter(protection=""), Person.objects.get(username="jonas"))
    page = jonas.go("/batches/new/?move=disable")
    page.get_by_label(name, exact=True).check()
    page.get_by_role("button", name="Make the draft").click()
    eventually(lambda: Batch.objects.filter(dry_run_at__isnull=False).exists(), 60)
    page = jonas.go("/batches/1/")
    expect(page.locator(".row-detail").first).to_contain_text("AttachUserPolicy")
    page.get_by_role("button", name=re.compile("^Ask ")).click()
    batch = Batch.objects.get()
    assert batch.status == Batch.Status.ASKED
    open_message(lead, batch)

    mei = house.visitor("mei", scripts=False)
    page = mei.go("/batches/1/")
    for _ in range(batch.changes.filter(status=Change.Status.ASKED).count()):
        page.get_by_role("button", name="Viewed").first.click()
    page.get_by_role("button", name="Approve for").click()
    expect(page.get_by_text("Approved, and waits.")).to_be_visible()
    mei.look("approved")
    batch.refresh_from_db()
    assert batch.status == Batch.Status.APPROVED
