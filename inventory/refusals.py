"""The one domain error that is a person's to mend: refused, with reasons they can act on."""

from __future__ import annotations

from collections.abc import Iterable


class Refused(Exception):
    """What was asked is not done, nothing was changed, and `reasons` says why and what to do.

    `status` is the HTTP answer a page gives it: 422 for an input to mend, 409 for a row that moved
    meanwhile, 403 for a person who may not.
    """

    status = 422

    def __init__(self, *reasons: str) -> None:
        self.reasons: tuple[str, ...] = reasons
        super().__init__(" ".join(reasons))

    @classmethod
    def of(cls, reasons: Iterable[str]) -> Refused:
        return cls(*reasons)


class Stale(Refused):
    """Somebody or something else changed the row since it was shown."""

    status = 409


class NotAllowed(Refused):
    """This person may not do this."""

    status = 403
