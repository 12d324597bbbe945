"""A crawl of every page in Chromium against gunicorn: which hosts are asked, what is transferred.

Run as a process of its own: `python -m bench.pages.crawl` prints what it saw as JSON. The session
it signs in with is taken away again.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench import ground

CHROMIUM = "/usr/bin/chromium"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Of each page two, so that a batch in another state is seen too.
_OF_EACH = 2
_MOST = 120
_LEAVE_OUT = ("/sign-out/", "/yardstick/", "/static/", "/settings/break-glass/files/")
_DOWNLOADS = (".csv", ".json", ".sh", ".zip", "/download/")


@dataclass
class Seen:
    """`cold`: by page what a first visit transferred, by kind of resource, in bytes."""

    pages: list[str] = field(default_factory=list)
    hosts: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    cold: dict[str, dict[str, int]] = field(default_factory=dict)


@contextmanager
def served() -> Iterator[str]:
    """gunicorn with one worker on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:iamcleanup.gunicorn"]
    # The web process refuses to start where it could reach AWS.
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "IAMCLEANUP_BIND": where, "WEB_CONCURRENCY": "1"}
    with subprocess.Popen([*command, "iamcleanup.wsgi"], cwd=ground.ROOT, env=environment) as child:
        try:
            _wait_for(where)
            yield f"http://{where}"
        finally:
            child.terminate()


@contextmanager
def signed_in(username: str) -> Iterator[str]:
    """The key of a session of this person, in the database; gone afterwards."""
    import django  # noqa: PLC0415

    django.setup()
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from inventory.models import Person  # noqa: PLC0415

    client = Client(SERVER_NAME="localhost")
    client.force_login(Person.objects.get(username=username))
    try:
        yield str(client.session.session_key)
    finally:
        client.session.flush()
        connection.close()


def crawl(address: str, session: str, cold: list[str]) -> Seen:
    """Every page that links lead to from the Overview, and the pages `cold` with an empty cache."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    seen = Seen()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        for path in cold:
            seen.cold[path] = _transferred(browser, address, session, path)
        page = _context(browser, address, session).new_page()
        page.on("request", lambda request: _note(seen, request.url))
        page.on("response", lambda got: _note_failure(seen, page.url, got))
        _walk(page, address, seen)
        browser.close()
    return seen


def _walk(page: Any, address: str, seen: Seen) -> None:
    from playwright.sync_api import Error  # noqa: PLC0415

    waiting, known, times = deque(["/"]), {"/"}, dict[str, int]()
    while waiting and len(seen.pages) < _MOST:
        path = waiting.popleft()
        kind = _kind(path)
        if times.get(kind, 0) >= _OF_EACH:
            continue
        times[kind] = times.get(kind, 0) + 1
        try:
            page.goto(address + path, wait_until="load")
        except Error as fault:
            seen.failed.append(f"{path}: {fault.message.splitlines()[0]}")
            continue
        seen.pages.append(path)
        for found in page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"):
            url = urlsplit(found)
            link = url.path + (f"?{url.query}" if url.query else "")
            if f"{url.scheme}://{url.netloc}" == address and link not in known and _is_page(link):
                known.add(link)
                waiting.append(link)


def _transferred(browser: Any, address: str, session: str, path: str) -> dict[str, int]:
    context = _context(browser, address, session)
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    kinds: dict[str, str] = {}
    told: dict[str, int] = {}

    def answered(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]

    def ended(event: dict[str, Any]) -> None:
        kind = kinds.get(event["requestId"], "Other")
        told[kind] = told.get(kind, 0) + int(event["encodedDataLength"])

    wire.on("Network.responseReceived", answered)
    wire.on("Network.loadingFinished", ended)
    page.goto(address + path, wait_until="networkidle")
    context.close()
    return told


def _context(browser: Any, address: str, session: str) -> Any:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_navigation_timeout(120_000)
    context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
    return context


def _note(seen: Seen, url: str) -> None:
    host = urlsplit(url).hostname or urlsplit(url).scheme
    seen.hosts[host] = seen.hosts.get(host, 0) + 1


def _note_failure(seen: Seen, where: str, answer: Any) -> None:
    if answer.status >= 400:
        seen.failed.append(f"{answer.status} {answer.url} on {where}")


def _kind(path: str) -> str:
    """Pages of one kind differ in numbers, ids and what is asked of them only."""
    parts = urlsplit(path).path.split("/")
    return "/".join("*" if any(sign.isdigit() for sign in part) else part for part in parts)


def _is_page(path: str) -> bool:
    plain = urlsplit(path).path
    return not plain.startswith(_LEAVE_OUT) and not plain.endswith(_DOWNLOADS)


def _wait_for(where: str) -> None:
    host, _, port = where.partition(":")
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"gunicorn does not answer at {where}.")


def main(cold: list[str]) -> int:
    """Crawl, and print what was seen."""
    with signed_in("jonas") as session, served() as address:
        sys.stdout.write(json.dumps(asdict(crawl(address, session, cold))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
