"""Accounts that are connected in the browser, and tests of what an account's roles may do."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from inventory.models.accounts import Account


class Connection(models.Model):
    """An account that an admin connects in the browser.

    What it says is no declaration: the account is only read until `iamcleanup.yaml` declares it,
    and applying such a file ends this row. The change roles are prepared and tested here, and are
    used only once the file names them.
    """

    account_id = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC")
    # An empty list means every enabled Region.
    regions = models.JSONField(default=list, blank=True)
    reader_role = models.CharField(max_length=200)
    actor_role = models.CharField(max_length=200, blank=True)
    deleter_role = models.CharField(max_length=200, blank=True)
    # Made here at random and never typed in: it is what tells our calls from those made for others.
    external_id = models.CharField(max_length=64)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    # None while nothing reads the account yet.
    connected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.account_id})"

    def account(self) -> Account:
        """The account as it would be with all prepared roles; not saved."""
        return Account(
            account_id=self.account_id,
            name=self.name,
            time_zone=self.time_zone,
            regions=self.regions,
            reader_role=self.reader_role,
            actor_role=self.actor_role,
            deleter_role=self.deleter_role,
            external_id=self.external_id,
        )


class AccessTest(models.Model):
    """One look at what an account's roles may do. The row is the queue entry and the result."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    OPEN = (Status.QUEUED, Status.RUNNING)

    account_id = models.CharField(max_length=12)
    # reader, actor, deleter -> ARN; the reader's may be empty for the ambient credentials.
    roles = models.JSONField(default=dict)
    external_id = models.CharField(max_length=1224, blank=True)
    regions = models.JSONField(default=list, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Rows of `access.checks.Check`.
    checks = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-pk"]
        indexes: ClassVar = [
            models.Index(fields=["account_id", "-asked_at"], name="access_test_by_account")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account_id"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_access_test_per_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()}, access to {self.account_id}"
