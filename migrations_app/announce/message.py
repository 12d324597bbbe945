"""What goes out through a channel, and how sending can end. Values only: no rows, no network.

A channel is a module of this package with a class that has `send`. It gets a `Message` whose texts
are plain: nothing in them is markup, and whatever a channel would read as markup, a mention, a link
or a header it makes harmless. It answers with a `Receipt`, or raises one of the three below. It
never tries twice by itself: the outbox does, because only the outbox remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One IAM user in the list of a message: its name, its account, and what is said of it."""

    name: str
    account: str
    text: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A button or link: our own pages, and the declared dashboards. `url` is absolute."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address.

    `key` is the same for each try of this message to this address, and for nothing else: whatever
    a channel offers to tell a repeated message from a new one is derived from it. `users` is never
    cut; a channel with a limit sends more parts. `summary` is the line for a list of issues or
    messages of the same thread, and `closed` says that the thread is over: a channel that has
    issues closes it.
    """

    key: str
    kind: str
    title: str
    paragraphs: tuple[str, ...] = ()
    users: tuple[Line, ...] = ()
    button: Link | None = None
    links: tuple[Link, ...] = ()
    thread: str = ""
    summary: str = ""
    closed: bool = False
    # The greeting name of the one person it is for; "" for a team's channel.
    to: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel answered: enough to prove it, and to reply in the same thread.

    Kept as JSON. Slack: `channel` and `ts`; Jira: `issue` and `comment`; e-mail: `message_id`;
    webhook: `status`.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)


class TryLater(Exception):
    """The channel did not take it now: busy, slow, broken. `after` is what it asked to wait.

    `uncertain` says that it may have arrived: the answer was lost. The next try is told so.
    """

    def __init__(self, why: str, *, after: timedelta | None = None, uncertain: bool = False):
        super().__init__(why)
        self.why, self.after, self.uncertain = why, after, uncertain


class Undeliverable(Exception):
    """The channel will never take it as it is: no such channel, no permission, bad address.

    Says what to do. The outbox parks the message and shows it.
    """

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


class NotSetUp(Exception):
    """This channel is not configured; says which variable of the environment is missing."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


class Channel(Protocol):
    """What `slack.Slack`, `jira.Jira`, `email.Email` and `webhook.Webhook` have."""

    @classmethod
    def from_environment(cls) -> Channel:
        """The channel as the environment configures it; NotSetUp where it does not."""

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        """Send one message to one address.

        `first` is the receipt of the first message of `message.thread` at this address, to reply
        to; None for the first. `uncertain`: an earlier try may have arrived, so look for it where
        the channel can tell. Raises TryLater, Undeliverable or NotSetUp, nothing else.
        """
