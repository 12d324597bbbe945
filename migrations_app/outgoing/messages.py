"""A delivery as the message a channel gets: plain texts, absolute addresses, the whole list."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from inventory.category import CategoryName
from migrations_app.announce.message import Line, Link, Message
from migrations_app.claims import claim_links
from migrations_app.lifecycle import HAS_ACCESS
from migrations_app.models import Delivery, Departure, Notice

_RENDERED = {
    Delivery.Channel.SLACK: "migrations_app.announce.slack.rendered",
    Delivery.Channel.JIRA: "migrations_app.announce.jira.rendered",
    Delivery.Channel.EMAIL: "migrations_app.announce.email.rendered",
    Delivery.Channel.WEBHOOK: "migrations_app.announce.webhook.rendered",
}
# What the button says, by kind; it opens the notice's page.
_BUTTONS = {
    "claim": "Answer now",
    "claim-reminder": "Answer now",
    "claim-overdue": "See what is open",
    "announce": "Open the batch",
    "approve": "Look at it",
    "hit": "Look at it, or restore",
    "started": "Watch it",
}


def of(delivery: Delivery) -> Message:
    """The message of this delivery, from the rows as they are now."""
    notice = delivery.notice
    return Message(
        key=delivery.key,
        kind=notice.kind,
        title=notice.title,
        paragraphs=tuple(part.strip() for part in notice.text.split("\n\n") if part.strip()),
        users=_users(notice),
        button=Link(button_of(notice), _page(notice, delivery)),
        links=tuple(Link(one["name"], one["url"]) for one in notice.links),
        thread=delivery.thread,
        summary=notice.summary or notice.title,
        closed=notice.closes,
        to=str(delivery.person) if delivery.person else "",
    )


def button_of(notice: Notice) -> str:
    """What the button says that leads from a message to what it is about."""
    return _BUTTONS.get(notice.kind, "Open")


def rendered(delivery: Delivery) -> str:
    """What the channel sends, as readable text."""
    render = import_string(_RENDERED[Delivery.Channel(delivery.channel)])
    text: str = render(of(delivery))
    return text


def leads_somewhere() -> bool:
    """Whether whoever gets a link can follow it: not on this machine alone, outside of play."""
    host = urlsplit(settings.IAMCLEANUP_URL).hostname or ""
    try:
        here = ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        here = host in ("", "localhost")
    return settings.PLAY or not here


def absolute(path: str) -> str:
    """One of our own addresses as people outside reach it."""
    return urljoin(settings.IAMCLEANUP_URL.rstrip("/") + "/", path)


def _page(notice: Notice, delivery: Delivery) -> str:
    """The notice's page, which notes that it was opened, and goes on to what it is about.

    An asking leads by a link of its own through sign-in to the questions.
    """
    if notice.ask and notice.ask.withdrawn_at is None:
        return absolute(claim_links.make(notice.ask, delivery.person))
    if delivery.channel == Delivery.Channel.WEBHOOK or not notice.pk:
        return absolute(notice.url or "/")
    return absolute(reverse("notice", args=[notice.pk]) + ("?go=1" if notice.url else ""))


def _users(notice: Notice) -> tuple[Line, ...]:
    rows = notice.departures.select_related("user__account").order_by("user__user_name", "pk")
    return tuple(map(_line, rows))


def _line(row: Departure) -> Line:
    user = row.user
    used = (
        f"last used {user.last_activity_at:%-d %b %Y}"
        if user.last_activity_at
        else "never used"
        if user.verdict == "never-used"
        else "last use unknown"
    )
    page = reverse("user", args=[user.account.account_id, user.user_id])
    told = ", ".join(filter(None, (_what_it_is(row), used)))
    return Line(user.user_name, user.account.name, told, absolute(page))


def _what_it_is(row: Departure) -> str:
    """What it is for, as long as it has access; then how far off it is, which matters more."""
    if row.state not in HAS_ACCESS:
        return row.get_state_display()
    category = row.user.shown_category
    return CategoryName(category).label if category in set(CategoryName) else ""
