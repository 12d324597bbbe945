"""E-mail: one mail to one address, in text and HTML, through the mail server of the environment.

A mail has no way to be sent at most once: when the answer to its end is lost, the next try is a
second mail. Both carry the same `Message-ID`, which is made from the message's key, so servers and
clients that look at it show one. Nothing a stranger wrote becomes a header, a recipient or a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import utf8_charset_qp
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils.encoding import punycode

from inventory import clock
from migrations_app.announce import smtp
from migrations_app.announce.identity import fingerprint
from migrations_app.announce.message import Line, Link, Message, NotSetUp, Receipt, Undeliverable
from migrations_app.announce.plain import defused, defused_html, shortened, visible, web_address

# No client shows more; the body has the whole title.
SUBJECT_LIMIT = 250
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.-]+@[A-Za-z0-9.-]+>")


@dataclass(frozen=True, slots=True)
class Email:
    """Mails from one sender through one server."""

    server: smtp.Server
    sender: str
    sender_name: str = field(default="IAM Cleanup")

    @classmethod
    def from_environment(cls) -> Email:
        """Reads IAMCLEANUP_MAIL_URL and IAMCLEANUP_MAIL_FROM."""
        if not settings.IAMCLEANUP_MAIL_URL:
            raise NotSetUp("IAMCLEANUP_MAIL_URL is not set, so no e-mail can be sent.")
        if not settings.IAMCLEANUP_MAIL_FROM:
            raise NotSetUp("IAMCLEANUP_MAIL_FROM is not set, so no e-mail can be sent.")
        name, sender = parseaddr(settings.IAMCLEANUP_MAIL_FROM)
        if not is_address(sender):
            raise NotSetUp("IAMCLEANUP_MAIL_FROM is not an e-mail address.")
        server = smtp.Server.from_url(settings.IAMCLEANUP_MAIL_URL)
        return cls(server, sender, visible(name) or "IAM Cleanup")

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        """Send it; the receipt has its `message_id`. A mail server cannot be asked whether an
        earlier try arrived, so `uncertain` changes nothing."""
        if not is_address(address):
            raise Undeliverable(
                f"“{shortened(visible(address), 80)}” is not an e-mail address. Correct it at the "
                "team or the person."
            )
        mail = self._mail(message, address, first)
        smtp.deliver(self.server, mail)
        return Receipt({"message_id": mail.extra_headers["Message-ID"]})

    def _mail(
        self, message: Message, address: str, first: Receipt | None
    ) -> EmailMultiAlternatives:
        mail = EmailMultiAlternatives(
            subject=_subject(message.title),
            body=_text(message),
            from_email=formataddr((self.sender_name, self.sender)),
            to=[address],
            headers={
                "Message-ID": message_id(message.key, self.sender),
                # The whole product shows one clock, in the demo too.
                "Date": format_datetime(clock.now()),
                # No out-of-office notes and no bounces to people.
                "Auto-Submitted": "auto-generated",
                "X-Auto-Response-Suppress": "All",
                "X-IAM-Cleanup-Kind": re.sub(r"[^A-Za-z0-9-]+", "-", message.kind)[:60] or "other",
                **_replying(first),
            },
        )
        mail.attach_alternative(_html(message), "text/html")
        # Seven bits and short lines: no server on the way has a reason to change a byte.
        mail.encoding = utf8_charset_qp
        return mail


def is_address(text: str) -> bool:
    """Whether it is one plain address: no name, no quotes, no second address, no control signs."""
    try:
        validate_email(text)
    except ValidationError:
        return False
    local = text.rpartition("@")[0]
    return local.isascii() and '"' not in local and visible(text) == text


def message_id(key: str, sender: str) -> str:
    """The same for each try of the message with this key."""
    # Short, so that it stays on the line of its name: some servers do not read it from the next.
    return f"<{fingerprint('message', key)[:24]}@{punycode(sender.rpartition('@')[2])}>"


def rendered(message: Message) -> str:
    """What is sent, as readable text: the subject and the text part."""
    return f"Subject: {shortened(visible(message.title), SUBJECT_LIMIT)}\n\n{_text(message)}"


def _subject(title: str) -> str:
    # A client would decode "=?utf-8?…?=" that stands in the title; a joiner inside keeps it text.
    return shortened(visible(title), SUBJECT_LIMIT).replace("=?", "=\u2060?")


def _replying(first: Receipt | None) -> dict[str, str]:
    earlier = str(first.facts.get("message_id", "")) if first else ""
    if not _MESSAGE_ID.fullmatch(earlier):
        return {}
    return {"In-Reply-To": earlier, "References": earlier}


def _text(message: Message) -> str:
    def plain(text: str, *, lines: bool = False) -> str:
        return defused(visible(text, lines=lines))

    return render_to_string("announce/email.txt", _context(message, plain)).strip() + "\n"


def _html(message: Message) -> str:
    def marked(text: str, *, lines: bool = False) -> str:
        return defused_html(visible(text, lines=lines))

    return render_to_string("announce/email.html", _context(message, marked))


def _context(message: Message, shown: Any) -> dict[str, object]:
    def line(user: Line) -> dict[str, str]:
        return {
            "name": shown(user.name),
            "account": shown(user.account),
            "text": shown(user.text),
            "url": web_address(user.url),
        }

    def link(given: Link) -> dict[str, str]:
        return {"text": shown(given.text), "url": web_address(given.url)}

    return {
        "to": shown(message.to),
        "title": shown(message.title),
        "paragraphs": [shown(text, lines=True) for text in message.paragraphs],
        "users": [line(user) for user in message.users],
        "button": link(message.button) if message.button else None,
        "links": [link(given) for given in message.links],
    }
