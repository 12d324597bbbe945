"""A channel on a string: what it is told to answer, and what arrived at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from migrations_app.announce.message import Message, Receipt

PATH = "tests.migrations_app.tin.Tin"


@dataclass(frozen=True)
class Arrived:
    """One message as the channel got it."""

    message: Message
    address: str
    first: Receipt | None
    uncertain: bool


class Tin:
    """A channel as the outbox sees one."""

    arrived: ClassVar[list[Arrived]] = []
    # What the next tries end with, first comes first; accepted once it is empty.
    ends: ClassVar[list[BaseException]] = []

    @classmethod
    def from_environment(cls) -> Tin:
        return cls()

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        self.arrived.append(Arrived(message, address, first, uncertain))
        if self.ends:
            raise self.ends.pop(0)
        return Receipt({"number": len(self.arrived)})


def rendered(message: Message) -> str:
    return message.title
