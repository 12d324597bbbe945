"""What goes wrong on the way, and how often the message is there in the end, as the page says.

Once, except where a channel cannot tell a repeated message from a new one: an incoming webhook of
Slack, and a token that may not read. A receiver of webhooks may be called twice, and takes the
message once, because both calls carry the same `webhook-id`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pytest_django import Settings

from migrations_app.announce import outbound, slack_client
from migrations_app.announce import slack as slack_channel
from migrations_app.announce.message import Channel, Message
from migrations_app.announce.webhook import Webhook
from tests.migrations_app.announce.fault_table import LINES, said
from tests.migrations_app.announce.sending import deliver, message, users
from tests.migrations_app.announce.servers import Server
from tests.migrations_app.announce.slack_server import SlackServer
from tests.migrations_app.announce.test_webhook import NEW, Receiver

FAULTS = list(LINES)


@dataclass
class Place:
    """A channel, the server behind it, and what is there."""

    channel: Channel
    server: Server
    arrived: Callable[[], list[str]]

    def count(self, one: Message, fault: str) -> int:
        """Send `one`, with `fault` at the first try, until it is taken; how often it is there."""
        if fault == "killed":
            deliver(self.channel, one)
            deliver(self.channel, one, uncertain=True)
        else:
            self.server.faults = [] if fault == "none" else [fault]
            _, failures = deliver(self.channel, one)
            assert len(failures) == (fault != "none")
        return len(self.arrived())


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_client, "SECONDS", 0.3)
    monkeypatch.setattr(outbound, "SECONDS", 0.3)


@pytest.fixture
def slack_place(slack: SlackServer) -> Place:
    return Place(slack_channel.Slack.from_environment(), slack.server, slack.keys)


@pytest.fixture
def webhook_place(settings: Settings) -> Iterator[tuple[Place, Receiver]]:
    receiver = Receiver(NEW)
    settings.IAMCLEANUP_WEBHOOK_URL, settings.IAMCLEANUP_WEBHOOK_SECRET = receiver.server.url, NEW
    with receiver.server.running():
        channel = Webhook.from_environment()
        yield Place(channel, receiver.server, lambda: receiver.arrived), receiver


@pytest.mark.parametrize("fault", FAULTS)
def test_slack_with_a_token_has_it_once(fault: str, slack_place: Place) -> None:
    assert slack_place.count(message(), fault) == said(fault, "Slack") == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_slack_with_a_token_that_may_not_read(
    fault: str, slack_place: Place, slack: SlackServer
) -> None:
    slack.scopes = frozenset(("chat:write",))
    assert slack_place.count(message(), fault) == said(fault, "Slack, may not read")


@pytest.mark.parametrize("fault", FAULTS)
def test_slack_with_a_webhook(
    fault: str, slack_place: Place, slack: SlackServer, settings: Settings
) -> None:
    settings.IAMCLEANUP_SLACK_TOKEN, settings.IAMCLEANUP_SLACK_WEBHOOK = "", slack.hook
    slack_place.channel = slack_channel.Slack.from_environment()
    assert slack_place.count(message(), fault) == said(fault, "Slack, incoming webhook")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_receiver_of_webhooks_takes_it_once(
    fault: str, webhook_place: tuple[Place, Receiver]
) -> None:
    place, receiver = webhook_place
    assert place.count(message(), fault) == said(fault, "Webhook, calls")
    assert len(receiver.bodies) == said(fault, "Webhook, taken") == 1


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("none", "killed")])
@pytest.mark.parametrize("at", range(3))
def test_every_part_of_a_long_message_is_there_once_wherever_it_breaks(
    at: int, fault: str, slack_place: Place
) -> None:
    slack_place.server.faults = [*[""] * at, fault]
    receipt, failures = deliver(slack_place.channel, message(users=users(50)))
    assert len(failures) == 1
    assert slack_place.arrived() == ["k1:1", "k1:2", "k1:3"]
    assert len(set(receipt.facts["parts"])) == 3


@pytest.mark.parametrize("fault", ["429", "closed after", "500 after"])
def test_a_reply_in_a_thread_is_there_once(fault: str, slack_place: Place) -> None:
    first, _ = deliver(slack_place.channel, message())
    slack_place.server.faults = [fault]
    deliver(slack_place.channel, message(key="k2", kind="hit"), first=first)
    assert slack_place.arrived() == ["k1:1", "k2:1"]
