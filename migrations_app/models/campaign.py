"""Campaigns: an engineer asks teams whose the suggested IAM users are, with one deadline.

A campaign is one asking; an `Ask` is what one team is asked in it, and what became of it. Which
user is still open is never kept here: the departures and their answers say so.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from migrations_app.models.departure import Departure


class Campaign(models.Model):
    """One asking of teams, by an engineer, with the day until which they answer."""

    number = models.PositiveIntegerField(unique=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    message = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(deadline_at__gt=models.F("asked_at")),
                name="campaign_deadline_is_later",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number}"


class Ask(models.Model):
    """What one team is asked in one campaign: one message, one link, one answer of the whole."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="asks")
    team = models.ForeignKey("inventory.Team", on_delete=models.PROTECT, related_name="asks")
    departures = models.ManyToManyField(Departure, related_name="asks")
    asked_at = models.DateTimeField()
    # The campaign's, or a later one where users were added: who is asked later has as long.
    deadline_at = models.DateTimeField()
    # How often users were added to it later; each time the team is told once.
    additions = models.PositiveSmallIntegerField(default=0)
    # How many of the reminders the team was sent, and when the last one.
    reminders = models.PositiveSmallIntegerField(default=0)
    reminded_at = models.DateTimeField(null=True, blank=True)
    # Everything was answered, by whom the last of it; empty again while something is taken back.
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # After the deadline: when the lead's manager was told, or that there is none to tell.
    escalated_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "team"], name="team_asked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.team} in campaign {self.campaign}"


class AskOpening(models.Model):
    """A lead of the team came to what was asked while signed in; `at` is the first time.

    By the link, by the message in the inbox, or by the claim page itself.
    """

    ask = models.ForeignKey(Ask, on_delete=models.CASCADE, related_name="openings")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ask", "person"], name="ask_opened_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person} opened the link of {self.ask}"
