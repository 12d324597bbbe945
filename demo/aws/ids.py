"""New ids in AWS's alphabet, drawn from the seed, and given again in the same order on replay."""

from __future__ import annotations

import hashlib
import random

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def drawn_id(prefix: str, length: int, *parts: object) -> str:
    """The id that belongs to `parts`: the same parts give the same id in every run."""
    digest = hashlib.sha256("\x00".join(str(part) for part in parts).encode()).digest()
    number = int.from_bytes(digest, "big")
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return prefix + "".join(letters)


class Ids:
    """Gives new ids and notes them, so that the log of a call can hold the ids it gave."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"{seed}-ids-{random.SystemRandom().random()}")
        self.given: list[str] = []
        self._again: list[str] = []

    def new(self, prefix: str, length: int = 17) -> str:
        """The next id: while a call is replayed, the one it gave the first time."""
        if self._again:
            value = self._again.pop(0)
        else:
            value = prefix + "".join(self._random.choices(ALPHABET, k=length))
        self.given.append(value)
        return value

    def begin(self, again: list[str] | None = None) -> None:
        """Start a call; `again` holds the ids that it gave when it was first made."""
        self.given = []
        self._again = list(again or [])
