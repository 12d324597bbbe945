"""Posting to Slack: threads, what the whole channel hears, and its errors as what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings
from slack_sdk import WebClient

from migrations_app.announce import slack as channel
from migrations_app.announce import slack_client
from migrations_app.announce.message import NotSetUp, Receipt, TryLater, Undeliverable
from migrations_app.outgoing import outbox
from tests.migrations_app.announce.sending import PAGE, deliver, message, users
from tests.migrations_app.announce.servers import Reply, Server
from tests.migrations_app.announce.slack_server import ALL_SCOPES, TOKEN, SlackServer


def sender() -> channel.Slack:
    return channel.Slack.from_environment()


def test_a_message_has_its_title_its_button_and_nothing_that_unfolds(slack: SlackServer) -> None:
    receipt, _ = deliver(sender(), message())
    (posted,) = slack.rooms["C0PAYMENTS"].messages
    assert receipt.facts["channel"] == "C0PAYMENTS"
    assert receipt.facts["ts"] == posted["ts"]
    assert posted["blocks"][0]["text"]["text"] == "3 users of Payments will be disabled"
    assert PAGE in json.dumps(posted["blocks"])
    off = ("unfurl_links", "unfurl_media", "link_names", "mrkdwn")
    assert not any(posted[name] for name in off)
    assert posted["parse"] == "none"
    assert posted["metadata"] == {"event_type": "iam_cleanup", "event_payload": {"key": "k1:1"}}


def test_a_long_list_goes_on_in_the_thread_of_its_first_part(slack: SlackServer) -> None:
    receipt, _ = deliver(sender(), message(users=users(206)))
    first, *rest = slack.rooms["C0PAYMENTS"].messages
    assert len(rest) == 10
    assert {reply["thread_ts"] for reply in rest} == {first["ts"]}
    assert not any(reply["broadcast"] for reply in rest)
    assert receipt.facts["parts"] == [first["ts"], *(reply["ts"] for reply in rest)]


@pytest.mark.parametrize(
    ("kind", "closed", "loud"),
    [
        ("started", False, False),
        ("hit", False, True),
        ("failed", False, True),
        ("finished", True, True),
    ],
)
def test_a_reply_stands_in_the_thread_and_loud_ones_in_the_channel_too(
    kind: str, closed: bool, loud: bool, slack: SlackServer
) -> None:
    first, _ = deliver(sender(), message())
    second, _ = deliver(sender(), message(key="k2", kind="started"), first=first)
    deliver(sender(), message(key="k3", kind=kind, closed=closed, users=users(21)), first=second)
    root, _, reply, more = slack.rooms["C0PAYMENTS"].messages
    assert reply["thread_ts"] == more["thread_ts"] == root["ts"]
    assert reply["broadcast"] is loud
    assert not more["broadcast"]


def test_a_reply_to_what_somebody_deleted_stands_in_the_channel(slack: SlackServer) -> None:
    first, _ = deliver(sender(), message())
    slack.rooms["C0PAYMENTS"].messages.clear()
    deliver(sender(), message(key="k2", kind="hit"), first=first)
    (posted,) = slack.rooms["C0PAYMENTS"].messages
    assert "thread_ts" not in posted


def test_a_lost_reply_to_what_somebody_deleted_is_found_in_the_channel(slack: SlackServer) -> None:
    first, _ = deliver(sender(), message())
    slack.rooms["C0PAYMENTS"].messages.clear()
    long = message(key="k2", users=users(50))
    deliver(sender(), long, first=first)
    deliver(sender(), long, first=first, uncertain=True)
    assert slack.keys() == ["k2:1", "k2:2", "k2:3"]
    root, *rest = slack.rooms["C0PAYMENTS"].messages
    assert {reply["thread_ts"] for reply in rest} == {root["ts"]}


def test_no_message_takes_longer_than_the_outbox_lends_it_for(
    slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=channel.PATIENCE + 60) < outbox.LEASE
    monkeypatch.setattr(channel, "PATIENCE", -1)
    with pytest.raises(TryLater, match="slowly"):
        sender().send(message(), "#payments", None, uncertain=False)


@pytest.mark.parametrize(
    "address", ["#payments", "payments", "C0PAYMENTS", "#security", "G0SECURITY"]
)
def test_after_an_uncertain_try_the_message_is_found_by_its_key(
    address: str, slack: SlackServer
) -> None:
    before, _ = deliver(sender(), message(users=users(50)), address)
    again, _ = deliver(sender(), message(users=users(50)), address, uncertain=True)
    assert again.facts == before.facts
    assert slack.keys() == ["k1:1", "k1:2", "k1:3"]


def test_a_retry_continues_where_the_last_try_stopped(slack: SlackServer) -> None:
    slack.server.faults = ["", "", "429"]
    receipt, (busy,) = deliver(sender(), message(users=users(90)))
    assert busy.uncertain, "the next try must look, though this answer was certain"
    assert busy.after is not None
    assert slack.keys() == [f"k1:{number}" for number in range(1, 6)]
    assert len(receipt.facts["parts"]) == 5


def test_the_message_is_found_behind_many_others_and_in_small_pages(slack: SlackServer) -> None:
    deliver(sender(), message())
    room = slack.rooms["C0PAYMENTS"]
    room.messages += [{"ts": f"{4000000000 + n}.1", "text": "lunch?"} for n in range(95)]
    slack.page = 10
    deliver(sender(), message(), "C0PAYMENTS", uncertain=True)
    assert slack.keys().count("k1:1") == 1


@pytest.mark.parametrize(
    "lacks", [{"channels:history"}, {"channels:read"}, {"channels:history", "channels:read"}]
)
def test_a_token_that_may_not_read_sends_again(lacks: set[str], slack: SlackServer) -> None:
    slack.scopes = ALL_SCOPES - lacks
    deliver(sender(), message(), "#payments")
    deliver(sender(), message(), "#payments", uncertain=True)
    assert slack.keys() == ["k1:1", "k1:1"]


@pytest.mark.parametrize("fault", ["429", "500", "closed before"])
def test_a_look_that_fails_leaves_it_as_open_as_before(fault: str, slack: SlackServer) -> None:
    slack.server.spared = ()
    slack.server.faults = [fault]
    with pytest.raises(TryLater) as caught:
        sender().send(message(), "C0PAYMENTS", None, uncertain=True)
    assert caught.value.uncertain
    assert slack.keys() == []


@pytest.mark.parametrize(
    ("error", "do"),
    [
        ("channel_not_found", "Check how the team's settings name it"),
        ("not_in_channel", "Invite the app"),
        ("is_archived", "Name another channel"),
        ("invalid_auth", "IAMCLEANUP_SLACK_TOKEN"),
        ("account_inactive", "IAMCLEANUP_SLACK_TOKEN"),
        ("token_revoked", "IAMCLEANUP_SLACK_TOKEN"),
        ("missing_scope", "channels:history"),
        ("msg_too_long", "report it"),
        ("invalid_blocks", "report it"),
        ("restricted_action", "Ask an administrator"),
        ("something_new", "something_new"),
    ],
)
def test_what_slack_never_takes_says_what_to_do(error: str, do: str, slack: SlackServer) -> None:
    slack.error = error
    with pytest.raises(Undeliverable, match=do) as caught:
        sender().send(message(), "#payments", None, uncertain=False)
    assert TOKEN not in caught.value.why


@pytest.mark.parametrize(
    ("error", "uncertain"),
    [
        ("ratelimited", False),
        ("fatal_error", True),
        ("internal_error", True),
        ("service_unavailable", True),
    ],
)
def test_what_passes_is_tried_later(error: str, uncertain: bool, slack: SlackServer) -> None:
    slack.error = error
    with pytest.raises(TryLater) as caught:
        sender().send(message(), "#payments", None, uncertain=False)
    assert caught.value.uncertain is uncertain


def test_the_tokens_of_an_address_are_no_part_of_a_sentence(slack: SlackServer) -> None:
    with pytest.raises(Undeliverable) as caught:
        sender().send(message(), "#pay\u202ements {name}\n", None, uncertain=False)
    assert "#pay[U+202E]ments {name}" in caught.value.why


def test_what_is_not_slack_is_said_to_be_something_else(
    anybody: Server, settings: Settings, slack: SlackServer
) -> None:
    anybody.process = lambda _: Reply(200, b"<html>Sign in</html>")
    settings.IAMCLEANUP_SLACK_URL = anybody.url
    with pytest.raises(Undeliverable, match="not Slack"):
        sender().send(message(), "#payments", None, uncertain=False)


def test_a_redirect_does_not_take_the_token_along(slack: SlackServer) -> None:
    slack.server.faults = ["302"]
    with pytest.raises(Undeliverable, match="redirect"):
        sender().send(message(), "#payments", None, uncertain=False)
    assert len(slack.server.requests) == 1


def test_slacks_library_sends_by_our_door_only() -> None:
    """Its own way of sending is replaced; another version may have another name for it."""
    ours = slack_client.SlackClient._perform_urllib_http_request
    assert ours is not WebClient._perform_urllib_http_request
    source = Path(WebClient.api_call.__code__.co_filename).read_text()
    inside = source.split("def _perform_urllib_http_request(")[1].split("def _build_urllib")[0]
    assert source.count("urlopen(") == inside.count("urlopen(") == 1
    assert source.count("opener.open(") == inside.count("opener.open(") == 1


def test_a_team_without_a_channel_is_told_to_name_one(slack: SlackServer) -> None:
    with pytest.raises(Undeliverable, match="names no Slack channel"):
        sender().send(message(), " ", None, uncertain=False)


def test_a_webhook_posts_without_threads(slack: SlackServer, settings: Settings) -> None:
    settings.IAMCLEANUP_SLACK_TOKEN, settings.IAMCLEANUP_SLACK_WEBHOOK = "", slack.hook
    receipt, _ = deliver(sender(), message(users=users(21)), first=Receipt({"ts": "1.1"}))
    assert len(slack.rooms["C0PAYMENTS"].messages) == 2
    assert "the-secret-path" not in str(receipt)


@pytest.mark.parametrize(
    ("error", "do"),
    [("channel_not_found", "Check"), ("no_service", "IAMCLEANUP_SLACK_WEBHOOK")],
)
def test_a_webhook_that_is_refused_says_what_to_do(
    error: str, do: str, slack: SlackServer, settings: Settings
) -> None:
    settings.IAMCLEANUP_SLACK_TOKEN, settings.IAMCLEANUP_SLACK_WEBHOOK = "", slack.hook
    slack.error = error
    with pytest.raises(Undeliverable, match=do) as caught:
        sender().send(message(), "", None, uncertain=False)
    assert "the-secret-path" not in caught.value.why


def test_without_token_and_webhook_it_says_which_are_missing(settings: Settings) -> None:
    settings.IAMCLEANUP_SLACK_TOKEN = settings.IAMCLEANUP_SLACK_WEBHOOK = ""
    with pytest.raises(NotSetUp, match="IAMCLEANUP_SLACK_TOKEN or IAMCLEANUP_SLACK_WEBHOOK"):
        sender()
