"""docs/messages keeps one message as it arrived at a server of each channel; is it still so?

To keep what arrives today: KEEP_MESSAGES=1, then draw the pictures with `python -m bench.messages`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from inventory import clock
from migrations_app.announce import jira as jira_channel
from migrations_app.announce.message import Line, Link, Message
from migrations_app.announce.slack import Slack
from migrations_app.announce.webhook import Webhook
from tests.migrations_app.announce import jira_server, smtp_server
from tests.migrations_app.announce.mails import channel as mail_channel
from tests.migrations_app.announce.servers import Server
from tests.migrations_app.announce.slack_server import SlackServer
from tests.migrations_app.announce.test_webhook import NEW

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "messages"
MOMENT = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)
_USERS = (
    ("payments-deploy", "CI/CD, last used 12 Mar 2026"),
    ("pci-export-nightly", "CI/CD, last used 11 Mar 2026"),
    ("ledger-backfill-2021", "Mystery, last used 14 Nov 2022"),
    ("sara.lindqvist", "Human, console, last used 1 Mar 2026"),
    # Names that somebody chose to be more than a name.
    ("@channel", "Human, programmatic, never used"),
    ("www.evil.example", "Third party, never used"),
    ("=cmd+A1", "Third party, never used"),
)
MESSAGE = Message(
    key="9f0c6f4f6d2a4b8d9f0c6f4f6d2a4b8d",
    kind="claim",
    title="7 IAM users look like Payments’",
    paragraphs=(
        "4 have not been used for 90 days. Please say which are yours, it takes about two minutes. "
        "If nobody answers by Thu 26 Mar, Security takes them over and disables the dormant ones; "
        "you can undo that for 21 days.",
        "Jonas Weber writes: <!channel> see *this* <https://evil.example|page> "
        "<b>now</b> \u202egpj.exe",
    ),
    users=tuple(
        Line(name, "production", text, f"https://cleanup.example.com/users/123456789012/{number}/")
        for number, (name, text) in enumerate(_USERS, 1)
    ),
    button=Link("Answer now", "https://cleanup.example.com/c/WzND:X6iAVhkz5CH1Kp9v9jlI0T5q25I/"),
    links=(Link("Errors in production", "https://grafana.example.com/d/errors"),),
    thread="campaign:3:payments",
    summary="IAM users of Payments: 7 IAM users to answer",
    to="Sara Lindqvist",
)


@pytest.fixture(autouse=True)
def _the_same_at_any_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IAMCLEANUP_LEDGER_KEY = "an example"
    for name in ("now", "real_now"):
        monkeypatch.setattr(clock, name, lambda: MOMENT)


def is_kept(name: str, arrived: str) -> None:
    path = FOLDER / name
    if os.environ.get("KEEP_MESSAGES"):
        path.write_text(arrived)
    assert path.read_text() == arrived


def indented(sent: object) -> str:
    return json.dumps(sent, indent=2, ensure_ascii=False) + "\n"


def test_the_message_in_slack(slack: SlackServer) -> None:
    Slack.from_environment().send(MESSAGE, "#payments", None, uncertain=False)
    (request,) = slack.server.requests
    is_kept("slack.json", indented(json.loads(request.body)))


def test_the_issue_in_jira() -> None:
    jira = jira_server.Jira()
    with jira_server.running(jira) as url:
        channel = jira_channel.Jira(url, jira_server.EMAIL, jira_server.TOKEN)
        channel.send(MESSAGE, "ACME", None, uncertain=False)
    (issue,) = jira.issues.values()
    is_kept("jira.json", indented({"fields": issue["fields"]}))


def test_the_mail() -> None:
    with smtp_server.running() as server:
        channel = mail_channel(server)
        channel.send(MESSAGE, "sara@payments.example", None, uncertain=False)
        (taken,) = server.taken
    text = taken.data.decode("ascii").replace("\r\n", "\n")
    is_kept("mail.eml", re.sub(r"={15}\d+==", "boundary-of-parts", text))


def test_the_call_of_the_webhook(settings: Settings, anybody: Server) -> None:
    settings.IAMCLEANUP_WEBHOOK_URL, settings.IAMCLEANUP_WEBHOOK_SECRET = anybody.url, NEW
    Webhook.from_environment().send(replace(MESSAGE, to=""), "payments", None, uncertain=False)
    (request,) = anybody.requests
    names = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")
    headers = "".join(f"{name}: {request.headers[name]}\n" for name in names)
    is_kept("webhook.txt", f"POST /\n{headers}\n{indented(json.loads(request.body))}")
