"""The record: the hash-chained ledger, the names its hashes stand for, and alerts."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from inventory.models.accounts import Account
from inventory.models.users import IamUser


class LedgerEntry(models.Model):
    """One line of the ledger, made by `inventory.ledger.append`; the database refuses changes."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    kind = models.CharField(max_length=60)
    actor = models.CharField(
        max_length=64, blank=True
    )  # hash of a person, or empty for the product
    account_id = models.CharField(max_length=12, blank=True)
    user_id = models.CharField(max_length=128, blank=True)
    batch = models.PositiveIntegerField(null=True, blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering: ClassVar = ["-seq"]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "user_id"], name="ledger_by_user"),
            models.Index(fields=["account_id", "seq"], name="ledger_by_account"),
            models.Index(fields=["kind", "-seq"], name="ledger_by_kind"),
            models.Index(fields=["batch"], name="ledger_by_batch"),
            models.Index(fields=["actor", "-seq"], name="ledger_by_actor"),
            # Entries stand in the order of their times, so the smallest of indexes will do.
            BrinIndex(fields=["at"], name="ledger_by_time"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.kind}"


class LedgerName(models.Model):
    """Who a hash in the ledger stands for. It may be erased without breaking the chain."""

    hash = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """Something a person must look at. One open alert per key; closing it keeps the row."""

    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.CASCADE)
    user = models.ForeignKey(IamUser, null=True, blank=True, on_delete=models.CASCADE)
    raised_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-raised_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(closed_at=None),
                name="one_open_alert_per_key",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-closed_at"], name="alert_closed")]

    def __str__(self) -> str:
        return self.title
