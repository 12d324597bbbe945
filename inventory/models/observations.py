"""What changed in AWS: one row per change seen, and what was known when a sync last looked."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inventory.models.accounts import Account, Sync
from inventory.models.users import IamUser


class ObservationQuerySet(models.QuerySet["Observation"]):
    def foreign(self) -> ObservationQuerySet:
        """Those that are not our own doing."""
        return self.filter(explained="")


class Observation(models.Model):
    """One change in AWS that a sync saw; whose hand it was, AWS does not say here.

    It happened between `since_at` and `seen_at`; where AWS gives the time itself, `aws_at`.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="observations")
    # None for what concerns the account, as its root user.
    user = models.ForeignKey(
        IamUser, null=True, blank=True, on_delete=models.CASCADE, related_name="observations"
    )
    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="observations")
    kind = models.CharField(max_length=30)  # inventory.observations.Kind
    params = models.JSONField(default=dict, blank=True)  # "what" and the others of its sentence
    # Of kind, user and what: a slice that is repeated tells nothing twice.
    key = models.CharField(max_length=64)
    since_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()
    aws_at = models.DateTimeField(null=True, blank=True)
    # Whose doing it was, where somebody who listens knows ("batch #10"); else "".
    explained = models.CharField(max_length=60, blank=True)

    objects = ObservationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-seen_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sync", "key"], name="observation_once_per_sync"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-seen_at"], name="observation_of_account"),
            models.Index(fields=["user", "-seen_at"], name="observation_of_user"),
            # The latest of each kind, in all accounts and in one.
            models.Index(
                fields=["kind", "-seen_at", "-id"],
                condition=models.Q(explained=""),
                name="observation_latest",
            ),
            models.Index(
                fields=["account", "kind", "-seen_at", "-id"],
                condition=models.Q(explained=""),
                name="observation_latest_of_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.params.get('what', '')}".strip()


class ObservationCount(models.Model):
    """How many changes of one kind one look at an account saw that are not our own doing.

    Kept by the database (triggers of schema migration 0023), whoever writes an `Observation`, so
    that no page counts them.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, db_index=False, related_name="observation_counts"
    )
    seen_at = models.DateTimeField()
    kind = models.CharField(max_length=30)
    number = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "seen_at", "kind"], name="observations_counted_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["seen_at"], include=["kind", "number"], name="observation_counts_by_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind} of {self.account}"


class LastKnown(models.Model):
    """What was known of one user, or of an account's root user, when a sync last compared it.

    Apart from `IamUser`, whose row every look brings up to date: a change that a look between two
    syncs saw first must not be lost.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="last_known")
    user = models.OneToOneField(
        IamUser, null=True, blank=True, on_delete=models.CASCADE, related_name="last_known"
    )
    parts = models.JSONField(default=dict)  # part -> values, as inventory.observations compares
    # part -> time (ISO) of the last comparison, while syncs cannot read that part.
    unread = models.JSONField(default=dict, blank=True)
    # Of the account's row only: when the last sync that compared anything began.
    looked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "last known"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(user=None),
                name="last_known_once_per_account",
            ),
        ]

    def __str__(self) -> str:
        return f"Last known of {self.user or self.account}"
