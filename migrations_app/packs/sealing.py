"""What makes a pack evidence: hashes of every file, a manifest, and a signature over the list."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from inventory import clock, ledger
from inventory.exports import stamp
from inventory.hashing import GENESIS
from inventory.models import LedgerEntry
from inventory.pack import layout, signing
from migrations_app.models import EvidencePack, PackKey
from migrations_app.packs import pieces
from migrations_app.packs.scope import Scope


@dataclass(frozen=True, slots=True)
class Sealed:
    """A pack that is whole: its size, the hash of its list of hashes, and who signed it or ""."""

    bytes: int
    sums_digest: str
    signed_by: str


def sha256(pack: EvidencePack, name: str) -> str:
    """The hash of a file as it was stored; what is signed is what is there."""
    counted = hashlib.sha256()
    for one in pieces.content(pack, name):
        counted.update(one)
    return counted.hexdigest()


def seal(pack: EvidencePack, scope: Scope) -> Sealed:
    """README, manifest, list of hashes, signature, and the end of the ZIP. BadKey, TooLarge."""
    key = signing.private_key(settings.IAMCLEANUP_PACK_KEY) if signs() else None
    signed_by = signing.fingerprint(key.public_key()) if key else ""
    readme = render_to_string("packs/readme.txt", {"pack": pack, "signed_by": signed_by})
    _small(pack, layout.README, readme)
    manifest = json.dumps(_manifest(pack, scope, signed_by), indent=2, ensure_ascii=False)
    _small(pack, layout.MANIFEST, f"{manifest}\n")
    listed = layout.sums({file["name"]: file["sha256"] for file in pack.files}).encode()
    pieces.write(pack, layout.SUMS, listed)
    if key:
        pieces.write(pack, layout.SIGNATURE, key.sign(listed))
        pieces.write(pack, layout.PUBLIC_KEY, signing.public_pem(key).encode())
        keep_public_key()
    return Sealed(pieces.close(pack), hashlib.sha256(listed).hexdigest(), signed_by)


def signs() -> bool:
    """Whether this process holds a key to sign with."""
    return bool(settings.IAMCLEANUP_PACK_KEY)


def keep_public_key() -> None:
    """Remember the public half of this worker's key, and say in the ledger when it is new.

    So the page shows what to pin, and a key that nobody announced shows in the chain.
    """
    key = signing.private_key(settings.IAMCLEANUP_PACK_KEY)
    found, now = signing.fingerprint(key.public_key()), clock.now()
    with transaction.atomic():
        _, new = PackKey.objects.update_or_create(
            fingerprint=found,
            defaults={"pem": signing.public_pem(key), "last_seen_at": now},
            create_defaults={
                "pem": signing.public_pem(key),
                "first_seen_at": now,
                "last_seen_at": now,
            },
        )
        if new:
            ledger.append("pack.key", fingerprint=found)


def _small(pack: EvidencePack, name: str, text: str) -> None:
    pieces.write(pack, name, text.encode())
    pieces.named(pack, name)["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _manifest(pack: EvidencePack, scope: Scope, signed_by: str) -> dict[str, Any]:
    began = scope.began_at
    return {
        "format": layout.FORMAT,
        "pack": pack.pk,
        "account": scope.account.account_id if scope.account else "all",
        "period": {"from": str(pack.from_day), "until": str(pack.until_day), "zone": "UTC"},
        "contents": list(pack.contents),
        "asked_by": scope.names.of(scope.person),
        "asked_at": stamp(pack.asked_at),
        "names_of_people": pack.with_names,
        "for_a_reader_who_sees": "everything" if pack.whole else "what every viewer sees",
        "as_of": {
            "began_at": stamp(began),
            "deletions, approvals, calls, messages, ledger": "what was recorded until began_at",
            "users, policy": "as they stood when they were read, at or shortly after began_at; "
            "each user says when its evidence was read",
        },
        "signed_by": signed_by or None,
        "ledger": _ledger(pack, scope),
        "files": [
            {key: file[key] for key in ("name", "sha256", "bytes", "rows")} for file in pack.files
        ],
    }


def _ledger(pack: EvidencePack, scope: Scope) -> dict[str, Any]:
    """Which entries are in it, and the head when the building began, which was sent out too."""
    rows = LedgerEntry.objects.filter(seq__gte=scope.first_seq, seq__lte=scope.last_seq)
    first, last = rows.order_by("seq").first(), rows.order_by("-seq").first()
    return {
        "first": first.seq if first else 0,
        "last": last.seq if last else 0,
        "entries": last.seq - first.seq + 1 if first and last else 0,
        "follows": first.previous_hash if first else GENESIS,
        "ends_with": last.hash if last else "",
        "head_when_built": f"{pack.head_seq}:{pack.head_hash}",
    }
