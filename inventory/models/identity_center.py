"""What Identity Center held at one time: people, groups, permission sets, assignments.

One row is one look at the whole of it. The row is the queue entry, the progress and the history,
as a sync is; what it holds is written once and compared with the look before.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from inventory.models.accounts import Account

CONTENT = ("people", "groups", "permission_sets", "assignments", "policies", "state")


class CenterLookQuerySet(models.QuerySet["CenterLook"]):
    def whole(self) -> CenterLookQuerySet:
        """Those that were read to their end, the last one first."""
        return self.filter(status=CenterLook.Status.WHOLE).order_by("-taken_at", "-pk")

    def without_content(self) -> CenterLookQuerySet:
        """For lists: the content of an organization may be megabytes."""
        return self.defer(*CONTENT)


class CenterLook(models.Model):
    """One look, read in the account and Region that are declared at the time."""

    class Status(models.TextChoices):
        ASKED = "asked", "Asked"
        READING = "reading", "Being read"
        WHOLE = "whole", "Read whole"
        FAILED = "failed", "Failed"

    OPEN = (Status.ASKED, Status.READING)
    CONTENT = CONTENT

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="center_looks")
    region = models.CharField(max_length=30)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ASKED)
    lease_until = models.DateTimeField(null=True, blank=True)
    claims = models.PositiveSmallIntegerField(default=0)
    # When it was read to its end, or why it was not, in AWS's words.
    taken_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    # Something is compared with it, so it stays though newer ones are there.
    held = models.BooleanField(default=False)

    instance_arn = models.CharField(max_length=1224, blank=True)
    identity_store_id = models.CharField(max_length=100, blank=True)
    # Rows of `inventory.aws.identity_center`: Person; Group and its "members"; PermissionSet;
    # Assignment. `policies`: the documents of AWS's policies by ARN.
    people = models.JSONField(default=list)
    groups = models.JSONField(default=list)
    permission_sets = models.JSONField(default=list)
    assignments = models.JSONField(default=list)
    policies = models.JSONField(default=dict)
    # How far it is while it is being read.
    state = models.JSONField(default=dict, blank=True)
    # What is different from the look before, in sentences.
    changed = models.JSONField(default=list, blank=True)

    objects = CenterLookQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-asked_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(status__in=["asked", "reading"]),
                name="one_open_center_look",
            ),
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(held=True), name="one_held_center_look"
            ),
        ]

    def __str__(self) -> str:
        return f"Identity Center in {self.account}, {self.get_status_display()}"
