"""IAM users and what they hold and did. An IAM user is (account, user_id); names are reused."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from inventory.models.accounts import Account
from inventory.rights.privilege import ADMIN_LEVELS, NOT_LOOKED_AT


class IamUserQuerySet(models.QuerySet["IamUser"]):
    def present(self) -> IamUserQuerySet:
        """Users that AWS still had when it was last asked."""
        return self.filter(gone_at=None)


class IamUser(models.Model):
    """One IAM user as AWS last described it, and what the evidence says of it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="users")
    user_id = models.CharField(max_length=128)
    user_name = models.CharField(max_length=64)
    arn = models.CharField(max_length=2048)
    path = models.CharField(max_length=512, default="/")
    created_at = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    # When AWS listed it, where that was noted beside it: see `inventory.reads`.
    last_seen_at = models.DateTimeField()
    # The last complete listing did not hold it; it still has to be proven gone.
    missing_since = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    # Who made it and with what, as CloudTrail tells of CreateUser; "" where that was not seen.
    created_by = models.CharField(max_length=255, blank=True)
    created_with = models.CharField(max_length=255, blank=True)
    # Names that this user id bore before: events of that time bear them, and not today's.
    earlier_names = models.JSONField(default=list, blank=True)
    # Names of its GetFederationToken sessions: name -> {"from", "to" of the tokens, "asked"}.
    federated_names = models.JSONField(default=dict, blank=True)

    tags = models.JSONField(default=dict, blank=True)
    groups = models.JSONField(default=list, blank=True)
    attached_policies = models.JSONField(default=list, blank=True)  # ARNs
    inline_policies = models.JSONField(default=dict, blank=True)  # name -> document
    boundary_arn = models.CharField(max_length=2048, blank=True)
    mfa = models.JSONField(default=list, blank=True)  # [{"serial", "kind": virtual|hardware|fido}]
    has_console_password = models.BooleanField(default=False)
    password_created_at = models.DateTimeField(null=True, blank=True)
    password_last_used_at = models.DateTimeField(null=True, blank=True)
    password_last_changed_at = models.DateTimeField(null=True, blank=True)
    # admin | can-become-admin | write | read | none | "" (policies were never read)
    privilege = models.CharField(max_length=20, blank=True)
    privilege_facts = models.JSONField(default=dict, blank=True)  # see inventory.rights.privilege
    # Rows of `inventory.referrers.references.Reference`.
    references = models.JSONField(default=list, blank=True)
    # A person says that code no longer declares it; holds while the signs have this digest.
    removed_from_code_signs = models.CharField(max_length=64, blank=True)
    removed_from_code_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    removed_from_code_at = models.DateTimeField(null=True, blank=True)
    removed_from_code_note = models.TextField(blank=True)

    category = models.CharField(max_length=20, blank=True)
    category_confidence = models.CharField(max_length=6, blank=True)
    category_reasons = models.JSONField(default=list, blank=True)
    category_override = models.CharField(max_length=20, blank=True)
    category_note = models.TextField(blank=True)

    verdict = models.CharField(max_length=12, default="unknown")
    verdict_confidence = models.CharField(max_length=6, blank=True)
    verdict_reasons = models.JSONField(default=list, blank=True)  # [{"text","source","at"}]
    coverage = models.JSONField(default=dict, blank=True)
    coverage_whole = models.BooleanField(default=False)
    rhythm = models.CharField(max_length=12, blank=True)
    next_expected_at = models.DateTimeField(null=True, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    evidence_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField(null=True, blank=True)
    last_activity_source = models.CharField(max_length=40, blank=True)

    suggested_team = models.ForeignKey(
        "inventory.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    suggestion_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    suggestion_reasons = models.JSONField(default=list, blank=True)

    objects = IamUserQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["user_name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "user_id"], name="iam_user_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "user_name"], name="iam_user_by_name"),
            models.Index(fields=["verdict"], name="iam_user_by_verdict"),
            models.Index(fields=["user_id"], name="iam_user_by_user_id"),
            models.Index(Upper("user_name"), name="iam_user_by_any_name"),
            # Whose each looks like, without reading a row as wide as a user.
            models.Index(fields=["id"], include=["suggested_team"], name="iam_user_suggested"),
            models.Index(fields=["account"], condition=Q(gone_at=None), name="iam_user_present"),
            # Those that bear the path or the tag of a break-glass user, of which there are few.
            models.Index(
                fields=["id"],
                condition=Q(path__startswith="/breakglass/") | Q(**{"tags__iam-retire": "never"}),
                name="iam_user_break_glass",
            ),
        ]

    def __str__(self) -> str:
        return self.user_name

    @property
    def may_administer(self) -> bool:
        """Administrator, or able to become one."""
        return self.privilege in ADMIN_LEVELS

    @property
    def rights_unread(self) -> bool:
        """Whether a policy of it was not given or not understood, so that it may do more."""
        return self.privilege == NOT_LOOKED_AT or bool(self.privilege_facts.get("unread"))

    @property
    def shown_category(self) -> str:
        return self.category_override or self.category


class Credential(models.Model):
    """One credential of an IAM user; its secret is never read, stored or shown."""

    class Kind(models.TextChoices):
        ACCESS_KEY = "access-key", "Access key"
        SSH_KEY = "ssh-key", "SSH public key"
        SIGNING_CERTIFICATE = "signing-certificate", "Signing certificate"
        SERVICE_SPECIFIC = "service-specific", "Service-specific credential"

    user = models.ForeignKey(IamUser, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    credential_id = models.CharField(max_length=128)
    status = models.CharField(max_length=10)  # Active | Inactive | Expired
    service = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_service = models.CharField(max_length=100, blank=True)
    last_used_region = models.CharField(max_length=30, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["kind", "created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "kind", "credential_id"], name="credential_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.credential_id}"


class Activity(models.Model):
    """What an IAM user did, per day: a summary of CloudTrail events, not the events themselves."""

    user = models.ForeignKey(IamUser, on_delete=models.CASCADE, related_name="activity")
    day = models.DateField()
    region = models.CharField(max_length=30)
    service = models.CharField(max_length=100)
    action = models.CharField(max_length=100)
    access_key_id = models.CharField(max_length=128, blank=True)
    source_address = models.CharField(max_length=255, blank=True)
    user_agent = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=14)  # ok | denied | failed-sign-in
    # The ARNs that its events named; None where one named none, or they were too many.
    resources = models.JSONField(null=True, blank=True)
    count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "activity"
        ordering: ClassVar = ["-last_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "user",
                    "day",
                    "region",
                    "service",
                    "action",
                    "access_key_id",
                    "source_address",
                    "user_agent",
                    "outcome",
                ],
                name="activity_once_per_day_and_kind",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "last_at"], name="activity_latest"),
            # Who was called from this address.
            models.Index(
                fields=["source_address"],
                condition=~Q(source_address=""),
                name="activity_by_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service}:{self.action} × {self.count}"


class TrailCoverage(models.Model):
    """How far CloudTrail was read for one IAM user in one Region, without a gap."""

    user = models.ForeignKey(IamUser, on_delete=models.CASCADE, related_name="trail_coverage")
    region = models.CharField(max_length=30)
    read_from = models.DateTimeField(null=True, blank=True)
    read_to = models.DateTimeField(null=True, blank=True)
    # Empty while the last look succeeded; else AWS's own words.
    error = models.TextField(blank=True)
    looked_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "trail coverage"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "region"], name="coverage_once_per_region"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.region} to {self.read_to}"


class TrailGap(models.Model):
    """What was not read of one IAM user's event history in one Region, between what was read.

    It is tried again for as long as that may help; `lost_at` says since when it cannot.
    """

    user = models.ForeignKey(IamUser, on_delete=models.CASCADE, related_name="trail_gaps")
    region = models.CharField(max_length=30)
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    # How far back it was read without a gap before `from_at`.
    read_from = models.DateTimeField()
    why = models.TextField()
    tries = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["from_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "region", "until_at"], name="trail_gap_once_per_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.region}, {self.from_at} to {self.until_at}"


class ArchiveCoverage(models.Model):
    """How far an account's longer history (logs in S3, or Lake) was read in one Region.

    It owns the whole days from `read_from` to `read_to`, both included, without those in `gaps`:
    of them the account's activity comes from the archive alone, of all others from event history.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="archive_coverage")
    region = models.CharField(max_length=30)
    # The declared address; another one begins anew.
    archive = models.CharField(max_length=1300)
    read_from = models.DateField(null=True, blank=True)
    read_to = models.DateField(null=True, blank=True)
    # {"2026-03-04": {"text": why, "again": whether reading it again may help}}
    gaps = models.JSONField(default=dict, blank=True)
    # Where reading goes on, and what it knows of days that are not over.
    cursor = models.CharField(max_length=200, blank=True)
    draft = models.BinaryField(null=True, blank=True)
    # Empty while the last look succeeded; else AWS's own words.
    error = models.TextField(blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "archive coverage"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "region"], name="archive_coverage_once_per_region"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.archive} in {self.region} to {self.read_to}"

    def owns(self, day: date) -> bool:
        """Whether this day was read whole from the archive."""
        if self.read_from is None or self.read_to is None:
            return False
        return self.read_from <= day <= self.read_to and day.isoformat() not in self.gaps
