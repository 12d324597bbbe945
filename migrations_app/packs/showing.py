"""Packs as pages show them: who asked for which, how far it is built, and who may have it."""

from __future__ import annotations

from dataclasses import dataclass

from inventory.models import Person
from migrations_app.models import EvidencePack, PackKey
from migrations_app.packs.asking import may_have
from migrations_app.packs.tables import CHOICES, by_key, chosen

SHOWN = 50
_LAST_STEP = "Report, hashes and signature"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of building, for `parts/progress.html`."""

    label: str
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One pack in the list. `for_reader` is False where this reader may not have it."""

    pack: EvidencePack
    holds: str
    for_reader: bool

    @property
    def title(self) -> str:
        return f"Being built for {self.pack.asked_by}"

    @property
    def ready(self) -> bool:
        return self.pack.status == EvidencePack.Status.DONE


def shown(person: Person) -> list[Shown]:
    """The latest packs of everybody, newest first."""
    rows = EvidencePack.objects.select_related("asked_by", "account").defer("files")
    return [_shown(row, person) for row in rows[:SHOWN]]


def kept(person: Person, most: int = 5) -> list[Shown]:
    """The latest that this person may download."""
    rows = EvidencePack.objects.filter(status=EvidencePack.Status.DONE)
    found = rows.select_related("asked_by", "account").defer("files", "tables")[:SHOWN]
    return [_shown(row, person) for row in found if may_have(person, row)][:most]


def _shown(row: EvidencePack, person: Person) -> Shown:
    labels = dict(CHOICES)
    chosen = [labels[one] for one in row.contents if one in labels]
    holds = ["Everything"] if len(chosen) == len(CHOICES) else chosen
    names = ["names of people"] if row.with_names else []
    return Shown(row, ", ".join([*holds, *names]), may_have(person, row))


def progress(pack: EvidencePack) -> tuple[list[Step], int, int]:
    """The steps of a pack being built, and how many rows of how many are in it."""
    steps, running = [], False
    if not pack.tables:
        steps = [Step(table.label, "waiting", "") for table in chosen(pack.contents)]
    for row in pack.tables:
        status = "done" if row["over"] else "waiting" if running else "running"
        running = running or not row["over"]
        detail = f"{row['done']:,} of {row['total']:,}"
        steps.append(Step(by_key(row["key"]).label, status, detail))
    last = "running" if pack.tables and not running else "waiting"
    steps.append(Step(_LAST_STEP, last, ""))
    done, total = (sum(row[name] for row in pack.tables) for name in ("done", "total"))
    return steps, done, total


def keys() -> list[PackKey]:
    """The public keys that packs are or were signed with, the one a worker told last first."""
    return list(PackKey.objects.all())
