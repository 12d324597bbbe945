"""Every page and state in a real browser: axe, console, requests, and nothing scrolls sideways.

`make test` looks at each page in one of six ways (three widths, light and dark, in turn) and at
320 px; `make test-all` looks at each in all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import pytest
from django.conf import settings
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    ViewportSize,
)

from tests.journey import rooms
from tests.journey.conftest import AXE
from tests.journey.rooms import Stop

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("every-page")]
SIZES = {1440: 900, 768: 1024, 390: 844}
# What 1280 × 1024 has left at 400 %.
SMALLEST: ViewportSize = {"width": 320, "height": 256}
LOOKS: list[tuple[int, Literal["light", "dark"]]] = list(product(SIZES, ("light", "dark")))
# Of WCAG 2.2, and off unless asked for.
_RUN_AXE = """async () => (await axe.run(document, {
    resultTypes: ["violations"], rules: {"target-size": {enabled: true}},
})).violations.map((one) => `${one.id}: ${one.help}: ` + one.nodes.map((node) =>
    `${node.html} (${node.failureSummary.replace(/\\s+/g, " ")})`).join(" | "))"""
_SIDEWAYS = """() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const wide = [...document.querySelectorAll("body *")].filter(
        (one) => one.getBoundingClientRect().right > room + 1);
    return [`scrolls sideways to ${document.documentElement.scrollWidth} px: ` + wide.slice(-3).map(
        (one) => one.outerHTML.slice(0, 200)).join(" | ")];
}"""
# Reduced motion is asked for in every look; only what says that work goes on may turn.
_MOVING = """() => document.getAnimations().filter((one) => one.playState === "running"
    && one.effect.getComputedTiming().duration > 10
    && !one.effect.target?.classList.contains("icon-spin")
).map((one) => `moves although asked not to: ${one.effect.target?.outerHTML.slice(0, 200)}`)"""


@dataclass
class Inspector:
    """One browser page, kept open, that is led from page to page of the product."""

    page: Page
    address: str
    sessions: dict[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    pages: int = 0
    looks: int = 0
    expected: Stop = field(default=Stop("/", ""))

    def __post_init__(self) -> None:
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.note(str(error)))
        self.page.on("response", self._answered)
        self.page.on("requestfailed", self._failed)

    def note(self, what: str) -> None:
        stop = self.expected
        self.found.append(f"{stop.path} as {stop.who or 'nobody'}: {what}")

    def _said(self, message: ConsoleMessage) -> None:
        # Of a page that is to refuse, the browser says so too.
        refused = self.expected.status >= 400 and "Failed to load resource" in message.text
        if message.type == "error" and not refused:
            self.note(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        own = response.request.is_navigation_request()
        if response.status >= 400 and not (own and response.status == self.expected.status):
            self.note(f"{response.status} for {response.url}")

    def _failed(self, request: Request) -> None:
        # A poll that was under way when the page was left is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.note(f"{request.failure} for {request.url}")

    def open(self, stop: Stop) -> None:
        """Sign in as who may see it, and open the page."""
        self.expected = stop
        self.page.context.clear_cookies()
        if stop.who:
            if stop.who not in self.sessions:
                self.sessions[stop.who] = rooms.session_of(stop.who)
            name, value = settings.SESSION_COOKIE_NAME, self.sessions[stop.who]
            self.page.context.add_cookies([{"name": name, "value": value, "url": self.address}])
        answer = self.page.goto(self.address + stop.path, wait_until="load")
        assert answer
        if answer.status != stop.status:
            self.note(f"answered {answer.status} instead of {stop.status}")
        self.page.evaluate(AXE.read_text())
        self.pages += 1

    def walk(self, stops: Iterable[Stop], *, every_way: bool) -> None:
        """Open each and look at it in one of the six ways in turn, or in all; fail with all found.

        A page is opened once; style sheets and scripts follow the width and theme as they change.
        """
        for turn, stop in enumerate(stops):
            self.open(stop)
            for width, theme in LOOKS if every_way else [LOOKS[turn % len(LOOKS)]]:
                self.look(width, theme)
            self.page.set_viewport_size(SMALLEST)
            self.measure("320 px")
        # What docs/screens/README.md tells; pytest shows it with -s.
        sys.stdout.write(f"{self.pages} pages, {self.looks} looks, {len(self.found)} findings\n")
        assert not self.found, "\n".join(self.found)

    def look(self, width: int, theme: Literal["light", "dark"]) -> None:
        """Have axe look at the open page at this width in this theme."""
        self.page.set_viewport_size({"width": width, "height": SIZES[width]})
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        self.looks += 1
        for violation in self.page.evaluate(_RUN_AXE):
            self.note(f"{width} px, {theme}: axe: {violation}")
        self.measure(f"{width} px")

    def measure(self, at: str) -> None:
        """Nothing scrolls sideways, and nothing moves."""
        for finding in self.page.evaluate(_SIDEWAYS) + self.page.evaluate(_MOVING):
            self.note(f"{at}: {finding}")


@pytest.fixture
def inspector(browser: Browser, live_server: object) -> Iterator[Inspector]:
    context = browser.new_context()
    yield Inspector(context.new_page(), str(live_server))
    context.close()


def test_each_page_and_state_is_for_everybody_in_one_way_of_looking(inspector: Inspector) -> None:
    inspector.walk(rooms.furnished(), every_way=False)


def test_empty_pages_are_for_everybody_in_one_way_of_looking(inspector: Inspector) -> None:
    inspector.walk(rooms.empty(), every_way=False)


@pytest.mark.slow
def test_each_page_and_state_is_for_everybody_in_every_way_of_looking(inspector: Inspector) -> None:
    inspector.walk(rooms.furnished(), every_way=True)


@pytest.mark.slow
def test_empty_pages_are_for_everybody_in_every_way_of_looking(inspector: Inspector) -> None:
    inspector.walk(rooms.empty(), every_way=True)
