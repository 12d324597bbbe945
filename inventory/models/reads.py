"""When each part of an account's users was last read: once for many users, not once for each."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inventory.models.accounts import Account


class ReadPass(models.Model):
    """One pass over the users of an account, in the order of their pks, for one part.

    `marks`: up to which pk was read at which time, ascending: [[1032, "2026-03-01T…"], …].
    `earlier` are the marks of the passes before, which still speak for whoever this one has not
    come to. What it says of one user is told by `inventory.reads` alone.
    """

    class Part(models.TextChoices):
        LISTING = "listing", "Listing"
        DETAILS = "details", "Policies and groups"
        CREDENTIALS = "credentials", "Credentials"
        REPORT = "report", "Credential report"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="read_passes")
    part = models.CharField(max_length=20, choices=Part.choices)
    sync = models.ForeignKey(
        "inventory.Sync", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    marks = models.JSONField(default=list, blank=True)
    earlier = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name_plural = "read passes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "part"], name="read_pass_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_part_display()} of {self.account}"
