"""A lead answers from a link in a message: on a phone, by keyboard alone, and without scripts.

Keeps a picture of each step.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from inventory import clock
from inventory.models import Person, Team
from migrations_app import changes
from migrations_app.claims import claim_links
from migrations_app.models import Ask, AskOpening, Departure
from tests import cast
from tests.journey.conftest import House, Visitor

pytestmark = pytest.mark.browser

PHONE = 390
_USERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "payments-deploy",
        "active",
        {
            "tags": {"repository": "github.com/acme/payments"},
            "suggestion_reasons": [
                "Repository github.com/acme/payments",
                "Tag team=payments",
                "Made by sara",
            ],
        },
    ),
    ("pci-export-nightly", "active", {"suggestion_reasons": ["Tag team=payments"]}),
    ("ledger-backfill-2021", "dormant", {"category": "mystery"}),
    ("sara.lindqvist", "active", {"category": "human-console", "has_console_password": True}),
    ("ses-smtp-20210714", "never-used", {}),
    ("jmartin-cli", "dormant", {"category": "human-programmatic"}),
    ("<img src=x onerror=alert(1)>", "dormant", {"category": "third-party"}),
)


def _asked() -> Ask:
    """Payments, asked about seven users as in a usual account."""
    payments = Team.objects.get(key="payments")
    today = clock.now().date()
    for name, verdict, columns in _USERS:
        used = clock.now() - timedelta(hours=2 if verdict == "active" else 24 * 1214)
        signs: dict[str, Any] = {
            "suggestion_reasons": ["Name matches ^pay"],
            "last_activity_at": None if verdict == "never-used" else used,
            "suggestion_percent": 90,
        }
        user = cast.iam_user(name, verdict=verdict, suggested_team=payments, **(signs | columns))
        cast.departure(user)
        if verdict == "active":
            for week in range(13):
                day = today - timedelta(weeks=week)
                cast.activity(user, day, 40 + 13 * (week % 5), user_agent="GitHub-Actions")
    jonas = Person.objects.get(username="jonas")
    return changes.start_campaign(jonas, message="See the wiki: what we do and why.").asked[0]


def _card(page: Page, row: Departure) -> str:
    return f"#card-{row.pk}"


def _row(name: str) -> Departure:
    return Departure.objects.get(user__user_name=name)


def _has_focus(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=name)).to_be_focused()


def _fits(lead: Visitor) -> None:
    """Nothing is wider than the screen."""
    wide = lead.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1], f"{lead.page.url} is {wide[0]} wide on {wide[1]}"


def test_a_lead_answers_everything_on_a_phone_with_keys_alone(desk: House) -> None:
    link = claim_links.make(_asked())
    lead = desk.visitor("sara", width=PHONE)
    page = lead.page
    page.goto(desk.address + link)
    page.wait_for_url("**/claim/payments/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "These 7 IAM users look like they belong to Payments"
    )
    expect(page.get_by_text("0 of 7 answered")).to_be_visible()
    _fits(lead)
    lead.look("claim-1-open")
    assert AskOpening.objects.get().person.username == "sara"

    # The first card is the one that keys answer; it asks its second question in place.
    first = _row("payments-deploy")
    page.keyboard.press("y")
    expect(page.locator(_card(page, first))).to_contain_text("Is it still needed?")
    _has_focus(page, "Yes, plan a replacement: payments-deploy")
    lead.look("claim-2-still-needed")
    page.keyboard.press("y")
    expect(page.get_by_text("1 of 7 answered")).to_be_visible()
    _has_focus(page, "It is ours: pci-export-nightly")
    lead.look("claim-3-goes-on")

    # The last answer is undone from where the keys went on to.
    page.keyboard.press("u")
    _has_focus(page, "It is ours: payments-deploy")
    assert _row("payments-deploy").owner is None
    page.keyboard.press("y")
    _has_focus(page, "Yes, plan a replacement: payments-deploy")
    page.keyboard.press("y")
    _has_focus(page, "It is ours: pci-export-nightly")
    page.keyboard.press("n")
    _has_focus(page, "It is ours: sara.lindqvist")
    expect(page.get_by_text("2 of 7 answered")).to_be_visible()
    assert _row("pci-export-nightly").answers.get().said == "not-ours"
    lead.look("claim-4-not-ours")

    page.keyboard.press("h")
    expect(page.get_by_role("dialog")).to_be_visible()
    lead.look("claim-5-hand-over")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What did we get wrong?").fill("I use it for the audit.")
    lead.look("claim-6-dispute")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Send dispute").press("Enter")
    expect(page.get_by_text("3 of 7 answered")).to_be_visible()
    page.wait_for_load_state()
    assert _row("sara.lindqvist").disputed_until is not None

    for number in range(4, 8):
        page.keyboard.press("y")
        # For a quiet user the ink answer is the one that fits the evidence.
        expect(page.locator(":focus")).to_have_text("No, it can go")
        page.keyboard.press("n")
        goes_on = "It is ours" if number < 7 else "Payments is done"
        expect(page.locator(":focus")).to_have_text(goes_on)
        expect(page.get_by_text(f"{number} of 7 answered")).to_be_visible()
    _fits(lead)
    lead.look("claim-7-done")
    assert not Departure.objects.filter(state="discovered").exclude(
        user__user_name__in=["pci-export-nightly", "sara.lindqvist"]
    )


def test_a_lead_answers_without_any_script(desk: House) -> None:
    link = claim_links.make(_asked())
    lead = desk.visitor("sara", scripts=False, width=PHONE)
    page = lead.page
    page.goto(desk.address + link)
    page.wait_for_url("**/claim/payments/")
    lead.look("claim-1-open")

    page.get_by_role("button", name="It is ours: payments-deploy").click()
    lead.look("claim-2-still-needed")
    page.get_by_role("button", name="Yes, plan a replacement: payments-deploy").click()
    page.get_by_role("button", name="Not ours: pci-export-nightly").click()
    page.get_by_label("Whose is pci-export-nightly, do you think?").select_option("platform")
    page.get_by_role("button", name="Say so: pci-export-nightly").click()
    expect(page.get_by_text("Not yours. We will ask Platform.")).to_be_visible()
    lead.look("claim-3-whose")

    page.get_by_label("Dispute: sara.lindqvist").click()
    page.get_by_label("What did we get wrong?").locator("visible=true").fill("The audit uses it.")
    # It opens in place and as wide as the card; what only a script could do is not there.
    form = page.get_by_role("dialog", name="Dispute sara.lindqvist")
    expect(form.get_by_role("button")).to_have_text(["Send dispute"])
    where = form.bounding_box()
    assert where is not None
    assert where["width"] > 0.8 * PHONE
    lead.look("claim-4-dispute")
    page.get_by_role("button", name="Send dispute").locator("visible=true").click()
    expect(page.get_by_text("3 of 7 answered")).to_be_visible()

    page.get_by_text("Answer several at once").click()
    for box in page.locator("#several").get_by_role("checkbox").all():
        if box.is_visible():
            box.check()
    lead.look("claim-5-several")
    page.get_by_role("button", name="Ours, can go").click()
    expect(page.get_by_role("heading", name="Payments is done", level=1)).to_be_visible()
    lead.look("claim-6-done")
    assert Departure.objects.filter(answer="can-go").count() == 4

    page.get_by_role("button", name="Undo: jmartin-cli").click()
    expect(page.get_by_text("6 of 7 answered")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, 1440])
def test_security_asks_sees_who_answered_and_settles(desk: House, width: int, dark: bool) -> None:
    ask = _asked()
    platform = Team.objects.get(key="platform")
    sara, priya = (Person.objects.get(username=name) for name in ("sara", "priya"))
    row = changes.claim(_row("payments-deploy"), ask.team, sara, "needed")
    changes.claim(row, platform, priya, "needed")
    until = clock.now().date() + timedelta(days=9)
    changes.dispute(_row("sara.lindqvist"), sara, "The audit uses it.", until)
    for number in range(3):
        cast.departure(cast.iam_user(f"plat-{number}", suggested_team=platform))
    cast.departure(cast.iam_user("deaf-1", suggested_team=cast.team("deaf")))
    look = f"{width}-{'dark' if dark else 'light'}"
    lead = desk.visitor("sara", width=width, dark=dark)
    lead.go("/claim/payments/")
    _fits(lead)
    lead.look(f"claim-{look}")

    jonas = desk.visitor("jonas", width=width, dark=dark)
    page = jonas.go("/claims/ask/")
    _fits(jonas)
    expect(page.get_by_text("Deaf has neither a lead nor a channel")).to_be_visible()
    jonas.look(f"ask-{look}")
    page.get_by_label("Message").fill("We begin on Monday.")
    page.get_by_role("button", name="Show the messages anew").click()
    expect(page.get_by_text("Jonas Weber writes: We begin on Monday.")).to_be_visible()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile(r"/claims/\d+/$"))
    # Nobody of Platform has opened it, and no channel has taken it.
    Ask.objects.filter(team=platform).update(asked_at=clock.now() - timedelta(days=2))
    page.reload()
    expect(page.get_by_text("Not reached")).to_be_visible()
    _fits(jonas)
    jonas.look(f"campaign-{look}")
    Ask.objects.filter(pk=ask.pk).update(deadline_at=clock.now() - timedelta(hours=1))
    page = jonas.go("/claims/")
    _fits(jonas)
    jonas.look(f"claims-{look}")
    page.get_by_role("button", name="Platform has payments-deploy").click()
    expect(page.get_by_text("payments-deploy belongs to Platform. Both are told.")).to_be_visible()
    page.get_by_label("Your answer about sara.lindqvist").fill("The audit has a role of its own.")
    page.get_by_role("button", name="End the dispute: sara.lindqvist").click()
    expect(page.get_by_text("The dispute about sara.lindqvist is over.")).to_be_visible()
    page = jonas.go("/claims/")
    page.get_by_label("All 6 of Payments").check()
    page.locator("#overdue").get_by_role("button", name="Adopt for the custodian").click()
    expect(page.get_by_text("Adopted 6 users for the custodian.")).to_be_visible()
    jonas.look(f"adopted-{look}")
