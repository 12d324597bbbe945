"""The emergency stop, and where this database lives: both outlast every process."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class EmergencyStop(models.Model):
    """While one is not lifted, no forward write happens in any account. Restore goes on."""

    pulled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    pulled_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_reason = models.TextField(blank=True)
    # The database was restored: AWS must be read (`manage.py reconcile`) before anybody lifts it.
    reconcile = models.BooleanField(default=False)
    # The last that the rows know of when it was noticed; what is lost was done after it.
    reconcile_since = models.DateTimeField(null=True, blank=True)
    reconciled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reconciled_at = models.DateTimeField(null=True, blank=True)
    differences = models.JSONField(default=list, blank=True)  # as listed; see changes.reconciling

    class Meta:
        ordering: ClassVar = ["-pulled_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(lifted_at=None), name="one_emergency_stop"
            ),
            models.CheckConstraint(
                condition=Q(lifted_by=None) | ~Q(lifted_by=F("pulled_by")),
                name="stop_lifted_by_another",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None) | Q(reconcile=False) | Q(reconciled_at__isnull=False),
                name="stop_lifted_after_reconcile",
            ),
            models.CheckConstraint(
                condition=Q(lifted_by=None)
                | Q(reconciled_by=None)
                | ~Q(lifted_by=F("reconciled_by")),
                name="stop_lifted_by_another_than_reconciled",
            ),
        ]

    def __str__(self) -> str:
        return f"Stop of {self.pulled_at:%Y-%m-%d %H:%M}"


class DatabaseHome(models.Model):
    """The PostgreSQL server and database that these rows were last known to live in; one row.

    A dump restored elsewhere, a recovery to an earlier point and a promoted replica all bring this
    row along, and then it no longer names where it stands.
    """

    system_identifier = models.CharField(max_length=20)
    database_oid = models.BigIntegerField()
    timeline = models.BigIntegerField()
    since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(models.Value(1), name="one_database_home"),
        ]

    def __str__(self) -> str:
        return f"{self.system_identifier}/{self.database_oid}/{self.timeline}"
