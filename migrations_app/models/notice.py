"""Notices: who must be told what, and who opened it. The outbox of every channel."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Notice(models.Model):
    """One message to one team (or to Security) through one channel."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        ACCEPTED = "accepted", "Accepted by the channel"
        PARKED = "parked", "Could not be delivered"

    team = models.ForeignKey(
        "inventory.Team", on_delete=models.PROTECT, related_name="notices", null=True, blank=True
    )
    # For messages that go to everybody with a role, like a hit to Security.
    role = models.CharField(max_length=10, blank=True)
    # For what concerns one person alone, like a token in their name.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    channel = models.CharField(max_length=10, default="inbox")
    # announce | approve | started | finished | hit | restored | extended | failed |
    # shut-tomorrow | ledger | token | knocks
    kind = models.CharField(max_length=20)
    # The same thing is told once per recipient and stage.
    key = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    url = models.CharField(max_length=300, blank=True)
    batch = models.ForeignKey(
        "migrations_app.Batch",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notices",
    )
    departures = models.ManyToManyField(
        "migrations_app.Departure", related_name="notices", blank=True
    )
    at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    accepted_at = models.DateTimeField(null=True, blank=True)
    # Rule 13: set when a lead of the team opened it signed in, or a real channel accepted it.
    reached_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["team", "-at"], name="notice_by_team")]

    def __str__(self) -> str:
        return self.title


class Opening(models.Model):
    """A person opened a notice while signed in."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="openings")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notice", "person"], name="opened_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person} opened {self.notice}"


class PendingDeclaration(models.Model):
    """A declared change that loosens something: it waits for a second approver or admin."""

    asked_by = models.CharField(max_length=150)
    asked_by_person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField()
    document = models.TextField()
    loosens = models.JSONField(default=list)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    confirmed = models.BooleanField(null=True)

    class Meta:
        ordering: ClassVar = ["-asked_at"]

    def __str__(self) -> str:
        return f"Declaration of {self.asked_at:%Y-%m-%d %H:%M}"
