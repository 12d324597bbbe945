"""Building a pack in a test, step by step, and looking into it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

from inventory import clock
from inventory.models import Account, Person
from inventory.pack import signing
from migrations_app import packs
from migrations_app.models import EvidencePack

PRIVATE = signing.new_private_key()
FINGERPRINT = signing.fingerprint(signing.private_key(PRIVATE).public_key())
ALL = tuple(choice for choice, _ in packs.CHOICES)


def asked(
    person: Person,
    *,
    account: Account | None = None,
    from_day: date | None = None,
    until_day: date | None = None,
    contents: tuple[str, ...] = ALL,
    with_names: bool = False,
) -> EvidencePack:
    """A pack that waits for a worker; of all days unless told."""
    return packs.ask(
        person,
        from_day=from_day or date(2020, 1, 1),
        until_day=until_day or clock.now().date(),
        account=account,
        contents=contents,
        with_names=with_names,
    )


def work(pack: EvidencePack, most: int = 500) -> EvidencePack:
    """Every slice one step long, until nothing is left."""
    for _ in range(most):
        if not packs.build(pack.pk, seconds=0):
            break
    pack.refresh_from_db()
    return pack


def built(person: Person, **how: Any) -> dict[str, bytes]:
    """The files of a pack that was asked for and built."""
    pack = work(asked(person, **how))
    assert pack.status == EvidencePack.Status.DONE, pack.error
    return files_of(pack)


def bytes_of(pack: EvidencePack) -> bytes:
    return b"".join(packs.zip_of(pack))


def files_of(pack: EvidencePack) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bytes_of(pack))) as held:
        return {name: held.read(name) for name in held.namelist()}


def on_disk(pack: EvidencePack, folder: Path) -> Path:
    path = folder / pack.file_name
    path.write_bytes(bytes_of(pack))
    return path


def rows(files: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    """The rows of a table, from its JSON lines."""
    return [json.loads(line) for line in files[f"{name}.jsonl"].splitlines()]


def cells(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    """The rows of a table, from its CSV."""
    return list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode(), newline="")))
