"""A spreadsheet of owners between its preview and its end: kept here, never in the browser."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class OwnerImport(models.Model):
    """One uploaded sheet as it was matched, and how far it was followed."""

    class Status(models.TextChoices):
        SHOWN = "shown", "Shown, not confirmed"
        RUNNING = "running", "Being imported"
        DONE = "done", "Imported"

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="owner_imports"
    )
    file_name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    # Of what the person is shown: only this may be confirmed.
    digest = models.CharField(max_length=64)
    remarks = models.JSONField(default=list)
    # Rows of `owner_import.Match`, in the order of the file.
    matches = models.JSONField(default=list)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.SHOWN)
    shown_at = models.DateTimeField()
    # A preview tells of a moment; after this it has to be made anew.
    expires_at = models.DateTimeField()
    # How many matches were followed or passed over; moves in the transaction of what it counts.
    position = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    # [{"number", "user", "why"}]: what was left out after all, because it changed meanwhile.
    left_out = models.JSONField(default=list)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-shown_at"]

    def __str__(self) -> str:
        return f"{self.file_name} of {self.shown_at:%Y-%m-%d %H:%M}"
