"""What the Users page filters, counts and sorts by: one narrow row beside each departure.

Facts lie in four wide tables, so a filter that joins them reads everything. The database keeps this
row itself (triggers of schema migration 0010), whoever writes: no verb can forget it. Nothing here
is the truth; what is shown and what is judged is read where it stands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from migrations_app.models.departure import Departure

# Instead of "no such time": an index then holds one order for everybody.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NO_KEY = datetime(9999, 1, 1, tzinfo=UTC)


class Listed(models.Model):
    """One IAM user as the Users page finds it. Written by the database alone."""

    departure = models.OneToOneField(
        Departure, primary_key=True, on_delete=models.CASCADE, related_name="listed"
    )
    account = models.ForeignKey(
        "inventory.Account",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    owner = models.ForeignKey(
        "inventory.Team",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    user_name = models.CharField(max_length=64)
    # A lifecycle state, or "protected": a flag that is drawn, filtered and counted like one.
    state = models.CharField(max_length=16)
    protection = models.CharField(max_length=12)
    category = models.CharField(max_length=20)
    verdict = models.CharField(max_length=12)
    privilege = models.CharField(max_length=20)
    mfa = models.CharField(max_length=3)  # yes | no | n/a (no console password)
    target = models.CharField(max_length=20)  # of its plan; "" without one
    reads = models.CharField(max_length=12)
    named = models.CharField(max_length=8)
    # Admins 0, console without MFA 1, quiet ones 2, others 3: the suggested order.
    urgency = models.PositiveSmallIntegerField()
    last_used_at = models.DateTimeField()  # NEVER where no use is known
    oldest_key_at = models.DateTimeField()  # of its active access keys; NO_KEY without one
    # Since when the credential that is unused longest is unused; NO_KEY without one.
    unused_since = models.DateTimeField()
    active_keys = models.PositiveSmallIntegerField()
    disputed_until = models.DateField(null=True)
    # Owned, quiet, read whole, and nothing but a dispute holds it.
    ready = models.BooleanField()
    direct_policies = models.BooleanField()
    gone = models.BooleanField()
    # In lower case: name, user id, tags as key=value, ids of credentials.
    words = models.TextField()

    class Meta:
        verbose_name_plural = "listed"
        indexes: ClassVar = [
            models.Index(fields=["urgency", "user_name", "departure"], name="listed_suggested"),
            models.Index(fields=["user_name", "departure"], name="listed_by_name"),
            # Whom the views look for may all stand at the far end of these two orders.
            models.Index(
                fields=["-last_used_at", "-departure"],
                include=["state", "verdict"],
                name="listed_by_last_use",
            ),
            models.Index(
                fields=["oldest_key_at", "departure"],
                include=["state", "verdict"],
                name="listed_by_oldest_key",
            ),
            models.Index(
                fields=["account", "state"], include=["departure"], name="listed_of_account"
            ),
            models.Index(fields=["state", "verdict"], name="listed_by_state"),
            models.Index(fields=["owner", "state"], name="listed_by_owner"),
            models.Index(fields=["category", "state"], name="listed_by_category"),
            models.Index(fields=["privilege", "state"], name="listed_by_privilege"),
            models.Index(fields=["mfa", "state"], name="listed_by_mfa"),
            models.Index(
                fields=["unused_since"], condition=Q(gone=False), name="listed_by_unused_since"
            ),
            models.Index(
                fields=["oldest_key_at"],
                condition=Q(state__in=["discovered", "owner-assigned"]),
                name="listed_keys_with_access",
            ),
            models.Index(fields=["target", "state"], name="listed_by_target"),
            models.Index(fields=["reads", "state"], name="listed_by_reads"),
            models.Index(fields=["named", "state"], name="listed_by_named"),
            models.Index(
                fields=["protection"], condition=~Q(protection=""), name="listed_protected"
            ),
            models.Index(
                fields=["active_keys"], condition=Q(active_keys__gt=1), name="listed_two_keys"
            ),
            models.Index(
                fields=["state"], condition=Q(direct_policies=True), name="listed_direct_policies"
            ),
            models.Index(
                fields=["disputed_until"],
                condition=Q(disputed_until__isnull=False),
                name="listed_disputed",
            ),
            models.Index(fields=["disputed_until"], condition=Q(ready=True), name="listed_ready"),
            # What the menus of filters count that no index above holds beside the state.
            models.Index(
                fields=["state"],
                include=[
                    "last_used_at",
                    "oldest_key_at",
                    "verdict",
                    "protection",
                    "disputed_until",
                ],
                name="listed_of_menus",
            ),
            # In which account those are who are off; a protection hides that they are.
            models.Index(
                fields=["account", "departure"],
                condition=Q(state__in=["disabled", "protected", "soaking"]),
                name="listed_off",
            ),
        ]

    def __str__(self) -> str:
        return self.user_name

    @staticmethod
    def of(departure: Departure) -> Listed:
        """The row of a departure that was read with `select_related("listed")`."""
        row: Listed = departure.listed
        return row
