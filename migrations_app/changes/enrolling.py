"""From IAM users to departures: enrol who is new, prove who is missing, notice who came back."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import list_users
from inventory.aws.session import open_session
from inventory.models import Account, Alert, IamUser
from migrations_app.aws import gone_by_get_user
from migrations_app.changes.forward import vanish
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change, Departure, Plan
from migrations_app.planning import suggest


def enroll(account: Account) -> int:
    """A departure for every present user that has none; how many are new."""
    users = list(account.users.present().filter(departure=None))
    now = clock.now()
    for user in users:
        with transaction.atomic():
            _, new = Departure.objects.get_or_create(
                user=user, defaults={"state": State.DISCOVERED, "state_since": now}
            )
            if new:
                ledger.append("user.discovered", user=user, name=user.user_name)
    return len(users)


def came_back(account: Account) -> list[IamUser]:
    """Present users that bear the name of one we deleted: something re-creates them (Terraform)."""
    deleted = set(
        Departure.objects.filter(
            user__account=account, state=State.DELETED, deleted_outside=False
        ).values_list("user__user_name", flat=True)
    )
    back = []
    for user in account.users.present().filter(user_name__in=deleted):
        back.append(user)
        Alert.objects.get_or_create(
            key=f"came-back:{user.pk}",
            defaults={
                "kind": "came-back",
                "title": f"{user} is there again, as another user",
                "text": "It was deleted here. Something declares it still; look in Terraform.",
                "account": account,
                "user": user,
                "raised_at": clock.now(),
            },
        )
    return back


def prove_missing(account: Account, missing: Iterable[int]) -> int:
    """Record as deleted outside who GetUser and a complete listing both lack; how many.

    Raises nothing of AWS: who cannot be proven missing now stays as it is until the next sync.
    """
    rows = list(
        Departure.objects.filter(user__in=list(missing), user__gone_at=None)
        .exclude(state=State.DELETED)
        # Our own DeleteUser may be why; the change that sent it proves and records it.
        .exclude(
            pk__in=Call.objects.filter(
                operation="DeleteUser", change__status__in=Change.OPEN
            ).values("change__departure")
        )
        .select_related("user__account")
    )
    if not rows:
        return 0
    try:
        session = open_session(account, "reader")
        listed = {user.user_id for user in list_users(session)}
        if not listed:
            return 0
        gone = [
            row
            for row in rows
            if row.user.user_id not in listed
            and gone_by_get_user(session, row.user.user_name, row.user.user_id)
        ]
    except AwsFailure:
        return 0
    for row in gone:
        vanish(row)
    return len(gone)


def draft_plans(account: Account) -> int:
    """A drafted way out for everybody who has none yet; how many were drafted."""
    rows = Departure.objects.filter(user__account=account, plan=None).exclude(state=State.DELETED)
    drafted = 0
    for row in rows.filter(protection="").select_related("user"):
        agents = row.user.activity.values_list("user_agent", flat=True).distinct()[:20]
        way = suggest(row.user.shown_category, tuple(agents), tuple(row.user.tags.values()))
        Plan.objects.get_or_create(
            departure=row,
            defaults={"target": way.target, "reason": way.reason, "drafted_at": clock.now()},
        )
        drafted += 1
    return drafted
