"""How a pack ends: ready, not to be built, or deleted when its time is over. Each is ledgered."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse

from inventory import clock, ledger
from migrations_app.models import EvidencePack
from migrations_app.models.pack import KEPT
from migrations_app.outgoing import outbox
from migrations_app.packs.sealing import Sealed


def finish(pack: EvidencePack, sealed: Sealed) -> None:
    """It is whole: tell whoever asked. In the caller's transaction, which saves the row."""
    now = clock.now()
    pack.status, pack.built_at, pack.ended_at = EvidencePack.Status.DONE, now, now
    pack.bytes, pack.sums_digest = sealed.bytes, sealed.sums_digest
    pack.signed_by, pack.lease_until = sealed.signed_by, None
    _tell(
        pack,
        "Your evidence pack is ready",
        f"{_what(pack)} It is kept until {now + KEPT:%-d %B %Y}, then deleted.\n\n"
        + (
            f"It is signed with key {sealed.signed_by}."
            if sealed.signed_by
            else "It is not signed: the worker that built it has no key."
        ),
    )
    ledger.append(
        "pack.built",
        account_id=pack.account.account_id if pack.account else "",
        pack=pack.pk,
        bytes=sealed.bytes,
        sums=sealed.sums_digest,
        signed_by=sealed.signed_by,
        head=f"{pack.head_seq}:{pack.head_hash}",
    )


def fail(pk: int, why: str) -> None:
    """It will not be built as it is: tell whoever asked, and keep none of its bytes."""
    with transaction.atomic():
        pack = EvidencePack.objects.select_for_update(of=("self",)).get(pk=pk)
        if not pack.working:
            return
        pack.status, pack.ended_at = EvidencePack.Status.FAILED, clock.now()
        pack.error, pack.lease_until = why, None
        pack.save()
        pack.parts.all().delete()
        _tell(pack, "Your evidence pack could not be built", f"{_what(pack)} {why}")
        ledger.append("pack.failed", pack=pack.pk, reason=why)


def delete_old() -> int:
    """Delete the bytes of packs that were kept for 30 days; the row stays. How many those were."""
    old = EvidencePack.objects.filter(
        status=EvidencePack.Status.DONE, built_at__lte=clock.now() - KEPT
    )
    return sum(_delete(pk) for pk in old.values_list("pk", flat=True)[:50])


def _delete(pk: int) -> bool:
    with transaction.atomic():
        # Another sweep may be at it: who comes second finds nothing to do.
        taken = EvidencePack.objects.filter(pk=pk, status=EvidencePack.Status.DONE).update(
            status=EvidencePack.Status.DELETED, ended_at=clock.now()
        )
        if not taken:
            return False
        EvidencePack.objects.get(pk=pk).parts.all().delete()
        ledger.append("pack.deleted", pack=pk, reason="Kept for 30 days")
    return True


def _what(pack: EvidencePack) -> str:
    of = pack.account.name if pack.account else "all accounts"
    return f"Evidence of {of}, {pack.from_day:%-d %b %Y} to {pack.until_day:%-d %b %Y}."


def _tell(pack: EvidencePack, title: str, text: str) -> None:
    outbox.tell(
        "pack",
        f"pack:{pack.pk}:{pack.status}",
        title,
        person=pack.asked_by,
        text=text,
        url=reverse("log-packs"),
    )
