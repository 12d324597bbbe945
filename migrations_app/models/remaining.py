"""What stays when the users are gone: the break-glass user's checks, and accounts at zero."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class BreakGlassCheck(models.Model):
    """One line of the break-glass card, as it was looked at last; see `plans.break_glass`."""

    class Status(models.TextChoices):
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        ATTENTION = "attention", "Look at this"
        NOT_LOOKED_AT = "not-looked-at", "Not looked at"

    BAD = (Status.FAILED, Status.NOT_LOOKED_AT)

    key = models.CharField(max_length=20, unique=True)
    place = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=14, choices=Status.choices)
    text = models.CharField(max_length=500)
    # What to do; "" where there is nothing to do.
    fix = models.TextField(blank=True)
    looked_at = models.DateTimeField()
    # Since when it has been in this status.
    since_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["place"]

    def __str__(self) -> str:
        return self.text

    @property
    def is_bad(self) -> bool:
        """What was not looked at never counts as good."""
        return self.status in self.BAD


class BreakGlassRecord(models.Model):
    """A drill that was done or an envelope that was sealed, as somebody who was there tells."""

    class Kind(models.TextChoices):
        DRILL = "drill", "Drill"
        SEAL = "seal", "Seal"

    kind = models.CharField(max_length=5, choices=Kind.choices)
    at = models.DateTimeField()
    # Of a drill: when it was over, and after how many minutes somebody was in.
    until_at = models.DateTimeField(null=True, blank=True)
    minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    # Of a seal: the runbook's version in it, what stands on it, and where it lies.
    version = models.CharField(max_length=40, blank=True)
    seal = models.CharField(max_length=40, blank=True)
    place = models.CharField(max_length=80, blank=True)
    note = models.TextField(blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.at:%Y-%m-%d}"


class BreakGlassUse(models.Model):
    """One use of the break-glass user that was seen. `reason`: a drill, or what somebody said."""

    user = models.ForeignKey(
        "inventory.IamUser", on_delete=models.CASCADE, related_name="break_glass_uses"
    )
    at = models.DateTimeField()
    what = models.CharField(max_length=220)
    region = models.CharField(max_length=30, blank=True)
    source_address = models.CharField(max_length=255, blank=True)
    user_agent = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    reason_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "at", "what", "region", "source_address"],
                name="break_glass_use_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} at {self.at:%Y-%m-%d %H:%M}"


class CleanAccount(models.Model):
    """An account without users that have to go. Who is made there later is an alert.

    `zero_at`: when a whole listing first showed nobody left to go. `denied_at`: since when somebody
    says that the organization denies making users there.
    """

    account = models.OneToOneField(
        "inventory.Account", on_delete=models.CASCADE, related_name="clean"
    )
    zero_at = models.DateTimeField(null=True, blank=True)
    denied_at = models.DateTimeField(null=True, blank=True)
    denied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.account} at zero"
