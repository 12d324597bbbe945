"""The ledger of a pack: whether its lines are one unbroken chain, from the first to the last.

A line is an entry as it was hashed. Where words of it were left out (a person's name, what the
reader may not see, another account) it says so in `withheld`, and bears its hash only: its place in
the chain is checked by the entries around it, its content is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory.hashing import GENESIS, entry_digest
from inventory.pack.layout import LEDGER

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Broken(Exception):
    """The first bad thing, in a sentence."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What another file of the pack says of a ledger entry: `where` it stands, and what it says."""

    where: str
    hash: str
    kinds: tuple[str, ...]
    user_id: str = ""
    batch: int | None = None
    actor: str | None = None


@dataclass(slots=True)
class Walk:
    """How far the chain was followed, and what was met on the way."""

    first: int = 0
    last: int = 0
    head: str = ""
    entries: int = 0
    withheld: int = 0
    met: set[int] = field(default_factory=set)


def follow(
    lines: Iterable[bytes], claims: Mapping[int, Claim], heads: Mapping[int, str], before: str
) -> Walk:
    """Walk the chain; Broken at its first fault.

    `before` is the hash that the first entry must follow. `claims` and `heads` (number -> hash, as
    announced elsewhere) are compared as their entries are met; what is not met is in `Walk.met`.
    """
    walk = Walk(head=before)
    for text in lines:
        entry = _entry(text, walk.entries + 1)
        _linked(entry, walk)
        _unchanged(entry)
        seq = entry["seq"]
        walk.first = walk.first or seq
        walk.last, walk.head = seq, entry["hash"]
        walk.entries += 1
        walk.withheld += "withheld" in entry
        if seq in heads:
            walk.met.add(seq)
            if heads[seq] != entry["hash"]:
                raise Broken(f"{LEDGER}: entry {seq} is not the one that was announced.")
        if seq in claims:
            walk.met.add(seq)
            _as_claimed(entry, claims[seq])
    return walk


def _entry(text: bytes, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(text)
        whole = isinstance(entry, dict) and all(
            (
                type(entry["seq"]) is int and entry["seq"] > 0,
                _HASH.fullmatch(entry["hash"]),
                _HASH.fullmatch(entry["previous_hash"]),
            )
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        whole, entry = False, {}
    if not whole:
        raise Broken(f"{LEDGER}: line {number} is no entry of a ledger.")
    return dict(entry)


def _linked(entry: Mapping[str, Any], walk: Walk) -> None:
    seq = entry["seq"]
    if walk.entries and seq != walk.last + 1:
        raise Broken(f"{LEDGER}: entry {walk.last + 1} is missing.")
    if not walk.entries and seq == 1 and walk.head != GENESIS:
        raise Broken(f"{LEDGER}: its first entry follows something.")
    if entry["previous_hash"] != walk.head:
        raise Broken(f"{LEDGER}: entry {seq} does not follow the one before it.")


def _unchanged(entry: Mapping[str, Any]) -> None:
    if "withheld" in entry:
        return
    try:
        right = entry_digest(entry) == entry["hash"]
    except KeyError as missing:
        raise Broken(f"{LEDGER}: entry {entry['seq']} lacks {missing}.") from None
    except (ValueError, RecursionError):
        # Half of a character: it cannot have been hashed so.
        right = False
    if not right:
        raise Broken(f"{LEDGER}: entry {entry['seq']} was changed after it was written.")


def _as_claimed(entry: Mapping[str, Any], claim: Claim) -> None:
    told = f"{claim.where} names entry {entry['seq']}"
    if entry["hash"] != claim.hash:
        raise Broken(f"{told} with another hash.")
    if entry.get("kind") not in claim.kinds:
        raise Broken(f"{told}, which is about something else.")
    if claim.user_id and entry.get("user_id") != claim.user_id:
        raise Broken(f"{told}, which is about another user.")
    if claim.batch is not None and entry.get("batch") != claim.batch:
        raise Broken(f"{told}, which is about another batch.")
    if claim.actor is not None and entry.get("actor") != claim.actor:
        raise Broken(f"{told}, which somebody else did.")
