"""What one pack is about: its account, its days, its part of the ledger, and who it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from inventory.models import Account, Person
from migrations_app.models import EvidencePack
from migrations_app.packs.names import Names


@dataclass(frozen=True, slots=True)
class Scope:
    """Handed to every table. Times are aware UTC; `until_at` is not in it any more."""

    account: Account | None
    person: Person
    from_at: datetime
    until_at: datetime
    began_at: datetime
    first_seq: int
    last_seq: int
    # Whether its reader may see what only some may: addresses, whole key ids, all of the ledger.
    whole: bool
    names: Names


def scope_of(pack: EvidencePack, names: Names) -> Scope:
    """The scope of a pack that has begun."""
    if pack.began_at is None or pack.first_seq is None or pack.last_seq is None:
        raise ValueError(f"{pack} has not begun.")
    return Scope(
        account=pack.account,
        person=pack.asked_by,
        from_at=start_of(pack.from_day),
        until_at=start_of(pack.until_day + timedelta(days=1)),
        began_at=pack.began_at,
        first_seq=pack.first_seq,
        last_seq=pack.last_seq,
        whole=pack.whole,
        names=names,
    )


def start_of(day: date) -> datetime:
    """Midnight, UTC."""
    return datetime.combine(day, time(), UTC)
