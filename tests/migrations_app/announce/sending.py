"""What the tests of channels share: messages, and a sender that tries again as the outbox does."""

from __future__ import annotations

from typing import Any

from migrations_app.announce.message import Channel, Line, Link, Message, Receipt, TryLater

PAGE = "https://cleanup.example.com/batches/12/"


def message(**given: Any) -> Message:
    """An announcement about three users, unless a field says otherwise."""
    fields: dict[str, Any] = {
        "key": "k1",
        "kind": "announce",
        "title": "3 users of Payments will be disabled",
        "paragraphs": ("Nothing is deleted.", "Approved by Mei Tanaka."),
        "users": users(3),
        "button": Link("Open the batch", PAGE),
        "links": (Link("Errors in payments-prod", "https://dashboards.example.com/1"),),
        "thread": "batch:12",
    }
    return Message(**fields | given)


def users(count: int) -> tuple[Line, ...]:
    """`count` users, each with a name nobody else has."""
    return tuple(
        Line(
            f"svc-{number:04}",
            "payments-prod",
            "Owner assigned, last used 3 Jan 2026",
            f"https://cleanup.example.com/users/123456789012/AIDA{number:017}/",
        )
        for number in range(count)
    )


def deliver(
    channel: Channel,
    one: Message,
    address: str = "#payments",
    *,
    first: Receipt | None = None,
    uncertain: bool = False,
    tries: int = 4,
) -> tuple[Receipt, list[TryLater]]:
    """Send as the outbox does: again after TryLater, and told once a try may have arrived."""
    failures: list[TryLater] = []
    while True:
        try:
            return channel.send(one, address, first, uncertain=uncertain), failures
        except TryLater as later:
            failures.append(later)
            uncertain = uncertain or later.uncertain
            if len(failures) == tries:
                raise
