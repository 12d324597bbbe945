"""One message to one person, as each test of e-mail sends it."""

from __future__ import annotations

import html
import re
from typing import Any

from migrations_app.announce import smtp
from migrations_app.announce.email import Email
from migrations_app.announce.message import Line, Link, Message, Receipt
from tests.migrations_app.announce.smtp_server import SmtpServer

PRIYA = "priya@example.com"
FROM = "cleanup@sender.example"
MESSAGE = Message(
    key="campaign:7:priya",
    kind="claim",
    title="7 IAM users look like Payments’",
    to="Priya",
    paragraphs=("4 have not been used for 90 days.", "Please say which are yours."),
    users=(
        Line("ci-deploy", "production", "last used 3 Jan", "https://cleanup.example/users/1/"),
        Line("billing", "production"),
    ),
    button=Link("Answer now", "https://cleanup.example/c/abc/"),
    links=(Link("Dashboard", "https://grafana.example/d/1"),),
    thread="campaign:7",
)


def channel(server: SmtpServer, **more: Any) -> Email:
    given = {"wait": 5, "wait_for_the_end": 0.3} | more
    return Email(smtp.Server("127.0.0.1", server.port, **given), FROM)


def send(channel: Email, message: Message = MESSAGE, to: str = PRIYA) -> Receipt:
    return channel.send(message, to, None, uncertain=False)


def defuseless(text: str) -> str:
    """Text without what keeps names from becoming links."""
    return html.unescape(re.sub(r"</?span>", "", text)).replace("\u2060", "")
