"""Notices: who must be told what, who opened it, and how it went out: the outbox."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Notice(models.Model):
    """One message to one team, to everybody with a role, or to one person.

    The row is the message in the inbox; each other way it goes out is a `Delivery`.
    """

    team = models.ForeignKey(
        "inventory.Team", on_delete=models.PROTECT, related_name="notices", null=True, blank=True
    )
    # For messages that go to everybody with a role, like a hit to Security.
    role = models.CharField(max_length=10, blank=True)
    # For what concerns one person alone, like a token in their name.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    # announce | approve | started | finished | hit | restored | extended | failed |
    # shut-tomorrow | ledger | token | knocks | claim | …
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
    # An address outside, like the lead's manager: told by mail and by nothing else.
    mail_to = models.EmailField(blank=True)
    # The asking of a team whose personal links this message carries.
    ask = models.ForeignKey(
        "migrations_app.Ask",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notices",
    )
    # Messages about one batch or one asking of a team belong together: a thread, or an issue.
    thread = models.CharField(max_length=100, blank=True)
    # The line for a list of threads, and whether this message is the last of its thread.
    summary = models.CharField(max_length=200, blank=True)
    closes = models.BooleanField(default=False)
    # Further buttons: [{"name": …, "url": …}], like the dashboards of the account.
    links = models.JSONField(default=list, blank=True)
    at = models.DateTimeField()
    # Rule 13: set when a lead of the team opened it signed in, or a real channel accepted it.
    reached_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [
            models.Index(fields=["team", "-at"], name="notice_by_team"),
            models.Index(fields=["-at"], name="notice_by_time"),
        ]

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """One notice on its way to one address through one channel.

    Written in the transaction of what it tells about. A worker claims it, sends it outside any
    transaction, and writes down what the channel answered; whoever dies in between leaves it
    `uncertain`, so that the next try looks for it first where the channel can tell.
    """

    class Channel(models.TextChoices):
        SLACK = "slack", "Slack"
        JIRA = "jira", "Jira"
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    class Status(models.TextChoices):
        QUEUED = "queued", "Waits to be sent"
        ACCEPTED = "accepted", "Accepted by the channel"
        PARKED = "parked", "Could not be delivered"
        UNSET = "unset", "Not sent: the channel is not set up"
        REHEARSED = "rehearsed", "Shown instead of sent"

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    # "#payments", a project key, an e-mail address; for the webhook, whom it is for.
    address = models.CharField(max_length=320, blank=True)
    # Whose personal link it carries; the greeting.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    # The same for every try: what the channel gets to tell a repeated message from a new one.
    key = models.CharField(max_length=64, unique=True)
    thread = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Whether an earlier try may have arrived although nobody heard so.
    uncertain = models.BooleanField(default=False)
    problem = models.TextField(blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    receipt = models.JSONField(default=dict, blank=True)
    # As readable text, what went out (or would have).
    rendered = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="delivery_to_send",
                condition=models.Q(status="queued"),
            ),
            models.Index(fields=["channel", "address", "thread"], name="delivery_by_thread"),
            models.Index(
                fields=["-at"], name="delivery_parked", condition=models.Q(status="parked")
            ),
            # How a channel works: the last that went through it, and the last that did not.
            models.Index(fields=["channel", "-id"], name="delivery_latest"),
            models.Index(
                fields=["channel", "-id"],
                name="delivery_problems",
                condition=~models.Q(problem=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.address}".strip()


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
