"""The personal link of an ask, `/c/<token>/`: it leads to a team's questions and grants nothing.

A token names an ask and perhaps a person, and is signed, so that nobody can count through the asks
of others. Whoever opens it still signs in, and must lead the team. It is over 30 days after the
deadline, by the product's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.core import signing
from django.urls import reverse

from inventory import clock
from inventory.models import Person
from migrations_app.models import Ask

LASTS_AFTER_DEADLINE = timedelta(days=30)
_SIGNER = signing.Signer(salt="migrations_app.claims.claim_links")


class Trouble(StrEnum):
    """Why a link leads nowhere."""

    NONE = ""
    FORGED = "forged"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says: whose ask, made for whom; `ask` is None only for a forged one."""

    ask: Ask | None
    person_pk: int | None = None
    trouble: Trouble = Trouble.NONE


def make(ask: Ask, person: Person | None = None) -> str:
    """The path of the link to `ask`, for one person or for a team's channel."""
    said = [ask.pk, person.pk] if person else [ask.pk]
    return reverse("claim-link", args=[_SIGNER.sign_object(said)])


def read(token: str) -> Link:
    """What the token says, and why it leads nowhere if it does."""
    try:
        said = _SIGNER.unsign_object(token)
        ask_pk, person_pk = int(said[0]), int(said[1]) if len(said) > 1 else None
    except (signing.BadSignature, ValueError, TypeError, KeyError, IndexError):
        return Link(None, trouble=Trouble.FORGED)
    ask = Ask.objects.select_related("team__lead", "campaign").filter(pk=ask_pk).first()
    if ask is None:
        return Link(None, trouble=Trouble.FORGED)
    if ask.withdrawn_at is not None:
        return Link(ask, person_pk, Trouble.WITHDRAWN)
    if clock.now() >= ask.deadline_at + LASTS_AFTER_DEADLINE:
        return Link(ask, person_pk, Trouble.EXPIRED)
    return Link(ask, person_pk)
