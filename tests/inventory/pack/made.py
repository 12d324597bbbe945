"""A small evidence pack as bytes, made without the product: a ledger of five entries, one deletion.

`made()` is whole and signed. A test changes one file, or the ZIP, and asks what is said of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inventory.hashing import GENESIS, entry_digest
from inventory.pack import layout, signing

KEY = signing.private_key(signing.new_private_key())
ANOTHER = signing.private_key(signing.new_private_key())
FINGERPRINT = signing.fingerprint(KEY.public_key())
ASKED, APPROVED = "a" * 64, "b" * 64
USER = "AIDA0000000000000001"
Files = dict[str, bytes]
Change = Callable[[Files], object]


def entries() -> list[dict[str, Any]]:
    """Five entries: discovered, asked, approved, deleted, and one whose words are withheld."""
    rows: list[dict[str, Any]] = [
        {"kind": "user.discovered", "user_id": USER, "data": {"name": "ci-old"}},
        {"kind": "batch.asked", "actor": ASKED, "batch": 7, "data": {"users": [USER]}},
        {"kind": "batch.approved", "actor": APPROVED, "batch": 7, "data": {"digest": "d" * 64}},
        {"kind": "move.delete", "actor": APPROVED, "user_id": USER, "batch": 7, "data": {}},
        {"kind": "hit.opened", "data": {"note": "Jonas Weber says so"}},
    ]
    return chained(rows)


def chained(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as entries of one chain from the first on."""
    made, previous = [], GENESIS
    for seq, row in enumerate(rows, start=1):
        entry = {"seq": seq, "at": f"2026-03-04T10:00:0{seq}.000000+00:00", "kind": "", "actor": ""}
        entry |= {"account_id": "", "user_id": "", "batch": None, "data": {}} | row
        entry["previous_hash"] = previous
        entry["hash"] = previous = entry_digest(entry)
        made.append(entry)
    return made


def files() -> Files:
    """What is in it, before the manifest and the list of hashes."""
    ledger = entries()
    ledger[4] |= {"data": {"note": "person-c0ffee says so"}, "withheld": "names of people"}
    eyes = {"requester": ASKED, "approver": APPROVED}
    deletion = {"user_id": USER, "entry": 4, "entry_hash": ledger[3]["hash"], **eyes}
    approval = {"batch": 7, "entry": 3, "entry_hash": ledger[2]["hash"], **eyes}
    return {
        layout.README: b"Read me.\n",
        "users.csv": b"user_name\r\nci-old\r\n" * 50,
        layout.DELETIONS: lines([deletion]),
        layout.APPROVALS: lines([approval]),
        layout.LEDGER: lines(ledger),
    }


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def sealed(content: Files, *, key: Any = KEY, **told: Any) -> Files:
    """With manifest, list of hashes and signature, as somebody who holds `key` can make them."""
    found = [json.loads(line) for line in content.get(layout.LEDGER, b"").splitlines()]
    ledger = {
        "first": found[0]["seq"] if found else 0,
        "last": found[-1]["seq"] if found else 0,
        "entries": len(found),
        "follows": found[0]["previous_hash"] if found else GENESIS,
        "ends_with": found[-1]["hash"] if found else "",
    } | told
    manifest = {
        "format": layout.FORMAT,
        "ledger": ledger,
        "files": [{"name": name, "sha256": sha256(data)} for name, data in content.items()],
    }
    content = content | {layout.MANIFEST: json.dumps(manifest).encode()}
    sums = layout.sums({name: sha256(data) for name, data in content.items()}).encode()
    content = content | {layout.SUMS: sums}
    if key is None:
        return content
    return content | {
        layout.SIGNATURE: key.sign(sums),
        layout.PUBLIC_KEY: signing.public_pem(key).encode(),
    }


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(content: Mapping[str, bytes]) -> bytes:
    """The files as a ZIP, in their order."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def made(folder: Path, change: Change | None = None, *, before: Change | None = None) -> Path:
    """A pack on disk; `before` changes what is signed, `change` what was signed already."""
    content = files()
    if before:
        before(content)
    content = sealed(content)
    if change:
        change(content)
    path = folder / "pack.zip"
    path.write_bytes(zipped(content))
    return path
