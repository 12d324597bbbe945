"""How many users stand where: what the Overview adds up instead of counting every user anew."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class HeadCount(models.Model):
    """One account's users by category and state, as `progress.headcount` counted them last.

    `counts` holds under "categories" users by category and state, under "facts" the other numbers.
    `entry` is the last ledger entry that the counts hold; a later one about the account makes them
    old. `first` are the risks among all users found at first, and `first_on` the day of that.
    """

    account = models.OneToOneField(
        "inventory.Account", on_delete=models.CASCADE, related_name="headcount"
    )
    at = models.DateTimeField()
    entry = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    first = models.JSONField(default=dict)
    first_on = models.DateField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.account}, {self.at}"


class DayCount(models.Model):
    """How many of one account's unprotected users were left, and how many had access, that day.

    Written once, when that day is over; today is always counted.
    """

    account = models.ForeignKey(
        "inventory.Account", on_delete=models.CASCADE, related_name="day_counts"
    )
    day = models.DateField()
    left = models.PositiveIntegerField()
    with_access = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["day"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "day"], name="day_counted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.left} left of {self.account} on {self.day}"


class DayTotal(models.Model):
    """The day counts of all accounts together, one row a day.

    Kept by the database (triggers of schema migration 0019), so that a page reads as many rows as
    there are days and not as many as days and accounts.
    """

    day = models.DateField(unique=True)
    left = models.PositiveIntegerField()
    with_access = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["day"]

    def __str__(self) -> str:
        return f"{self.left} left on {self.day}"
