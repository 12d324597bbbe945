"""A departure: one IAM user's way out, its state, owner, protection and clock in one row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from migrations_app.lifecycle import HAS_ACCESS, SWITCHED_OFF, Protection, State


class Answer(models.TextChoices):
    """What the owner said about an IAM user that is theirs."""

    NONE = "", "No answer yet"
    NEEDED = "needed", "Still needed, plan a replacement"
    CAN_GO = "can-go", "It can go"
    UNSURE = "unsure", "Do not know yet"


class DepartureQuerySet(models.QuerySet["Departure"]):
    def with_access(self) -> DepartureQuerySet:
        return self.filter(state__in=HAS_ACCESS)

    def switched_off(self) -> DepartureQuerySet:
        """Fenced or shut: in the watch or in the soak."""
        return self.filter(state__in=SWITCHED_OFF)

    def left(self) -> DepartureQuerySet:
        """Not deleted, and not meant to stay."""
        return self.exclude(state=State.DELETED).filter(protection="")

    def unprotected(self) -> DepartureQuerySet:
        return self.filter(protection="")


class Departure(models.Model):
    """One IAM user's way out. Only `migrations_app.changes` writes `state`."""

    user = models.OneToOneField(
        "inventory.IamUser", on_delete=models.PROTECT, related_name="departure"
    )
    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.label) for state in State],
        default=State.DISCOVERED,
    )
    state_since = models.DateTimeField()

    owner = models.ForeignKey(
        "inventory.Team",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="departures",
    )
    owner_since = models.DateTimeField(null=True, blank=True)
    # A claim that needs an engineer: not suggested to that team, or an admin user.
    claim_pending_team = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    claim_pending_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Another team's claim of what is owned or already claimed; Security settles it.
    contested_by_team = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    contested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    contested_at = models.DateTimeField(null=True, blank=True)
    handed_to = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    handed_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=8, choices=Answer.choices, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)

    protection = models.CharField(
        max_length=12, blank=True, choices=[(p.value, p.value or "none") for p in Protection]
    )
    protection_reason = models.TextField(blank=True)
    protection_until = models.DateField(null=True, blank=True)

    disputed_until = models.DateField(null=True, blank=True)
    dispute_reason = models.TextField(blank=True)
    disputed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    # Rule 6: an engineer overrules a verdict; it lapses with any activity after `overruled_at`.
    overruled_at = models.DateTimeField(null=True, blank=True)
    overruled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    overruled_verdict = models.CharField(max_length=12, blank=True)
    overruled_note = models.TextField(blank=True)

    # The clock of DESIGN.md section 3. Lengths are fixed at approval.
    fence = models.CharField(max_length=8, blank=True)  # policy | boundary
    fenced_at = models.DateTimeField(null=True, blank=True)
    clock_started_at = models.DateTimeField(null=True, blank=True)
    watch = models.DurationField(null=True, blank=True)
    soak = models.DurationField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    not_before_reason = models.TextField(blank=True)
    last_used_read_at = models.DateTimeField(null=True, blank=True)
    # By what the present watch or soak is longer: gaps in listening that cannot be read any more.
    lengthened_by = models.DurationField(default=timedelta)

    compromised = models.BooleanField(default=False)
    restored_at = models.DateTimeField(null=True, blank=True)
    irreversible_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_outside = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0)

    objects = DepartureQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]),
                name="departure_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state=State.DISCOVERED)
                | Q(owner__isnull=False)
                | Q(state=State.DELETED, deleted_outside=True),
                name="departure_has_an_owner",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state"], name="departure_by_state"),
            # Whom nobody answers for yet, as Security's page of claims counts them.
            models.Index(
                fields=["user"],
                condition=Q(state="discovered", protection="", claim_pending_team=None),
                name="departure_nobodys",
            ),
            models.Index(
                fields=["-deleted_at"],
                name="departure_gone_outside",
                condition=Q(deleted_outside=True),
            ),
            # All that the soak board sorts by, so that it reads nothing else of those who are off.
            models.Index(
                fields=["owner", "id"],
                include=[
                    "state",
                    "clock_started_at",
                    "watch",
                    "soak",
                    "lengthened_by",
                    "not_before",
                    "disputed_until",
                    "irreversible_at",
                ],
                condition=Q(state__in=["disabled", "soaking"]),
                name="departure_off",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.state})"

    @property
    def length(self) -> timedelta | None:
        """How long the present state has to last: the watch, or the soak."""
        return self.watch if self.state == State.DISABLED else self.soak

    @property
    def due_at(self) -> datetime | None:
        """When the watch or soak is over; None without one.

        What could not be heard, extensions and a rare rhythm are included.
        """
        if self.clock_started_at is None or self.length is None:
            return None
        due = self.clock_started_at + self.length + self.lengthened_by
        return max(due, self.not_before) if self.not_before else due

    @property
    def partly_deleted(self) -> bool:
        """Past the point of no return and not gone yet (rule 18)."""
        return self.irreversible_at is not None and self.state != State.DELETED


class GivenAnswer(models.Model):
    """Every answer about an IAM user is kept, with who gave it and when."""

    departure = models.ForeignKey(Departure, on_delete=models.CASCADE, related_name="answers")
    team = models.ForeignKey(
        "inventory.Team", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField()
    # ours | not-ours | needed | can-go | unsure | dispute | undo | hand-over | came-back | adopt |
    # assign | release | declined | settled
    said = models.CharField(max_length=12)
    note = models.TextField(blank=True)
    whose = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["team", "at"], name="answers_of_team")]

    def __str__(self) -> str:
        return f"{self.said} by {self.person}"


class Hit(models.Model):
    """An attempt to use a fenced or shut user (hit), or an outsider's noise at its name (knock)."""

    class Kind(models.TextChoices):
        HIT = "hit", "Hit"
        KNOCK = "knock", "Knock"

    class Closed(models.TextChoices):
        OPEN = "", "Open"
        DISMISSED = "dismissed", "Dismissed"
        FIXED = "fixed", "Caller fixed"
        RESTORED = "restored", "Restored"

    departure = models.ForeignKey(Departure, on_delete=models.CASCADE, related_name="hits")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    # trail | last-used | credential | fence | person
    source = models.CharField(max_length=12)
    what = models.CharField(max_length=200)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    details = models.JSONField(default=dict, blank=True)  # who, where, region, with, key, error
    # How often per minute, hour and day, as `migrations_app.soak.tally` keeps it.
    tally = models.JSONField(default=dict, blank=True)
    noticed_at = models.DateTimeField()
    closed = models.CharField(max_length=10, choices=Closed.choices, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-last_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["departure"],
                condition=Q(kind="hit", closed=""),
                name="one_open_hit_per_user",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["-last_at", "departure"],
                condition=Q(kind="hit", closed=""),
                name="hit_open_latest",
            ),
            models.Index(fields=["departure"], condition=Q(kind="knock"), name="hit_knocks"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.departure.user}: {self.what}"


class HitCaller(models.Model):
    """One of those who call: everything that bears the same key, source address and client.

    What the account shows (a credential made, a fence taken off) is a row of its own too.
    """

    hit = models.ForeignKey(Hit, on_delete=models.CASCADE, related_name="callers")
    # Digest of what tells one caller from another.
    caller = models.CharField(max_length=64)
    source = models.CharField(max_length=12)
    what = models.CharField(max_length=200)
    key = models.CharField(max_length=128, blank=True)
    details = models.JSONField(default=dict, blank=True)  # who, where, region, with, key, error
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    # Of what the account shows: when it was last seen to be so.
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-last_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hit", "caller"], name="caller_once_per_hit"),
        ]

    def __str__(self) -> str:
        return f"{self.what}, {self.count} times"
