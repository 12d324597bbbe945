"""How each account met the benchmark, day by day, and how it did when it was first read whole."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inventory.models.accounts import Account


class PostureDay(models.Model):
    """One account's items on one day, as its last sync of that day found them.

    The row with `first` is the state before the work began: it is written by the first sync that
    read the account whole and never again, but for items that nobody could look at then. Each of
    its items says in `at` when it was looked at.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="posture")
    day = models.DateField()
    first = models.BooleanField(default=False)
    at = models.DateTimeField()
    benchmark = models.CharField(max_length=60)
    # Rows of `inventory.posture.Item`.
    items = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-day"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "day"],
                condition=models.Q(first=False),
                name="posture_once_a_day",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(first=True),
                name="posture_begins_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.benchmark}, {self.account}, {self.day}"
