"""A workspace of Slack and a receiver of webhooks for each test, on this machine alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.migrations_app.announce.servers import Reply, Server
from tests.migrations_app.announce.slack_server import TOKEN, SlackServer


@pytest.fixture(autouse=True)
def _this_machine_is_allowed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["127.0.0.1"]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def slack(settings: Settings) -> Iterator[SlackServer]:
    """The workspace, and the settings of an installation that posts there with a token."""
    server = SlackServer()
    settings.IAMCLEANUP_SLACK_TOKEN = TOKEN
    settings.IAMCLEANUP_SLACK_WEBHOOK = ""
    settings.IAMCLEANUP_SLACK_URL = server.api
    with server.server.running():
        yield server


@pytest.fixture
def anybody() -> Iterator[Server]:
    """A server that says yes to everything."""
    server = Server(lambda _: Reply(200, b'{"ok": true}'))
    with server.running():
        yield server
