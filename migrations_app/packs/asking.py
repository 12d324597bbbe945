"""Asking for a pack, and who may have which one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.db import IntegrityError, transaction

from inventory import clock, ledger
from inventory.models import Account, LedgerEntry, Person
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused
from migrations_app.changes import nudge
from migrations_app.log import sees_everything
from migrations_app.models import EvidencePack
from migrations_app.packs.tables import CHOICES

_OPEN = "Your last pack is still being built. Wait until it is ready."


def ask(
    person: Person,
    *,
    from_day: date,
    until_day: date,
    account: Account | None,
    contents: Iterable[str],
    with_names: bool,
) -> EvidencePack:
    """Whoever may read the log may have it as a pack, and no more than they may read.

    Names are off unless asked for; every reader of the log sees them there, so whoever reads may
    ask, and the ledger says who did. While the person's last pack is being built the same choice is
    that pack, and another one is Refused.
    """
    require(person, Action.SEE)
    wanted = set(contents)
    pack = EvidencePack(
        asked_by=person,
        asked_at=clock.now(),
        account=account,
        from_day=from_day,
        until_day=until_day,
        contents=[choice for choice, _ in CHOICES if choice in wanted],
        with_names=with_names,
        whole=sees_everything(person),
    )
    if until_day < from_day:
        raise Refused("The last day is before the first one.")
    try:
        with transaction.atomic():
            pack.save()
            ledger.append(
                "pack.asked",
                actor=person,
                account_id=account.account_id if account else "",
                pack=pack.pk,
                period=f"{from_day} to {until_day}",
                contents=pack.contents,
                names_of_people=with_names,
            )
            nudge.build_pack(pack.pk)
    except IntegrityError:
        last = EvidencePack.objects.filter(asked_by=person, status__in=EvidencePack.OPEN).first()
        if last is not None and _is_the_same(last, pack):
            return last
        raise Refused(_OPEN, rule="pack-open") from None
    return pack


def _is_the_same(one: EvidencePack, other: EvidencePack) -> bool:
    chosen = ("account", "from_day", "until_day", "contents", "with_names", "whole")
    return all(getattr(one, name) == getattr(other, name) for name in chosen)


def may_have(person: Person, pack: EvidencePack) -> bool:
    """Whether this person may download it: what was made for those who see all is for them only."""
    return sees_everything(person) or not pack.whole


def require_having(person: Person, pack: EvidencePack) -> None:
    """NotAllowed, saying what to do, unless `may_have`."""
    require(person, Action.SEE)
    if not may_have(person, pack):
        raise NotAllowed(
            "This pack holds addresses and key ids that a viewer does not see. "
            "Build one of your own."
        )


def since() -> date:
    """The day on which anything was first recorded; today where nothing was."""
    first = LedgerEntry.objects.order_by("seq").values_list("at", flat=True).first()
    return (first or clock.now()).date()
