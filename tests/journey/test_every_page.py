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
# What a table of cards shows may not end beyond its card, which would cut it off unseen.
_CUT = """() => [...document.querySelectorAll(".table-cards td, .table-cards th")].filter((one) =>
    one.checkVisibility() && getComputedStyle(one).display !== "table-cell"
    && one.scrollWidth > one.clientWidth + 1
).map((one) => `cut off: ${one.outerHTML.slice(0, 200)}`)"""
# A menu opens where one can see and reach it; one in a drawer that is shut does not count.
_MENUS = """() => {
    const found = [], room = document.documentElement.clientWidth;
    for (const menu of document.querySelectorAll("details.menu")) {
        const was = menu.open, opener = menu.firstElementChild.getBoundingClientRect();
        if (!menu.checkVisibility() || opener.right <= 0 || opener.left >= room) continue;
        menu.open = true;
        const panel = menu.querySelector(".menu-panel")?.getBoundingClientRect();
        if (panel?.width && (panel.left < 0 || panel.right > room + 1)) found.push(
            `opens beyond the edge: ${menu.firstElementChild.outerHTML.slice(0, 160)}`);
        menu.open = was;
    }
    return found;
}"""
# Reduced motion is asked for in every look; only what says that work goes on may turn.
_MOVING = """() => document.getAnimations().filter((one) => one.playState === "running"
    && one.effect.getComputedTiming().duration > 10
    && !one.effect.target?.classList.contains("icon-spin")
).map((one) => `moves although asked not to: ${one.effect.target?.outerHTML.slice(0, 200)}`)"""

# Read out without what stands around it, a name must say enough: one name, one place or deed.
_NAMES = """() => {
    const found = [], places = new Map();
    for (const one of document.querySelectorAll("a[href], button, summary")) {
        if (!one.checkVisibility()) continue;
        const said = one.getAttribute("aria-label") || one.textContent;
        const name = said.replace(/\\s+/g, " ").trim();
        let place = one.href ?? one.outerHTML;
        if (one.matches("summary")) place = one.parentElement.outerHTML;
        if (one.form && one.type === "submit")
            place = [one.form.action, ...[...new FormData(one.form, one)].filter(
                ([key]) => key !== "csrfmiddlewaretoken").map(String)].join();
        if ((places.get(name) ?? place) !== place) found.push(`two are named “${name}”`);
        places.set(name, place);
    }
    const schemes = [...document.querySelectorAll(".menu-item[data-theme]")].map(
        (one) => getComputedStyle(one).color);
    if (new Set(schemes).size > 1) found.push("the name of a theme is drawn in that theme");
    const headings = document.querySelectorAll("h1").length;
    if (headings !== 1) found.push(`${headings} h1`);
    for (const table of document.querySelectorAll("table")) {
        if (!table.caption && !table.ariaLabel && !table.ariaLabelledByElements?.length)
            found.push(`a table without a name: ${table.textContent.trim().slice(0, 60)}`);
        if (table.querySelector("th:not([scope])")) found.push("a table heading without scope");
    }
    for (const [place, role] of [["announce", "status"], ["announce-now", "alert"]])
        if (document.getElementById(place)?.role !== role) found.push(`no live region #${place}`);
    return found;
}"""
# Without a script only its own field carries the mark that a form is ours.
_UNMARKED = """() => [...document.querySelectorAll("form[method=post]")].filter((one) =>
    !one.querySelector("[name=csrfmiddlewaretoken]")
).map((one) => `a form that would be refused: ${one.outerHTML.slice(0, 200)}`)"""
# Of signs that a style sheet draws, a screen reader says each that has no other words.
_SIGNS = """() => [...document.querySelectorAll("body *")].flatMap((one) =>
    ["::before", "::after"].map((part) => getComputedStyle(one, part).content).filter(
        (content) => /[›»•→✓×]/.test(content) && !content.includes(" / ")
    ).map((content) => `${content} is read out: ${one.outerHTML.slice(0, 120)}`))"""
# WCAG 2.4.11: whatever has the focus is not under a bar that stays.
_COVERED = """() => {
    const found = [];
    for (const one of document.querySelectorAll(
        "a[href], button, summary, input, select, textarea")) {
        if (!one.checkVisibility() || one.disabled) continue;
        one.focus();
        const {x, y, width, height} = one.getBoundingClientRect();
        const top = document.elementFromPoint(x + width / 2, y + height / 2);
        for (let at = top; at && !one.contains(top) && !at.contains(one); at = at.parentElement)
            if (["fixed", "sticky"].includes(getComputedStyle(at).position)) {
                found.push(`covered while it has the focus: ${one.outerHTML.slice(0, 120)}`);
                break;
            }
    }
    scrollTo(0, 0);
    return found;
}"""
# What is drawn over time opens at today.
_PAST = """() => [...document.querySelectorAll(".plot-scroll")].filter((one) => {
    const words = [...one.querySelectorAll("text")].find((text) => text.textContent === "Today");
    const box = one.getBoundingClientRect();
    const {x, right} = (words ?? one.firstElementChild).getBoundingClientRect();
    return right > box.right + 1 || words && x < box.x - 1;
}).map((one) => `today is not in sight: ${one.ariaLabel}`)"""
# A drawing keeps its colours, so that its words are measured, and the mark of where one is.
_FORCED = """() => {
    const shade = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255).map(
        (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const light = (text) => shade(text).reduce((sum, one, at) =>
        sum + one * [0.2126, 0.7152, 0.0722][at], 0.05);
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const found = [];
    for (const words of document.querySelectorAll("svg text")) {
        if (!words.checkVisibility()) continue;
        const own = light(getComputedStyle(words).fill);
        if (Math.max(own, ground) / Math.min(own, ground) < 4.5)
            found.push(`forced colours: ${words.textContent} cannot be read`);
    }
    for (const one of document.querySelectorAll(".btn")) {
        if (!one.checkVisibility()) continue;
        const {color, backgroundColor} = getComputedStyle(one);
        if (backgroundColor.endsWith(", 0)") || one.disabled) continue;
        const [own, below] = [light(color), light(backgroundColor)];
        if (Math.max(own, below) / Math.min(own, below) < 4.5)
            found.push(`forced colours: ${one.textContent.trim()} cannot be read on its button`);
    }
    for (const one of document.querySelectorAll("[aria-current=page]")) {
        if (!one.checkVisibility()) continue;
        const {outlineStyle, borderBottomWidth} = getComputedStyle(one);
        if (outlineStyle === "none" && parseFloat(borderBottomWidth) < 3)
            found.push(`forced colours: nothing shows that one is at ${one.textContent.trim()}`);
    }
    return found;
}"""
# On a sheet of A4 within its margins.
_ON_PAPER = """() => [...document.querySelectorAll(
    ".sidebar, .topbar, .strip, .toasts, button, .btn, .pager, tbody th, [data-select-row]"
)].filter((one) => one.checkVisibility() && (!one.matches("th") || one.offsetWidth < 60)).map(
    (one) => `on paper: ${one.outerHTML.slice(0, 120)}`)"""
PAPER: ViewportSize = {"width": 703, "height": 1000}


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
        # A menu that was still being filled when the page was left is no failure.
        if message.text.startswith(("htmx:sendAbort", "htmx:afterRequest")):
            return
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
        # The page before goes on asking, and would ask as nobody.
        self.page.goto("about:blank")
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
            self.comfort()
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

    def comfort(self) -> None:
        """The open page read out, in forced colours, on paper, and at 400 %."""
        self.page.set_viewport_size({"width": 1440, "height": SIZES[1440]})
        self.note_all("", _NAMES)
        self.note_all("", _SIGNS)
        self.note_all("", _UNMARKED)
        self.page.emulate_media(forced_colors="active")
        self.note_all("", _FORCED)
        self.page.emulate_media(forced_colors="none", media="print")
        self.page.set_viewport_size(PAPER)
        self.note_all("", _ON_PAPER)
        self.note_all("on paper: ", _SIDEWAYS)
        self.page.emulate_media(media="screen")
        self.page.set_viewport_size(SMALLEST)
        self.measure("320 px")
        self.note_all("320 px: ", _PAST)
        self.note_all("320 px: ", _COVERED)

    def note_all(self, at: str, look: str) -> None:
        for finding in self.page.evaluate(look):
            self.note(at + finding)

    def measure(self, at: str) -> None:
        """Nothing scrolls sideways, and nothing moves."""
        self.note_all(f"{at}: ", _SIDEWAYS)
        self.note_all(f"{at}: ", _CUT)
        self.note_all(f"{at}: ", _MENUS)
        self.note_all(f"{at}: ", _MOVING)


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
