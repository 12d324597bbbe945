"""Personal tokens: how a program of one person comes in, and for what."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

APPROVE_HOLDS = timedelta(hours=24)


class Scope(models.TextChoices):
    """What a token may be used for; never more than its person may do."""

    READ = "read", "Read"
    CLAIM = "claim", "Claim"
    OPERATE = "operate", "Operate"
    RESTORE = "restore", "Restore"
    APPROVE = "approve", "Approve"
    STOP = "stop", "Emergency stop"


class Token(models.Model):
    """One token of one person. Only the SHA-256 of its 256 random bits is kept, never itself."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100)
    # Its first signs, by which a person tells two apart; they are no secret.
    start = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    # What the person was when it was made: a role that is lost since takes the token with it.
    roles = ArrayField(models.CharField(max_length=10), default=list)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_why = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering: ClassVar = ["-made_at", "-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(scopes__contains=[Scope.APPROVE.value])
                | Q(expires_at__lte=F("made_at") + APPROVE_HOLDS),
                name="token_approves_for_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"
