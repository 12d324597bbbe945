"""A pack is built in short slices by whichever worker comes along.

Each step is one transaction that holds the pack's row: a page of a table, packed, beside the cursor
behind it. A worker killed in between leaves the step undone and nothing else, so the pack ends the
same whoever goes on, and with a bounded memory however many users there are.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from inventory import clock
from inventory.exports import as_csv, as_json_lines
from inventory.hashing import GENESIS
from inventory.models import LedgerEntry
from inventory.pack import layout
from inventory.pack.signing import BadKey
from migrations_app.models import EvidencePack
from migrations_app.packs import ending, pieces, report, sealing, tables
from migrations_app.packs.names import Names, names_of_everybody
from migrations_app.packs.scope import Scope, scope_of, start_of
from migrations_app.packs.zipping import TooLarge

log = logging.getLogger(__name__)

SLICE_SECONDS = 20.0
# Renewed by each step; a step takes a second or two.
LEASE = timedelta(minutes=2)
# So many slices in a row that moved nothing: then it is no accident any more.
MOST_ATTEMPTS = 5
_TOO_LARGE = "It would be larger than 4 GiB. Choose one account or fewer days."


def waiting() -> list[int]:
    """Packs that no worker holds and that are not at their end, for whoever picks up the lost."""
    rows = EvidencePack.objects.filter(_free(), status__in=EvidencePack.OPEN)
    return list(rows.values_list("pk", flat=True))


def build(pk: int, seconds: float = SLICE_SECONDS) -> bool:
    """Work on a pack for a slice; whether anything is left for the next one.

    False also where another worker holds it. What breaks is tried again, a few times.
    """
    taken = EvidencePack.objects.filter(_free(), pk=pk, status__in=EvidencePack.OPEN).update(
        lease_until=clock.real_now() + LEASE, attempts=F("attempts") + 1
    )
    if taken != 1:
        return False
    try:
        return _slice(pk, time.monotonic() + seconds)
    except TooLarge:
        ending.fail(pk, _TOO_LARGE)
    except BadKey as bad:
        ending.fail(pk, str(bad))
    except Exception as broken:
        # Its words may hold a part of a row, so they stay in the worker's log.
        _after_a_fault(pk, type(broken).__name__)
        raise
    return False


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=clock.real_now())


def _slice(pk: int, until: float) -> bool:
    names: Names | None = None
    while True:
        with transaction.atomic():
            pack = EvidencePack.objects.select_for_update(of=("self",)).get(pk=pk)
            if not pack.working:
                return False
            # A worker that died here over and over must not try for ever.
            if pack.attempts > MOST_ATTEMPTS:
                ending.fail(pk, "Several workers died of it. Their logs may say why.")
                return False
            names = names or names_of_everybody(shown=pack.with_names)
            left = _step(pack, names)
            over = time.monotonic() >= until
            pack.attempts = 0
            pack.lease_until = clock.real_now() + LEASE if left and not over else None
            pack.save()
        if not left or over:
            return left


def _step(pack: EvidencePack, names: Names) -> bool:
    """The next thing to do; whether something is left after it."""
    if pack.status == EvidencePack.Status.QUEUED:
        _begin(pack, names)
        return True
    scope = scope_of(pack, names)
    for row in pack.tables:
        if not row["over"]:
            _page(pack, row, scope)
            return True
    if not any(file["name"] == layout.REPORT for file in pack.files):
        pieces.write(pack, layout.REPORT, report.html(pack, scope).encode())
        return True
    for file in pack.files:
        if "sha256" not in file:
            file["sha256"] = sealing.sha256(pack, file["name"])
            return True
    ending.finish(pack, sealing.seal(pack, scope))
    return False


def _begin(pack: EvidencePack, names: Names) -> None:
    """Fix what is in it: the head of the ledger now, and which of its entries are of the period."""
    pack.status, pack.began_at = EvidencePack.Status.BUILDING, clock.now()
    head = LedgerEntry.objects.order_by("-seq").values_list("seq", "hash").first()
    pack.head_seq, pack.head_hash = head or (0, GENESIS)
    entries = LedgerEntry.objects.filter(seq__lte=pack.head_seq)
    until = start_of(pack.until_day + timedelta(days=1))
    first = entries.filter(at__gte=start_of(pack.from_day)).order_by("seq").first()
    last = entries.filter(at__lt=until).order_by("-seq").first()
    pack.first_seq = first.seq if first else pack.head_seq + 1
    pack.last_seq = last.seq if last else 0
    scope = scope_of(pack, names)
    pack.tables = [
        {"key": one.key, "done": 0, "total": one.count(scope), "after": None, "over": False}
        for one in tables.chosen(pack.contents)
    ]


def _page(pack: EvidencePack, row: dict[str, Any], scope: Scope) -> None:
    table = tables.by_key(row["key"])
    page = table.page(scope, row["after"])
    for name in table.files:
        lines = "".join(_lines(table, name, page.rows, first=row["after"] is None))
        pieces.add(pack, name, lines.encode(), len(page.rows))
        if page.after is None:
            pieces.end(pack, name)
    row["done"] += page.seen
    row["after"], row["over"] = page.after, page.after is None
    # A date, or a value of another kind, would come back as another one after a restart.
    json.dumps(page.after)


def _lines(table: tables.Table, name: str, rows: Any, *, first: bool) -> Iterator[str]:
    if name.endswith(".jsonl"):
        return as_json_lines(rows)
    return islice(as_csv(table.fields, rows), 0 if first else 1, None)


def _after_a_fault(pk: int, what: str) -> None:
    """Let it go, to be taken up by the sweep; for good after a few times."""
    EvidencePack.objects.filter(pk=pk).update(lease_until=None)
    if EvidencePack.objects.filter(pk=pk, attempts__gte=MOST_ATTEMPTS).exists():
        ending.fail(pk, f"It broke off with {what}; the worker's log says where.")
