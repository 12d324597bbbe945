"""Is an evidence pack what was signed, and does its ledger hold together? No database, no network.

The order is the order of trust: the ZIP is plain, the list of hashes is signed, every file is what
the list says, the manifest agrees, the ledger is one chain, and what the files say of deletions and
approvals stands in that chain. The first bad thing is named; nothing after it was looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inventory.pack import layout, signing
from inventory.pack.chain import Broken, Claim, Walk, follow
from inventory.pack.zip_file import BadZip, PackZip

# What ends an IAM user in the ledger, and what lets a batch run.
ENDS = ("move.delete", "move.vanish")
APPROVES = ("batch.approved", "batch.taken-over")


class BadPack(Exception):
    """The first thing that is wrong, in a sentence that names it."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The key that the auditor trusts: the key itself, or only its fingerprint."""

    fingerprint: str
    pem: bytes = b""


@dataclass(frozen=True, slots=True)
class Checked:
    """A pack without a fault. `signed_by` is a fingerprint, "" if it is not signed."""

    signed_by: str
    pinned: bool
    files: int
    walk: Walk
    deletions: int
    approvals: int
    manifest: Mapping[str, Any]


def pinned_key(pem: bytes) -> Pinned:
    """The key that an auditor has as a PEM file; BadKey."""
    return Pinned(signing.fingerprint(signing.public_key(pem)), pem)


def check(path: Path, pin: Pinned | None = None, head: tuple[int, str] | None = None) -> Checked:
    """Look at everything; BadPack with the first fault. An unsigned pack is no fault by itself.

    `head` is (number, hash) of a ledger entry as the product announced it on some day.
    """
    try:
        with PackZip(path) as pack:
            return _checked(pack, pin, head)
    except (BadZip, Broken, signing.BadKey) as fault:
        raise BadPack(str(fault)) from fault


def _checked(pack: PackZip, pin: Pinned | None, head: tuple[int, str] | None) -> Checked:
    for name in (layout.SUMS, layout.MANIFEST, layout.LEDGER, layout.README):
        if name not in pack.files:
            raise BadPack(f"{name} is missing.")
    listed = pack.content(layout.SUMS)
    signed_by = _signed(pack, listed, pin)
    hashes = _hashes(listed)
    _compared(pack, hashes)
    manifest = _manifest(pack, hashes)
    claims, counts = _claims(pack)
    told = manifest["ledger"]
    heads = {head[0]: head[1]} if head else {}
    walk = follow(pack.lines(layout.LEDGER), claims, heads, str(told["follows"]))
    _as_told(walk, told)
    for seq in sorted({*claims, *heads} - walk.met):
        who = claims[seq].where if seq in claims else "You"
        raise BadPack(f"{who} named entry {seq}, which is not in {layout.LEDGER}.")
    return Checked(signed_by, pin is not None, len(hashes), walk, *counts, manifest)


def _signed(pack: PackZip, listed: bytes, pin: Pinned | None) -> str:
    """The fingerprint of the key that signed the list of hashes; "" where nobody did."""
    there = layout.SIGNATURE in pack.files
    if there != (layout.PUBLIC_KEY in pack.files):
        missing = layout.PUBLIC_KEY if there else layout.SIGNATURE
        raise BadPack(f"{missing} is missing.")
    if not there:
        if pin:
            raise BadPack(f"{layout.SIGNATURE} is missing: nobody signed this pack.")
        return ""
    inside = pack.content(layout.PUBLIC_KEY)
    signature = pack.content(layout.SIGNATURE)
    key = signing.public_key(inside)
    found = signing.fingerprint(key)
    if pin and found != pin.fingerprint:
        raise BadPack(f"{layout.SIGNATURE} was made with another key than yours: {found}.")
    if pin and pin.pem:
        key = signing.public_key(pin.pem)
    if not signing.holds(key, signature, listed):
        raise BadPack(f"{layout.SUMS} is not what was signed: {layout.SIGNATURE} does not fit it.")
    return found


def _hashes(listed: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(listed.decode("ascii", "replace").splitlines(), start=1):
        match = layout.SUM_LINE.fullmatch(line)
        if match is None or match[2] in found or not layout.SAFE_NAME.fullmatch(match[2]):
            raise BadPack(f"{layout.SUMS}: line {number} is no line of a list of hashes.")
        found[match[2]] = match[1]
    return found


def _compared(pack: PackZip, hashes: Mapping[str, str]) -> None:
    there = set(pack.files) - layout.UNSUMMED
    for name in sorted(set(hashes) - there):
        raise BadPack(f"{name} is missing.")
    for name in sorted(there - set(hashes)):
        raise BadPack(f"{name} was added: {layout.SUMS} does not list it.")
    for name in pack.names():
        if name in hashes and _sha256(pack, name) != hashes[name]:
            raise BadPack(f"{name} is not what was signed.")


def _sha256(pack: PackZip, name: str) -> str:
    counted = hashlib.sha256()
    for piece in pack.pieces(name):
        counted.update(piece)
    return counted.hexdigest()


def _manifest(pack: PackZip, hashes: Mapping[str, str]) -> dict[str, Any]:
    try:
        manifest = json.loads(pack.content(layout.MANIFEST))
        if manifest["format"] != layout.FORMAT:
            raise BadPack(
                f"{layout.MANIFEST} is of a form that this version does not know: "
                f"{manifest['format']!r}."
            )
        told = {one["name"]: one["sha256"] for one in manifest["files"]}
        ledger = manifest["ledger"]
        whole = all(isinstance(ledger[key], int) for key in ("first", "last", "entries"))
        whole = whole and all(isinstance(ledger[key], str) for key in ("follows", "ends_with"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadPack(f"{layout.MANIFEST} is no manifest of a pack ({error!r}).") from error
    if not whole:
        raise BadPack(f"{layout.MANIFEST} does not say which entries the ledger holds.")
    for name in sorted(set(hashes) - {layout.MANIFEST}):
        if told.get(name) != hashes[name]:
            raise BadPack(f"{layout.MANIFEST} and {layout.SUMS} do not agree about {name}.")
    for name in sorted(set(told) - set(hashes)):
        raise BadPack(f"{layout.MANIFEST} names {name}, which {layout.SUMS} does not.")
    return dict(manifest)


def _as_told(walk: Walk, told: Mapping[str, Any]) -> None:
    """The manifest says where the ledger begins and ends: a cut one shows."""
    if walk.entries != told["entries"] or walk.last != told["last"] or walk.first != told["first"]:
        raise BadPack(
            f"{layout.LEDGER} holds entries {walk.first} to {walk.last}; "
            f"{layout.MANIFEST} says {told['first']} to {told['last']}."
        )
    if walk.entries and walk.head != told["ends_with"]:
        raise BadPack(f"{layout.LEDGER} does not end with the entry that {layout.MANIFEST} names.")


def _claims(pack: PackZip) -> tuple[dict[int, Claim], tuple[int, int]]:
    """What deletions and approvals say of the ledger, by entry, and how many there are of each."""
    claims: dict[int, Claim] = {}
    counts = []
    for name, make in ((layout.DELETIONS, _deletion), (layout.APPROVALS, _approval)):
        rows = 0
        for where, row in _rows(pack, name):
            rows += 1
            try:
                seq, claim = make(where, row)
            except (KeyError, TypeError, ValueError) as error:
                raise BadPack(f"{where} is no such row ({error!r}).") from error
            if seq in claims:
                raise BadPack(f"{where} names entry {seq}, as {claims[seq].where} does.")
            claims[seq] = claim
        counts.append(rows)
    return claims, (counts[0], counts[1])


def _rows(pack: PackZip, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Its lines with the place of each; none where the pack was made without that file."""
    if name not in pack.files:
        return
    for number, text in enumerate(pack.lines(name), start=1):
        where = f"{name}, line {number},"
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadPack(f"{where} is no JSON.") from error
        if not isinstance(row, dict):
            raise BadPack(f"{where} is no row.")
        yield where, row


def _deletion(where: str, row: Mapping[str, Any]) -> tuple[int, Claim]:
    _four_eyes(where, row)
    return int(row["entry"]), Claim(where, row["entry_hash"], ENDS, user_id=row["user_id"])


def _approval(where: str, row: Mapping[str, Any]) -> tuple[int, Claim]:
    _four_eyes(where, row)
    claim = Claim(where, row["entry_hash"], APPROVES, batch=row["batch"], actor=row["approver"])
    return int(row["entry"]), claim


def _four_eyes(where: str, row: Mapping[str, Any]) -> None:
    if row["requester"] and row["requester"] == row["approver"]:
        raise BadPack(f"{where} was asked for and approved by one person.")
