"""The channel webhook: one address for the whole organization, signed.

Signed as Standard Webhooks says, so a receiver verifies it with a library it has already.
`webhook-id` is the message's key, the same at each try: a receiver that keeps the ids it has seen
takes a message once, whatever was lost on the way. We cannot look whether it arrived, so after a
lost answer it is sent again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from inventory import clock
from migrations_app.announce import outbound
from migrations_app.announce.hostile import one_line, plain
from migrations_app.announce.message import Line, Link, Message, NotSetUp, Receipt, Undeliverable

# Before base64; the specification asks for 24 to 64 bytes.
SHORTEST_SECRET = 24


class Webhook:
    """Sends to one address, whichever team a message is for; the body says which."""

    def __init__(self, url: str, secrets: Sequence[bytes]) -> None:
        self.url, self.secrets = url, secrets

    @classmethod
    def from_environment(cls) -> Webhook:
        """The webhook as the environment configures it; NotSetUp where it does not."""
        url, secrets = settings.IAMCLEANUP_WEBHOOK_URL, settings.IAMCLEANUP_WEBHOOK_SECRET.split()
        if not url:
            raise NotSetUp("The webhook needs IAMCLEANUP_WEBHOOK_URL.")
        if not secrets:
            raise NotSetUp("The webhook needs IAMCLEANUP_WEBHOOK_SECRET: nothing goes unsigned.")
        return cls(url, [_key(secret) for secret in secrets])

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        """POST it; any 2xx is accepted.

        There is one place to send to, so `address` is whom it is for, and stands in the body. The
        receiver has `thread` and `webhook-id`: `first` and `uncertain` change nothing.
        """
        content = outbound.as_json(body(message, address))
        moment = int(clock.real_now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature(self.secrets, message.key, moment, content),
        }
        answer = outbound.call("POST", self.url, content, headers)
        if answer.status == 410:
            raise Undeliverable(
                f"{answer.host} says that nobody listens there any more (status 410). "
                "Set another IAMCLEANUP_WEBHOOK_URL, or unset it."
            )
        if not 200 <= answer.status < 300:
            raise Undeliverable(
                f"{answer.host} does not take the message (status {answer.status}). Look there "
                "why; a wrong secret is the usual reason. Then send it again."
            )
        return Receipt({"status": answer.status, "host": answer.host})


def signature(secrets: Sequence[bytes], key: str, moment: int, content: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time and body, for each secret, parted by spaces."""
    signed = b".".join((key.encode(), str(moment).encode(), content))
    digests = (hmac.digest(secret, signed, hashlib.sha256) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def body(message: Message, address: str = "") -> dict[str, Any]:
    """What is sent: the fields that docs/channels.md lists. Texts are plain; nothing is markup."""
    return {
        "type": f"iam_cleanup.{message.kind}",
        "timestamp": clock.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {
            "title": one_line(message.title),
            "text": "\n\n".join(map(plain, message.paragraphs)),
            "summary": one_line(message.summary),
            "users": [_user(line) for line in message.users],
            "url": message.button.url if message.button else "",
            "links": [_link(link) for link in message.links],
            "thread": message.thread,
            "closed": message.closed,
            "to": one_line(message.to or address),
        },
    }


def rendered(message: Message) -> str:
    """What is sent, as text to read: for the record, and for the demo's inbox."""
    return json.dumps(body(message), indent=2, ensure_ascii=False)


def _user(line: Line) -> dict[str, str]:
    shown = {"name": line.name, "account": line.account, "text": line.text}
    return {name: one_line(text) for name, text in shown.items()} | {"url": line.url}


def _link(link: Link) -> dict[str, str]:
    return {"text": one_line(link.text), "url": link.url}


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64, with or without `whsec_` before it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < SHORTEST_SECRET:
        raise NotSetUp(
            "IAMCLEANUP_WEBHOOK_SECRET must be base64 of at least 24 random bytes, with or without "
            "whsec_ before it: openssl rand -base64 32. Several are parted by spaces."
        )
    return key
