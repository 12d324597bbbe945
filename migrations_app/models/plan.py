"""How whoever stands behind an IAM user gets access once it is gone, and how far that is proven."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When

from migrations_app.lifecycle import HAS_ACCESS, State
from migrations_app.models.departure import Answer, Departure
from migrations_app.models.drift import Drift


class PlanQuerySet(models.QuerySet["Plan"]):
    def counted(self) -> PlanQuerySet:
        """Confirmed, and nothing holds them: what may let a user in use be fenced (rule 6)."""
        return self.filter(status=Plan.Status.CONFIRMED, held_reason="")

    def unconfirm(self) -> int:
        """The owner's word falls; what was seen in CloudTrail stays seen."""
        back = Case(
            When(Q(tested_at=None), then=Value(Plan.Status.DRAFT.value)),
            default=Value(Plan.Status.TESTED.value),
        )
        return self.filter(status=Plan.Status.CONFIRMED).update(
            status=back, confirmed_at=None, confirmed_by=None
        )


class Plan(models.Model):
    """One way out. Evidence alone makes it tested, its owner alone confirms it."""

    class Target(models.TextChoices):
        IDENTITY_CENTER = "identity-center", "Identity Center"
        GITHUB_OIDC = "github-oidc", "GitHub OIDC"
        EKS = "eks", "EKS"
        INSTANCE_PROFILE = "instance-profile", "EC2 instance profile"
        CROSS_ACCOUNT_ROLE = "cross-account-role", "Cross-account role"
        SECRETS_MANAGER = "secrets-manager", "Secrets Manager rotation"
        OTHER = "other", "Other"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        TESTED = "tested", "Tested"
        CONFIRMED = "confirmed", "Confirmed"

    departure = models.OneToOneField(Departure, on_delete=models.CASCADE, related_name="plan")
    target = models.CharField(max_length=20, choices=Target.choices)
    reason = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    drafted_at = models.DateTimeField()
    # What evidence does not tell: repository, cluster, external ID, end date…; see `forms_plans`.
    choices = models.JSONField(default=dict, blank=True)
    # Why it does not count at present, whatever its status; "" where nothing holds it.
    held_reason = models.TextField(blank=True)
    held_by = models.ForeignKey(
        Drift, null=True, blank=True, on_delete=models.SET_NULL, related_name="plans"
    )

    # What stands in lists: {"used", "granted", "files", "name"} of the draft, as it was at
    # `figures_at`; for people also {"group", "person", "unmatched", "has"}, see `plan_drafts`.
    figures = models.JSONField(default=dict, blank=True)
    figures_at = models.DateTimeField(null=True, blank=True)

    # When its role or permission set was first seen assumed for this purpose, and by whom.
    tested_at = models.DateTimeField(null=True, blank=True)
    seen = models.JSONField(default=dict, blank=True)  # see `proving.Seen`
    # How far CloudTrail was read for that; AWS's own words where it could not be.
    access_read_to = models.DateTimeField(null=True, blank=True)
    access_error = models.TextField(blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.TextField(blank=True)

    # The files that somebody kept last: what is generated later is shown against them.
    generated_at = models.DateTimeField(null=True, blank=True)
    generated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    generated_digest = models.CharField(max_length=64, blank=True)
    generated_files = models.JSONField(default=dict, blank=True)  # path -> text

    objects = PlanQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.departure.user} to {self.get_target_display()}"

    @property
    def on_hold(self) -> bool:
        return bool(self.held_reason)

    @property
    def replaces_nothing(self) -> bool:
        """Whether the user stays, with a key that rotates."""
        return self.target == Plan.Target.SECRETS_MANAGER

    @property
    def why_not_confirmed(self) -> str:
        """Why its owner cannot confirm it now; "" where it waits for that word.

        The word lets a user in use be disabled (rule 6), so it is asked for only before that.
        """
        row = self.departure
        if row.state == State.DELETED:
            return f"{row.user} was deleted. Its plan can no longer be confirmed."
        if row.state not in HAS_ACCESS:
            return (
                f"{row.user} is {State(row.state).label.lower()}, so nothing waits for its plan. "
                "Restore it first if it is still needed."
            )
        if row.answer == Answer.CAN_GO:
            return (
                f"Its owner said that {row.user} can go, so nothing replaces it. "
                "Answer first that it is still needed."
            )
        if self.on_hold:
            return f"The plan for {row.user} is on hold. {self.held_reason}"
        return ""

    @property
    def may_be_confirmed(self) -> bool:
        """Whether it waits for the word of its owner."""
        done = self.status == Plan.Status.CONFIRMED
        return not (done or self.replaces_nothing or self.why_not_confirmed)

    def choice(self, name: str, default: Any = "") -> Any:
        """One of the choices."""
        return self.choices.get(name, default)


class PlanAccess(models.Model):
    """How often the new way in was used on one day (UTC), as CloudTrail shows it."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="access")
    day = models.DateField()
    count = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "plan access"
        ordering: ClassVar = ["day"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "day"], name="plan_access_once_per_day"),
        ]

    def __str__(self) -> str:
        return f"{self.plan}: {self.count} on {self.day}"


class PlanComment(models.Model):
    """What a person said about a plan."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="comments")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["at"]

    def __str__(self) -> str:
        return self.text[:60]
