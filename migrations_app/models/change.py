"""Changes and batches: what was asked, approved, sent to AWS and answered.

A `Change` is the request, the queue entry and the history of one move of one IAM user; a `Call` is
one journal line; `Holdings` is what is needed to undo or re-create, saved before the first write.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from migrations_app.lifecycle import FORWARD_MOVES, Method, MoveName
from migrations_app.models.departure import Departure


class Batch(models.Model):
    """Up to twenty changes of one kind in one account, asked by one person, approved by another."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ASKED = "asked", "Waits for approval"
        APPROVED = "approved", "Approved"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        ABORTED = "aborted", "Aborted"
        WITHDRAWN = "withdrawn", "Withdrawn"

    EDITABLE = (Status.DRAFT,)
    LIVE = (Status.RUNNING, Status.PAUSED)
    OPEN = (Status.DRAFT, Status.ASKED, Status.APPROVED, Status.RUNNING, Status.PAUSED)
    ENDED = (Status.DONE, Status.ABORTED, Status.WITHDRAWN)

    number = models.PositiveIntegerField(unique=True)
    account = models.ForeignKey(
        "inventory.Account", on_delete=models.PROTECT, related_name="batches"
    )
    move = models.CharField(
        max_length=10, choices=[(m.value, m.value) for m in (MoveName.DISABLE, MoveName.DELETE)]
    )
    method = models.CharField(
        max_length=5, choices=[(m.value, m.value) for m in Method], default=Method.FENCE
    )
    urgent = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    message = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)

    composed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    composed_at = models.DateTimeField()
    dry_run_asked_at = models.DateTimeField(null=True, blank=True)
    dry_run_at = models.DateTimeField(null=True, blank=True)
    dry_run_error = models.TextField(blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    overrides = models.JSONField(default=dict, blank=True)  # rule 19: {"lock-out": reason}
    # The hours in which the first write of each user may begin; aware UTC.
    window_from = models.DateTimeField(null=True, blank=True)
    window_to = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.TextField(blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    # The emergency stop halted it: it goes on only when a person resumes it by hand.
    resume_needed = models.BooleanField(default=False)
    undo_script = models.TextField(blank=True)
    sandbox = models.BooleanField(default=False)
    # Digest of the form that made it, with the form's own random id: the same form sent again finds
    # the batch that is there. Empty where a program made it, and once it was discarded.
    form = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        verbose_name_plural = "batches"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(approved_by=None) | Q(asked_by=None) | ~Q(approved_by=F("asked_by")),
                name="batch_four_eyes",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "running", "done"])
                | (Q(approved_by__isnull=False) & ~Q(approved_digest="")),
                name="batch_runs_only_approved",
            ),
            models.UniqueConstraint(
                fields=["composed_by", "form"],
                condition=~Q(form=""),
                name="one_batch_per_form",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "status"],
                name="batch_open",
                condition=Q(status__in=["draft", "asked", "approved", "running", "paused"]),
            ),
            models.Index(fields=["-approved_at"], name="batch_approved"),
        ]

    def __str__(self) -> str:
        return f"#{self.number}"


class Change(models.Model):
    """One move of one IAM user: the request, the queue entry and the history in one row."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ASKED = "asked", "Waits for approval"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        LEFT_OUT = "left-out", "Left out"
        SUPERSEDED = "superseded", "Superseded"
        WITHDRAWN = "withdrawn", "Withdrawn"

    # Waiting for a worker, or with one; a draft does not hold the user yet.
    OPEN = (Status.ASKED, Status.QUEUED, Status.RUNNING, Status.FAILED)
    UNCLAIMED = (Status.DRAFT, Status.ASKED, Status.QUEUED)
    # No longer of its batch: nobody counts it there.
    OUT = (Status.LEFT_OUT, Status.SUPERSEDED, Status.WITHDRAWN)
    ENDED = (Status.DONE, *OUT)

    departure = models.ForeignKey(Departure, on_delete=models.PROTECT, related_name="changes")
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.PROTECT, related_name="changes"
    )
    # A shut that follows a watch is covered by the approval of the fence it follows.
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers"
    )
    move = models.CharField(max_length=10, choices=[(m.value, m.value) for m in MoveName])
    method = models.CharField(
        max_length=5, choices=[(m.value, m.value) for m in Method], default=Method.FENCE
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField()
    reason = models.TextField(blank=True)

    # Rule 4. `facts` is hashed into `digest`; `judged` is looked at again at run time, not hashed.
    facts = models.JSONField(default=dict, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    judged = models.JSONField(default=dict, blank=True)
    blockers = models.JSONField(default=list, blank=True)
    warnings = models.JSONField(default=list, blank=True)

    claimed_by = models.CharField(max_length=100, blank=True)
    # Real time, not the product's: another worker's patience does not jump with the demo's clock.
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField(null=True, blank=True)
    stop_asked = models.BooleanField(default=False)
    irreversible_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.TextField(blank=True)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    proof = models.JSONField(default=dict, blank=True)
    # Rule 14: a restore is read back at once, after 5 minutes and after 1 hour.
    check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["departure"],
                condition=Q(
                    status__in=["asked", "queued", "running", "failed"],
                    move__in=sorted(move.value for move in FORWARD_MOVES),
                ),
                name="one_open_forward_change_per_user",
            ),
            models.UniqueConstraint(
                fields=["departure"],
                condition=Q(status__in=["queued", "running", "failed"], move="restore"),
                name="one_open_restore_per_user",
            ),
            models.UniqueConstraint(
                fields=["batch", "departure"],
                condition=Q(batch__isnull=False, follows=None, move__in=["disable", "delete"]),
                name="user_once_per_batch",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "move"], name="change_queue"),
            # What was done in a week is counted by move and account.
            models.Index(
                fields=["status", "finished_at"],
                include=["move", "departure"],
                name="change_done_when",
            ),
            # What the log shows page by page.
            models.Index(
                fields=["-finished_at", "-id"],
                name="change_deletions",
                condition=Q(move="delete", status="done"),
            ),
            models.Index(
                fields=["-requested_at"], name="change_restores", condition=Q(move="restore")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.move} {self.departure.user} ({self.status})"

    @property
    def forward(self) -> bool:
        return MoveName(self.move) in FORWARD_MOVES

    @property
    def begun(self) -> bool:
        """Whether a write of it may have been applied, or it is past its point of no return.

        What AWS refused was not applied; past the point it goes on all the same (rule 18).
        """
        return self.irreversible_at is not None or (
            self.calls.filter(kind=Call.Kind.WRITE).exclude(outcome__in=Call.NOT_APPLIED).exists()
        )


class Holdings(models.Model):
    """What an IAM user held at one moment, as JSON of `inventory.aws.holdings`; no secrets."""

    departure = models.ForeignKey(Departure, on_delete=models.PROTECT, related_name="holdings")
    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="holdings")
    taken_at = models.DateTimeField()
    document = models.JSONField()

    class Meta:
        verbose_name_plural = "holdings"
        ordering: ClassVar = ["-taken_at"]

    def __str__(self) -> str:
        return f"Holdings of {self.departure.user} at {self.taken_at:%Y-%m-%d %H:%M}"


class Call(models.Model):
    """One line of the journal: an AWS call written down before it is sent and after its answer."""

    class Kind(models.TextChoices):
        LOOK = "look", "Look"
        WRITE = "write", "Write"
        READ_BACK = "read-back", "Read back"

    NOT_APPLIED = ("refused", "retry")

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="calls")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    operation = models.CharField(max_length=60)
    target = models.CharField(max_length=300, blank=True)
    params = models.JSONField(default=dict, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    sent_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    # "" while unanswered | ok | already-gone | already-there | refused | retry | unknown
    outcome = models.CharField(max_length=14, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    request_id = models.CharField(max_length=100, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change", "seq"], name="journal_without_gaps"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.target}"


class Viewed(models.Model):
    """The approver looked at one user of a batch."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="viewed")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "viewed"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change", "person"], name="viewed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.person} viewed {self.change}"


class Comment(models.Model):
    """What a person said about a batch, or about one user in it."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="comments")
    change = models.ForeignKey(
        Change, null=True, blank=True, on_delete=models.CASCADE, related_name="comments"
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        ordering: ClassVar = ["at"]

    def __str__(self) -> str:
        return self.text[:60]
