"""One thread of messages about a batch, as each test of Jira sends it."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.announce.jira import Jira as Channel
from migrations_app.announce.message import Line, Link, Message, Receipt

FIRST = Message(
    key="batch:10:announce",
    kind="announce",
    title="7 IAM users will be disabled",
    paragraphs=("Nothing is lost.", "Undo takes one click."),
    users=(
        Line("ci-deploy", "production", "last used 3 Jan", "https://cleanup.example/users/1/"),
        Line("billing", "production"),
    ),
    button=Link("Open the batch", "https://cleanup.example/batches/10/"),
    links=(Link("Dashboard", "https://grafana.example/d/1"),),
    thread="batch:10",
    summary="Disable 7 users on Wed 12 Mar",
)
LATER = replace(FIRST, key="batch:10:start", title="It has begun", summary="Disabling 7 users now")
HUNDREDS = tuple(Line(f"user{n}", "production", f"never used {n} " * 9) for n in range(206))
CLOSED = replace(LATER, key="batch:10:end", title="It is over", closed=True)


def send(
    channel: Channel, message: Message = FIRST, first: Receipt | None = None, to: str = "ACME"
) -> Receipt:
    return channel.send(message, to, first, uncertain=False)
