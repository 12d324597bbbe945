"""The channel Slack: by a bot token, or by an incoming webhook.

With a token each posting carries its key as metadata. After a try whose answer was lost, the
channel is read for that key first, so the posting is there once. That needs the scopes
channels:history and groups:history, and channels:read and groups:read where the team's settings
name the channel by name and not by id; and the app must be in the channel. Where it may not read,
where the channel is not found by its name, or where the posting is older than a week or lies
behind two thousand others, it is sent again: told twice is better than not at all. An incoming
webhook can neither read nor answer in a thread, so a lost answer always means sending again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from inventory import clock
from migrations_app.announce import outbound
from migrations_app.announce.message import Message, NotSetUp, Receipt, TryLater, Undeliverable
from migrations_app.announce.slack_blocks import Part, parts, rendered
from migrations_app.announce.slack_client import (
    PASSING,
    SlackClient,
    in_our_words,
    what_slack_says,
    words,
)

__all__ = ["Slack", "rendered"]

EVENT = "iam_cleanup"
# Kinds that the whole channel hears of, and not only those who follow the thread.
LOUD = frozenset(("hit", "failed"))
LOOK_BACK = timedelta(days=7)
MOST_PAGES = 10
# Seconds for one message. The outbox lends it for longer, so no other worker sends it meanwhile.
PATIENCE = 120
# Nothing in a text becomes a link, a preview or a mention, whatever Slack may find in it.
INERT: dict[str, Any] = {
    "unfurl_links": False,
    "unfurl_media": False,
    "link_names": False,
    "mrkdwn": False,
    "parse": "none",
}


class Slack:
    """Sends by token where there is one, else by webhook."""

    def __init__(self, token: str = "", webhook: str = "", base_url: str = "") -> None:
        self.webhook = webhook
        self.client = SlackClient(token, base_url) if token else None

    @classmethod
    def from_environment(cls) -> Slack:
        """Slack as the environment configures it; NotSetUp where it does not."""
        token, webhook = settings.IAMCLEANUP_SLACK_TOKEN, settings.IAMCLEANUP_SLACK_WEBHOOK
        if not token and not webhook:
            raise NotSetUp("Slack needs IAMCLEANUP_SLACK_TOKEN or IAMCLEANUP_SLACK_WEBHOOK.")
        return cls(token, webhook, settings.IAMCLEANUP_SLACK_URL)

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        """Post it to the channel `address` (an id like C0123ABCD, or a name like #payments).

        As a reply where `first` says to what. Its parts after the first are replies as well. A
        webhook posts to the one channel it was made for, whatever the address.
        """
        if self.client is None:
            return self._by_webhook(message)
        if not address.strip():
            raise Undeliverable("The team names no Slack channel. Add one in its settings.")
        post = _Posting(self.client, message, address.strip(), first)
        return post.all(uncertain=uncertain)

    def _by_webhook(self, message: Message) -> Receipt:
        for part in parts(message):
            body = {"text": part.text, "blocks": part.blocks, **INERT}
            answer = outbound.post_json(self.webhook, body)
            said = answer.body.decode(errors="replace").strip()
            if answer.status != 200 or said != "ok":
                name = said if said.isascii() and said.replace("_", "").isalpha() else ""
                raise words(name[:60], "the webhook's channel")
        return Receipt({"webhook": True})


class _Posting:
    """One message on its way to one channel."""

    def __init__(
        self, client: SlackClient, message: Message, address: str, first: Receipt | None
    ) -> None:
        known = first.facts if first else {}
        self.client, self.message, self.address = client, message, address
        self.parts = parts(message)
        self.until = time.monotonic() + PATIENCE
        self.channel = str(known.get("channel") or address)
        self.opening = str(known.get("thread") or known.get("ts") or "")

    def all(self, *, uncertain: bool) -> Receipt:
        """Post each part that is not there yet; the receipt names the first."""
        arrived = self._arrived() if uncertain else {}
        thread, stamps = self.opening, list[str]()
        for part in self.parts:
            try:
                stamp = arrived.get(part.key) or self._post(part, thread)
            except _ThreadGone:
                # Somebody deleted what it answers: say it in the channel.
                thread, stamp = "", self._post(part, "")
            except TryLater as error:
                if stamps:
                    # The next try must look, or it would post the first parts again.
                    raise TryLater(error.why, after=error.after, uncertain=True) from None
                raise
            stamps.append(stamp)
            thread = thread or stamp
        facts = {"channel": self.channel, "ts": stamps[0], "thread": thread, "parts": stamps}
        return Receipt(facts)

    def _post(self, part: Part, thread: str) -> str:
        loud = self.message.closed or self.message.kind in LOUD
        metadata = {"event_type": EVENT, "event_payload": {"key": part.key}}
        answer = self._ask(
            self.client.chat_postMessage,
            channel=self.channel,
            text=part.text,
            blocks=part.blocks,
            thread_ts=thread or None,
            reply_broadcast=True if thread and loud and part is self.parts[0] else None,
            metadata=metadata,
            **INERT,
        )
        self.channel = str(answer["channel"])
        return str(answer["ts"])

    def _arrived(self) -> dict[str, str]:
        """The time stamps of the parts that are there already, by key."""
        wanted = {part.key for part in self.parts}
        try:
            self.channel = self._channel_id()
            if self.opening:
                return self._look(wanted, self.client.conversations_replies, ts=self.opening)
        except _ThreadGone:
            self.opening = ""
        except _MayNotRead:
            return {}
        return self._in_the_channel(wanted)

    def _in_the_channel(self, wanted: set[str]) -> dict[str, str]:
        """The first part stands in the channel, the others in its thread."""
        oldest = f"{(clock.real_now() - LOOK_BACK).timestamp():.0f}"
        try:
            found = self._look(wanted, self.client.conversations_history, oldest=oldest)
            if thread := found.get(self.parts[0].key):
                found |= self._look(wanted, self.client.conversations_replies, ts=thread)
        except (_MayNotRead, _ThreadGone):
            return {}
        return found

    def _look(
        self, wanted: set[str], method: Callable[..., SlackResponse], **where: str
    ) -> dict[str, str]:
        found = {}
        where |= {"channel": self.channel}
        for page in self._pages(method, include_all_metadata=True, limit=200, **where):
            for message in page.get("messages") or ():
                metadata = message.get("metadata") or {}
                key = (metadata.get("event_payload") or {}).get("key")
                if metadata.get("event_type") == EVENT and key in wanted:
                    found[key] = str(message["ts"])
            if len(found) == len(wanted):
                break
        return found

    def _channel_id(self) -> str:
        """Reading asks for an id where posting takes a name too."""
        if re.fullmatch(r"[A-Z][A-Z0-9]{6,}", self.channel):
            return self.channel
        name = self.channel.removeprefix("#").lower()
        kinds = "public_channel,private_channel"
        method = self.client.conversations_list
        for page in self._pages(method, types=kinds, limit=200, exclude_archived=True):
            for channel in page.get("channels") or ():
                if channel.get("name") == name:
                    return str(channel["id"])
        raise _MayNotRead

    def _pages(self, method: Callable[..., SlackResponse], **wanted: Any) -> Iterator[Any]:
        cursor = None
        for _ in range(MOST_PAGES):
            page = self._ask(method, cursor=cursor, reading=True, **wanted)
            yield page
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    def _ask(
        self, method: Callable[..., SlackResponse], *, reading: bool = False, **wanted: Any
    ) -> SlackResponse:
        why: Exception
        try:
            if time.monotonic() > self.until:
                raise TryLater("Slack answers slowly; the rest is sent later.")
            return method(**wanted)
        except SlackApiError as error:
            name = what_slack_says(error)
            if name == "thread_not_found":
                raise _ThreadGone from None
            if reading and name not in PASSING:
                raise _MayNotRead from None
            why = in_our_words(error, self.address)
        except TryLater as error:
            why = error
        if reading and isinstance(why, TryLater):
            # Whether the posting arrived is as open as before.
            why = TryLater(why.why, after=why.after, uncertain=True)
        raise why


class _MayNotRead(Exception):
    """The token may not read the channel, or the channel cannot be told from its name."""


class _ThreadGone(Exception):
    """What the posting should answer is not there any more."""
