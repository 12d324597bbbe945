"""A group of Identity Center that is not what it was, and whom that took their access."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Drift(models.Model):
    """One finding of the watch, from the look that saw it first to the one that saw it mended."""

    # `Finding.key`: kind and id of the group.
    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    group_id = models.CharField(max_length=100)
    group_name = models.CharField(max_length=1024, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    new_group_id = models.CharField(max_length=100, blank=True)
    new_external_id = models.CharField(max_length=200, blank=True)
    # When AWS says that the group of the same name was made.
    happened_at = models.DateTimeField(null=True, blank=True)
    headline = models.CharField(max_length=1200)
    meaning = models.TextField(blank=True)
    felt = models.TextField(blank=True)
    # Whether anybody is without access by it.
    breaks = models.BooleanField(default=True)
    # [{"user_id", "name", "access": [[account id, permission set]]}]
    lost = models.JSONField(default=list, blank=True)
    found_at = models.DateTimeField()
    # By a look that saw it mended, or by the person who found it right as it is.
    closed_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted = models.BooleanField(default=False)
    note = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-breaks", "found_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(closed_at=None),
                name="one_open_drift_per_key",
            ),
        ]

    def __str__(self) -> str:
        return self.headline

    @property
    def alert_key(self) -> str:
        """Of the alert about it."""
        return f"drift:{self.key}"[:200]

    @property
    def names(self) -> list[str]:
        """Who lost access by it."""
        return [str(one["name"]) for one in self.lost]
