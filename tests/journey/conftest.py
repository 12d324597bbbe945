"""A real browser against the whole product: live server, PostgreSQL, Redis, workers, account.

Each person has a browser context of its own. Whatever a page logs as an error, asks for in vain or
keeps from people with impairments fails the test at its end, with the page's address.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from inventory.models import Person
from tests.processes import SimulatedAccount, Workers

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "test-artifacts" / "journey"
AXE = ROOT / "tests" / "vendor" / "axe.min.js"
SIZE = 30
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    (one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" | ")}`)"""


@dataclass
class Complaints:
    """Everything that went wrong in any page, with where."""

    said: list[str] = field(default_factory=list)

    def listen_to(self, page: Page, who: str) -> None:
        """Collect console errors, script errors and refused or failed requests of `page`."""

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.said.append(f"{who} at {page.url}: console: {message.text}")

        def answered(response: Response) -> None:
            if response.status >= 400:
                self.said.append(
                    f"{who} at {page.url}: {response.status} for {response.request.method} "
                    f"{response.url}"
                )

        page.on("console", console)
        page.on("pageerror", lambda error: self.said.append(f"{who} at {page.url}: {error}"))
        page.on("response", answered)


@dataclass
class Visitor:
    """One person at a browser."""

    name: str
    page: Page
    address: str
    complaints: Complaints
    scripts: bool
    pictures: int = 0

    def sign_in(self) -> None:
        """With a session of their own; how people come in has tests of its own."""
        client = Client()
        client.force_login(Person.objects.get(username=self.name))
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.address}]
        )
        self.go("/")

    def go(self, path: str) -> Page:
        """Open a page and look at it."""
        self.page.goto(self.address + path)
        self.look()
        return self.page

    def look(self, name: str = "") -> None:
        """Keep a picture of the page as it is now, and have axe look at it."""
        self.pictures += 1
        where = re.sub(r"\W+", "-", name or self.page.url.removeprefix(self.address)).strip("-")
        plain = "" if self.scripts else "plain-"
        picture = PICTURES / f"{plain}{self.name}-{self.pictures:02}-{where or 'overview'}.png"
        # Hiding the caret leaves style attributes behind, which the policy then complains of.
        self.page.screenshot(path=picture, full_page=True, caret="initial")
        if self.scripts:
            self.page.evaluate(AXE.read_text())
            for violation in self.page.evaluate(_RUN_AXE):
                self.complaints.said.append(f"axe, {self.name} at {self.page.url}: {violation}")


@dataclass
class House:
    """The product at `address`, and a way to sit down at it."""

    address: str
    browser: Browser
    complaints: Complaints

    def visitor(
        self, name: str, *, scripts: bool = True, width: int = 1440, dark: bool = False
    ) -> Visitor:
        """`name` of the cast, signed in, in a fresh browser context `width` pixels wide."""
        visitor = self.stranger(name, scripts=scripts, width=width, dark=dark)
        visitor.sign_in()
        return visitor

    def stranger(
        self, name: str, *, scripts: bool = True, width: int = 1440, dark: bool = False
    ) -> Visitor:
        """The same before anybody signed in."""
        context = self.browser.new_context(
            java_script_enabled=scripts,
            viewport={"width": width, "height": 900 if width > 600 else 844},
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(15_000)
        page = context.new_page()
        self.complaints.listen_to(page, name)
        return Visitor(name, page, self.address, self.complaints, scripts)


def _chromium() -> str:
    """The browser. In CI its absence fails, elsewhere it skips with the way to get it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing = "No Chromium here, so no page was opened in a browser: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    # Playwright keeps a loop in this thread, which Django takes for a call from inside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def small_account(
    _simulator: SimulatedAccount, monkeypatch: pytest.MonkeyPatch, _clock_at_zero: None
) -> Iterator[SimulatedAccount]:
    """A fresh account of 30 users over HTTP, as the workers meet it."""
    usual, _simulator.size = _simulator.size, SIZE
    _simulator.reset()
    for name, value in (PRODUCT_CREDENTIALS | {"DEMO_EXTERNAL_ID": EXTERNAL_ID}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _simulator.url)
    yield _simulator
    _simulator.size = usual


@pytest.fixture
def desk(browser: Browser, live_server: object, _clock_at_zero: None) -> Iterator[House]:
    """The cast, and rows written straight to the database."""
    from tests import cast

    cast.cast()
    complaints = Complaints()
    yield House(str(live_server), browser, complaints)
    for context in browser.contexts:
        context.close()
    assert not complaints.said, "\n".join(complaints.said)


@pytest.fixture
def house(
    browser: Browser,
    small_account: SimulatedAccount,
    workers: Workers,
    live_server: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[House]:
    """The demo's organization; fails for what pages complain of."""
    from django.core.management import call_command

    from inventory.aws import identity

    monkeypatch.setattr(settings, "AWS_ENDPOINT_URL", small_account.url)
    call_command("organization", "apply", str(ROOT / "demo" / "iamcleanup.yaml"))
    # The workers report when they start, which may have been before another test.
    identity.report("journey")
    complaints = Complaints()
    yield House(str(live_server), browser, complaints)
    for context in browser.contexts:
        context.close()
    assert not complaints.said, "\n".join(complaints.said)
