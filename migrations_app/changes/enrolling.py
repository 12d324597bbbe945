"""From IAM users to departures: enrol who is new, prove who is missing, notice who came back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Lower

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import list_users
from inventory.aws.session import open_session
from inventory.models import Account, Activity, Alert, IamUser, Observation
from inventory.observations import Kind
from migrations_app.aws import gone_by_get_user
from migrations_app.changes.forward import vanish
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change, Departure, Plan
from migrations_app.outgoing import notices
from migrations_app.replacement.planning import suggest

# What makes IAM users because somebody declared them, as user agents call it.
DECLARING = ("Terraform", "OpenTofu", "cloudformation", "pulumi", "Pulumi", "aws-cdk")
# A listing may show for a while who is gone already.
LISTING_LAGS = timedelta(hours=1)


def enroll(account: Account) -> int:
    """A departure for every present user that has none; how many are new.

    The row of the account is locked, so that two who enrol at once do not tell of the same user
    twice; whoever comes second finds nobody new.
    """
    now = clock.now()
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        users = list(account.users.present().filter(departure=None).select_related("account"))
        Departure.objects.bulk_create(
            [Departure(user=user, state=State.DISCOVERED, state_since=now) for user in users],
            batch_size=1000,
        )
        if users:
            ledger.append_all(
                ledger.Line("user.discovered", user, data={"name": user.user_name})
                for user in users
            )
    return len(users)


def came_back(account: Account) -> list[IamUser]:
    """Present users that bear the name of one we deleted: something re-creates them (Terraform).

    The old one stays deleted; this one is a departure of its own. Who made it is told as soon as
    event history does.
    """
    deleted = {row.user.user_name.lower(): row for row in _deleted_here(account)}
    back = []
    for user in account.users.present().annotate(name=Lower("user_name")).filter(name__in=deleted):
        back.append(user)
        before, title = (
            deleted[user.user_name.lower()],
            f"{user} is there again, as another user"[:200],
        )
        text = _who_made(user, before)
        with transaction.atomic():
            alert, new = Alert.objects.get_or_create(
                key=f"came-back:{user.pk}",
                defaults={
                    "kind": "came-back",
                    "title": title,
                    "text": text,
                    "account": account,
                    "user": user,
                    "raised_at": clock.now(),
                },
            )
            if new:
                notices.tell_owner(before, "came-back", f"came-back:{user.pk}", title, text)
            elif alert.closed_at is None and alert.text != text:
                Alert.objects.filter(pk=alert.pk).update(text=text)
    return back


def _who_made(user: IamUser, before: Departure) -> str:
    made = f"This one, {user.user_id}, was made on {user.created_at:%d %b %Y at %H:%M} UTC"
    made += by_whom(user)
    text = f"{before.user.user_id} was deleted here on {before.deleted_at:%d %b %Y}. {made}."
    if user.created_with and any(tool in user.created_with for tool in DECLARING):
        return f"{text} It is still declared in code: each apply makes it again. Take it out there."
    return f"{text} Something may declare it still; look in Terraform and CloudFormation."


def by_whom(user: IamUser) -> str:
    """` by olivia with Terraform`; nothing while event history did not tell."""
    if not user.created_by:
        return ""
    return f" by {user.created_by}" + (f" with {user.created_with}" if user.created_with else "")


def still_alive(account: Account, listed: Iterable[int]) -> list[IamUser]:
    """Users of which we wrote that they are gone, and that AWS shows under the same id: an alarm.

    `listed` are users whom a complete listing holds although they were proven gone. AWS's answers
    may lag behind for a while, so that GetUser is asked, and not within an hour of the proof.
    Raises nothing of AWS: the next sync asks again.
    """
    rows = Departure.objects.filter(
        user__in=list(listed), state=State.DELETED, deleted_at__lt=clock.now() - LISTING_LAGS
    ).select_related("user__account", "owner")
    alive = []
    for row in rows:
        try:
            session = open_session(account, "reader")
            if gone_by_get_user(session, row.user.user_name, row.user.user_id):
                continue
        except AwsFailure:
            continue
        alive.append(row.user)
        _alarm(row)
    return alive


def _alarm(row: Departure) -> None:
    title = f"{row.user} is alive, though it was proven gone"[:200]
    text = (
        f"AWS shows {row.user.user_id} again, which was recorded as deleted on"
        f" {row.deleted_at:%d %b %Y at %H:%M} UTC. AWS does not give an id twice: either its"
        " answers then or those of today are wrong. Look at the journal and at CloudTrail."
    )
    with transaction.atomic():
        _, new = Alert.objects.get_or_create(
            key=f"alive:{row.user_id}",
            closed_at=None,
            defaults={
                "kind": "alive-after-deleted",
                "title": title,
                "text": text,
                "account": row.user.account,
                "user": row.user,
                "raised_at": clock.now(),
            },
        )
        if new:
            ledger.append("user.alive", user=row.user)
            notices.tell_owner(row, "alive", f"alive:{row.user_id}", title, text)


def namesakes(observations: Iterable[Observation]) -> None:
    """An alert for each user that took the name of another one.

    Not where the other was deleted here (`came_back` tells of it), nor for a declared protection,
    which holds the whole account (rule 3).
    """
    for one in observations:
        user = one.user
        if one.kind != Kind.NAMESAKE or user is None:
            continue
        name = user.user_name.lower()
        # IAM knows no other difference.
        if name in {row.user.user_name.lower() for row in _deleted_here(one.account)}:
            continue
        if one.account.protected_entries.filter(user_name__iexact=name).exists():
            continue
        Alert.objects.get_or_create(
            key=f"namesake:{user.pk}:{name}"[:200],
            defaults={
                "kind": "namesake",
                "title": f"{user} is another user than before"[:200],
                "text": (
                    f"{user} has the ID {user.user_id}; the name belonged to"
                    f" {one.params['other']} before. What was known, answered and approved of that"
                    f" one is not about this one. Find out who made it."
                ),
                "account": one.account,
                "user": user,
                "raised_at": one.seen_at,
            },
        )


def _deleted_here(account: Account) -> list[Departure]:
    """Those that a batch of ours deleted, the last of a name last."""
    return list(
        Departure.objects.filter(user__account=account, state=State.DELETED, deleted_outside=False)
        .select_related("user__account", "owner")
        .order_by("deleted_at")
    )


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
        if not listed and account.accepted_listing != ledger.digest([]):
            # Nobody at all is believed only where an engineer accepted just that (rule 5).
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
    rows = list(
        Departure.objects.filter(user__account=account, plan=None, protection="")
        .exclude(state=State.DELETED)
        .select_related("user")
    )
    agents = _agents([row.user_id for row in rows])
    now = clock.now()
    drafts = []
    for row in rows:
        user = row.user
        way = suggest(user.shown_category, agents.get(user.pk, ()), tuple(user.tags.values()))
        drafts.append(Plan(departure=row, target=way.target, reason=way.reason, drafted_at=now))
    # Somebody may draft one at the same moment: theirs stays.
    Plan.objects.bulk_create(drafts, batch_size=1000, ignore_conflicts=True)
    return len(drafts)


def _agents(users: list[int]) -> dict[int, tuple[str, ...]]:
    """With which clients each user was seen; one query."""
    found: dict[int, list[str]] = {}
    pairs = Activity.objects.filter(user__in=users).order_by().values_list("user_id", "user_agent")
    for user, agent in pairs.distinct():
        found.setdefault(user, []).append(agent)
    return {user: tuple(sorted(agents)) for user, agents in found.items()}
