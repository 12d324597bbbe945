"""The declared organization: AWS accounts, what is protected in them, and their syncs."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower


class Organization(models.Model):
    """The one declared organization; a single row, written by `organization apply`."""

    policy = models.JSONField(default=dict, blank=True)
    custodian = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    break_glass_account = models.CharField(max_length=12, blank=True)
    break_glass_user = models.CharField(max_length=64, blank=True)
    runbook = models.CharField(max_length=200, blank=True)
    drill_every = models.CharField(max_length=20, blank=True)
    identity_center = models.JSONField(default=dict, blank=True)
    sign_in = models.JSONField(default=dict, blank=True)
    document = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(pk=1), name="organization_is_one"),
        ]

    def __str__(self) -> str:
        return "Organization"

    @classmethod
    def get(cls) -> Organization:
        """The organization, as an unsaved empty one where nothing has been applied yet."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class Account(models.Model):
    """An AWS account, with the roles through which it is read and changed."""

    account_id = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC")
    # An empty list means every enabled Region.
    regions = models.JSONField(default=list, blank=True)
    reader_role = models.CharField(max_length=200, blank=True)
    actor_role = models.CharField(max_length=200, blank=True)
    deleter_role = models.CharField(max_length=200, blank=True)
    # "env:NAME" or the id itself; it is not a secret, but it is unique per account.
    external_id = models.CharField(max_length=1224, blank=True)
    write_rate = models.PositiveSmallIntegerField(default=10)
    sandbox = models.BooleanField(default=False)
    policy = models.JSONField(default=dict, blank=True)
    trail_archive = models.JSONField(default=dict, blank=True)
    dashboards = models.JSONField(default=list, blank=True)
    active = models.BooleanField(default=True)

    # What the last looks told. `enabled_regions` is what AWS answered, not what was declared.
    enabled_regions = models.JSONField(default=list, blank=True)
    last_whole_at = models.DateTimeField(null=True, blank=True)
    # As an account of its organization told: no organization policy acts in this one.
    manages_organization = models.BooleanField(default=False)
    root_facts = models.JSONField(default=dict, blank=True)
    # Where the credential report and ListUsers disagree: [{"text", "explained"}]
    report_notes = models.JSONField(default=list, blank=True)
    # Through federation, with admin rights; IAM users with them are counted from their own rows.
    admin_seen_at = models.DateTimeField(null=True, blank=True)
    federated_sign_in_at = models.DateTimeField(null=True, blank=True)
    # Where references to users were looked for: kind -> Region -> `referrers.looked_at.Scope`.
    references_read = models.JSONField(default=dict, blank=True)
    # Policies with the bare id of a user that is gone: [{"kind","name","region","user_id"}]
    dead_references = models.JSONField(default=list, blank=True)
    # Why no forward write may happen here: rules 3 and 5; cleared by a person or a good look.
    hold_reason = models.TextField(blank=True)
    hold_since = models.DateTimeField(null=True, blank=True)
    # Rounds of listening that broke off, one after the other, and in which words the last one did.
    listening_failures = models.PositiveSmallIntegerField(default=0)
    listening_error = models.TextField(blank=True)
    accepted_listing = models.CharField(max_length=64, blank=True)
    # Rule 20: an account that ever had a batch without `sandbox` can never become a sandbox.
    batched_for_real = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.account_id})"

    @property
    def partition(self) -> str:
        """The partition of its declared roles; "aws" where none is declared."""
        arns = (self.reader_role, self.actor_role, self.deleter_role)
        return next((arn.split(":")[1] for arn in arns if arn.startswith("arn:")), "aws")


class ProtectedEntry(models.Model):
    """A declared protection: matches by name without regard to case and, once seen, by user id."""

    class Kind(models.TextChoices):
        BREAK_GLASS = "break-glass", "Break-glass"
        EXEMPT = "exempt", "Exempt"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="protected_entries")
    user_name = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.TextField(blank=True)
    owner = models.ForeignKey("inventory.Team", null=True, blank=True, on_delete=models.PROTECT)
    until = models.DateField(null=True, blank=True)
    bound_user_id = models.CharField(max_length=128, blank=True)
    bound_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "protected entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                "account", Lower("user_name"), name="protected_entry_once_per_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_name} in {self.account}"


class Sync(models.Model):
    """One reading of an account. The row is the queue entry, the progress and the history."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        WHOLE = "whole", "Read whole"
        PARTIAL = "partial", "Read in part"
        FAILED = "failed", "Failed"

    OPEN = (Status.QUEUED, Status.RUNNING)

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="syncs")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # [{"key", "label", "status": waiting|running|done|failed, "done", "total", "detail"}], and once
    # it was read "read_at", the product's time.
    steps = models.JSONField(default=list)
    error = models.TextField(blank=True)
    users_seen = models.PositiveIntegerField(null=True, blank=True)
    report_generated_at = models.DateTimeField(null=True, blank=True)
    calls = models.JSONField(default=dict, blank=True)
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["-asked_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_sync_per_account",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-asked_at"], name="sync_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()}, {self.account}"
