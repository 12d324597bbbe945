"""The one domain error that is a person's to mend: refused, with reasons they can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Because:
    """One reason by its stable code; `user_id` is the IAM user it is about, if it is about one."""

    code: str
    text: str
    fix: str = ""
    user_id: str = ""
    user_name: str = ""


class Refused(Exception):
    """What was asked is not done, nothing was changed, and `reasons` says why and what to do.

    `status` is the HTTP answer a page gives it: 422 for an input to mend, 409 for a row that moved
    meanwhile, 403 for a person who may not. `rule` is the stable code of what refused, for programs
    (a blocker's, or that of a rule of the house); `because` the single reasons behind it.
    """

    status = 422
    usual_rule = "refused"

    def __init__(self, *reasons: str, rule: str = "", because: Iterable[Because] = ()) -> None:
        self.reasons: tuple[str, ...] = reasons
        self.because = tuple(because)
        self.rule = rule or (self.because[0].code if self.because else self.usual_rule)
        super().__init__(" ".join(reasons))

    @classmethod
    def of(cls, reasons: Iterable[str]) -> Refused:
        return cls(*reasons)


class Stale(Refused):
    """Somebody or something else changed the row since it was shown."""

    status = 409
    usual_rule = "stale"


class NotAllowed(Refused):
    """This person may not do this."""

    status = 403
    usual_rule = "role"
