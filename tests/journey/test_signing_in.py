"""Signing in with a real browser: by the issuer and by a local account, nothing patched."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import expect

from inventory.models import Person
from tests.issuer import Issuer
from tests.journey.conftest import House

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_leads_by_way_of_the_issuer_back_to_where_it_pointed(
    desk: House, okta: Issuer, scripts: bool
) -> None:
    okta.asks = True
    okta.knows("00u1", "sara@acme.example")
    sara = desk.stranger("sara", scripts=scripts, width=390)
    page = sara.go("/claim/payments/")
    page.get_by_role("button", name="Continue with Okta").click()
    page.get_by_role("button", name="I am Sara").click()
    page.wait_for_url(f"{desk.address}/claim/payments/")
    sara.look()


def test_a_local_account_sets_up_its_second_factor_before_anything_else(
    desk: House, okta: Issuer
) -> None:
    person = Person.objects.get(username="jonas")
    person.set_password(PASSWORD)
    person.save()
    jonas = desk.stranger("jonas", dark=True)
    page = jonas.go("/users/?state=soaking")
    page.get_by_label("E-mail").fill("jonas@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    look = page.get_by_role("button", name="Show what is typed")
    look.click()
    expect(page.get_by_label("Password")).to_have_attribute("type", "text")
    look.click()
    expect(page.get_by_label("Password")).to_have_attribute("type", "password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Set up your second factor").wait_for()
    jonas.look()
    secret = page.locator(".mono").inner_text()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    page.get_by_label("Code").fill(str(code))
    page.get_by_role("button", name="Set up and go on").click()
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    jonas.look()
    page.get_by_role("link", name="Go on").click()
    page.wait_for_url(f"{desk.address}/users/?state=soaking")
