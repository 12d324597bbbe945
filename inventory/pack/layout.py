"""The files of an evidence pack by name, and what its manifest says. Pure."""

from __future__ import annotations

import re

FORMAT = "iam-cleanup-evidence-pack/1"

README = "README.txt"
REPORT = "report.html"
MANIFEST = "manifest.json"
LEDGER = "ledger.jsonl"
DELETIONS = "deletions.jsonl"
APPROVALS = "approvals.jsonl"
# What is signed: one line for each file but itself and the signature, as `sha256sum` writes it.
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
PUBLIC_KEY = "signer.pem"
UNSUMMED = frozenset({SUMS, SIGNATURE, PUBLIC_KEY})

# A name that is one file in one folder, on any disk.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}(?:\.[A-Za-z0-9]{1,10}){0,2}", re.ASCII)
SUM_LINE = re.compile(r"([0-9a-f]{64})  (\S{1,80})", re.ASCII)

# How the people of a pack without names are called: by the beginning of their ledger hash.
PSEUDONYM = "person-"
_PSEUDONYM_DIGITS = 12


def pseudonym(person_hash: str) -> str:
    """ "person-3f2a9c41d07b" for the person with this hash in the ledger; "" for nobody."""
    return f"{PSEUDONYM}{person_hash[:_PSEUDONYM_DIGITS]}" if person_hash else ""


def sums(hashes: dict[str, str]) -> str:
    """The lines of `SHA256SUMS` for these files (name -> SHA-256 in hex), by name."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
