"""Pictures of the product's screens, from a demo that runs already.

    python -m bench.screens http://127.0.0.1:8000 docs/screens

Signs in as people of the demo, and takes each screen light and dark at 1440 px and some at 390.
It adopts users, makes two batches and asks for the approval of one, as their pages are among the
screens; so point it at a demo of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE: ViewportSize = {"width": 1440, "height": 900}
# What is further down is more of the same.
TALLEST = 1500
PHONE: ViewportSize = {"width": 390, "height": 844}
# Screen: who looks, and where.
SCREENS = {
    "01-overview": ("jonas", "/"),
    "02-users": ("jonas", "/users/"),
    "07-soak": ("jonas", "/soak/"),
    "08-plans": ("jonas", "/plans/"),
    "09-log": ("jonas", "/log/deletions/"),
    "10-settings": ("jonas", "/settings/accounts/"),
    "10-settings-policy": ("jonas", "/settings/policy/"),
    "10-settings-break-glass": ("jonas", "/settings/break-glass/"),
}
ON_A_PHONE = {"04-claim": ("sara", "/claim/"), "07-soak": ("jonas", "/soak/")}


class Studio:
    """A browser at a running demo, and the folder its pictures go to."""

    def __init__(self, browser: Browser, address: str, folder: Path) -> None:
        self.browser, self.address, self.folder = browser, address.rstrip("/"), folder

    @contextmanager
    def seat(self, who: str, size: ViewportSize) -> Iterator[Page]:
        """A page that long and wide, signed in as somebody of the demo, or as nobody."""
        context = self.browser.new_context(viewport=size, reduced_motion="reduce")
        page = context.new_page()
        if who:
            page.goto(f"{self.address}/sign-in/")
            page.locator(f'button[name="username"][value="{who}"]').click()
            page.wait_for_url(lambda url: "/sign-in/" not in url)
        yield page
        context.close()

    def take(self, page: Page, name: str) -> None:
        """The open page down to `TALLEST`, light and dark."""
        tall = min(TALLEST, int(page.evaluate("document.documentElement.scrollHeight")))
        wide = page.viewport_size["width"] if page.viewport_size else WIDE["width"]
        for theme in THEMES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.screenshot(
                path=self.folder / f"{name}-{theme}.png",
                full_page=True,
                caret="initial",
                clip={"x": 0, "y": 0, "width": wide, "height": tall},
            )

    def take_all(self) -> None:
        """Every screen; those of a batch last, as they change what others show."""
        with self.seat("", WIDE) as page:
            page.goto(f"{self.address}/sign-in/")
            self.take(page, "11-sign-in")
        for size, mark, screens in ((WIDE, "", SCREENS), (PHONE, "-phone", ON_A_PHONE)):
            for name, (who, path) in screens.items():
                with self.seat(who, size) as page:
                    page.goto(self.address + path)
                    self.take(page, name + mark)
        with self.seat("sara", WIDE) as page:
            page.goto(f"{self.address}/claim/")
            self.take(page, "04-claim")
        with self.seat("jonas", WIDE) as page:
            page.goto(f"{self.address}/users/")
            page.goto(self.address + str(page.locator("tbody th a").first.get_attribute("href")))
            self.take(page, "03-user")
        self._batch()

    def _batch(self) -> None:
        """Compose one of each kind; look at one as who asked, at the other as who approves."""
        with self.seat("jonas", WIDE) as page:
            page.goto(f"{self.address}/claims/")
            page.get_by_label("Select all on this page").check()
            page.get_by_role("button", name="Adopt for the custodian").click()
            page.wait_for_load_state()
            self._compose(page, "disable")
            self.take(page, "05-batch-compose")
            asking = self._compose(page, "delete")
            asking.click()
            page.wait_for_load_state()
            where = page.url
            page.goto(f"{self.address}/batches/3/")
            self.take(page, "06-batch-run")
        with self.seat("mei", WIDE) as page:
            page.goto(where)
            self.take(page, "05-batch-approve")

    def _compose(self, page: Page, move: str) -> Locator:
        """A draft of all who are offered, looked at by a dry run; the button that asks."""
        page.goto(f"{self.address}/batches/new/?move={move}")
        page.get_by_label("All of these").check()
        page.get_by_role("button", name="Make the draft").click()
        page.wait_for_url(re.compile(r"/batches/\d+/$"))
        asking = page.get_by_role("button", name=re.compile("^Ask "))
        expect(asking).to_be_enabled(timeout=120_000)
        return asking


def main(address: str, folder: Path) -> None:
    """Take every picture of the demo at `address` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        Studio(browser, address, folder).take_all()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
