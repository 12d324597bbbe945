"""Evidence packs: what was asked for, how far it is built, and the pieces of the ZIP.

The pieces lie in the database, because any process may build them and any other hand them out, and
because they and the cursor move in one transaction: a worker that dies leaves no half piece.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

KEPT = timedelta(days=30)


class EvidencePack(models.Model):
    """One pack: the request, the queue entry, the progress and the record of what it was."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waits for a worker"
        BUILDING = "building", "Being built"
        DONE = "done", "Ready"
        FAILED = "failed", "Could not be built"
        DELETED = "deleted", "Deleted after 30 days"

    OPEN = (Status.QUEUED, Status.BUILDING)

    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="evidence_packs"
    )
    asked_at = models.DateTimeField()
    # None: all accounts.
    account = models.ForeignKey(
        "inventory.Account", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Whole days in UTC, both included.
    from_day = models.DateField()
    until_day = models.DateField()
    contents = models.JSONField(default=list)
    with_names = models.BooleanField(default=False)
    # Made for somebody who sees everything: only such people may have it.
    whole = models.BooleanField(default=False)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    # Real time, not the product's: another worker's patience does not jump with the demo's clock.
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Set once, with the head of the ledger at that moment: nothing later is in the pack.
    began_at = models.DateTimeField(null=True, blank=True)
    head_seq = models.BigIntegerField(null=True, blank=True)
    head_hash = models.CharField(max_length=64, blank=True)
    # The first and the last entry of the ledger in it; the first is after the last if there is none
    first_seq = models.BigIntegerField(null=True, blank=True)
    last_seq = models.BigIntegerField(null=True, blank=True)
    # One row a table, in order: {"key", "done", "total", "after", "over", …}
    tables = models.JSONField(default=list)
    # One row a file, in order: {"name", "number", "parts", "rows", "bytes", "packed", "crc", …}
    files = models.JSONField(default=list)

    built_at = models.DateTimeField(null=True, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    # SHA-256 of SHA256SUMS, which holds the hash of every other file.
    sums_digest = models.CharField(max_length=64, blank=True)
    signed_by = models.CharField(max_length=64, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["asked_by"],
                condition=Q(status__in=["queued", "building"]),
                name="one_open_pack_per_person",
            ),
        ]

    def __str__(self) -> str:
        return f"Evidence pack {self.pk}"

    @property
    def file_name(self) -> str:
        where = f"-{self.account.account_id}" if self.account else ""
        return f"evidence-pack-{self.pk}{where}-{self.from_day}-to-{self.until_day}.zip"

    @property
    def working(self) -> bool:
        return self.status in self.OPEN

    @property
    def kept_until(self) -> datetime | None:
        """When its bytes are deleted; None while there are none."""
        return self.built_at + KEPT if self.built_at else None


class PackPart(models.Model):
    """Some bytes of a pack's ZIP; by (file, number) they make the whole."""

    pack = models.ForeignKey(EvidencePack, on_delete=models.CASCADE, related_name="parts")
    file = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["pack", "file", "number"], name="pack_part_once_per_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file}/{self.number} of {self.pack_id}"


class PackKey(models.Model):
    """The public half of a key that packs are or were signed with; the private one is not here."""

    fingerprint = models.CharField(max_length=64, unique=True)
    pem = models.TextField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-last_seen_at"]

    def __str__(self) -> str:
        return self.fingerprint
