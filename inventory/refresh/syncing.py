"""A sync from asking to its end: steps in order, each in slices, one broken one hiding no other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from celery import current_app
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from inventory import clock
from inventory.aws.session import AwsFailure, open_session
from inventory.models import Account, Person, Sync
from inventory.permissions import Action, require
from inventory.reads import listed_by
from inventory.refresh.archive import read_archive
from inventory.refresh.center_looks import read_identity_center
from inventory.refresh.credentials import read_credentials
from inventory.refresh.judging import judge_in_slices
from inventory.refresh.listing import read_users
from inventory.refresh.observing import observe
from inventory.refresh.posture import read_posture
from inventory.refresh.references import read_references
from inventory.refresh.report import read_report
from inventory.refresh.run import Halted, LostLease, Run, claim, fresh_steps
from inventory.refresh.services import read_services
from inventory.refresh.trail import describe_users, read_trail
from inventory.refresh.unseen import seen_whole
from inventory.signals import account_synced

log = logging.getLogger(__name__)

SYNC_EVERY = timedelta(hours=6)
# Somebody may have mended the role meanwhile.
RETRY_EVERY = timedelta(hours=1)
# A message older than this, in seconds, is taken for lost.
_MESSAGE_LIFE = 15 * 60
_ADMIN_SEEN = timedelta(days=30)
# AWS blocked these for whole accounts before (AWS_FACTS.md 1.5). What they say of users is read
# live as well, so an account is read whole without them; that they failed is said all the same.
# Identity Center says nothing of users.
_BESIDE = frozenset({"report", "identity-center"})


def ask_sync(account: Account, person: Person | None) -> Sync:
    """Ask for a reading of `account`; the open one if there is one already.

    `person` None is the product itself. Raises NotAllowed.
    """
    if person is not None:
        require(person, Action.SYNC)
    try:
        with transaction.atomic():
            sync = Sync.objects.create(
                account=account, asked_by=person, asked_at=clock.now(), steps=fresh_steps()
            )
            transaction.on_commit(lambda: enqueue(sync.pk))
    except IntegrityError:
        # Somebody asked a moment ago: one open sync per account.
        return Sync.objects.get(account=account, status__in=Sync.OPEN)
    return sync


def enqueue(sync_id: int) -> None:
    """A nudge, unless one is on its way; should it be lost, `due_syncs` gives the next one.

    Every message that is taken up puts the next one at the end of the queue, so two for one sync
    would give it two turns in each round for as long as it lasts.
    """
    if cache.add(_on_its_way(sync_id), True, timeout=_MESSAGE_LIFE):
        current_app.send_task("inventory.tasks.run_sync", args=[sync_id], queue="read")


def taken_up(sync_id: int) -> None:
    """The message about this sync reached a worker."""
    cache.delete(_on_its_way(sync_id))


def _on_its_way(sync_id: int) -> str:
    return f"sync-message:{sync_id}"


def due_syncs() -> list[int]:
    """Ask for the syncs that are due; the open ones that no worker holds now, to be nudged.

    Accounts that were never read whole come first, then those that wait longest.
    """
    for account in _due(clock.now()):
        ask_sync(account, None)
    unheld = Q(lease_until=None) | Q(lease_until__lt=clock.real_now())
    waiting = Sync.objects.filter(unheld, status__in=Sync.OPEN).order_by(
        F("account__last_whole_at").asc(nulls_first=True), "asked_at", "pk"
    )
    return list(waiting.values_list("pk", flat=True))


def _due(now: datetime) -> QuerySet[Account]:
    """Active accounts without an open sync whose last one is long ago, or failed a while ago."""
    last = Sync.objects.filter(account=OuterRef("pk")).order_by("-asked_at")
    failed = Q(last_status=Sync.Status.FAILED, last_asked__lte=now - RETRY_EVERY)
    over = Q(last_asked__lte=now - SYNC_EVERY) | failed
    return (
        Account.objects.filter(active=True)
        .annotate(
            last_status=Subquery(last.values("status")[:1]),
            last_asked=Subquery(last.values("asked_at")[:1]),
        )
        .filter(Q(last_asked=None) | over & ~Q(last_status__in=Sync.OPEN))
    )


def run_sync(sync_id: int) -> bool:
    """Work on a sync for less than a minute; True if there is more to do.

    Safe to call at any time and from anywhere: who comes second changes nothing, and after a kill
    the next call goes on from the rows.
    """
    run = claim(sync_id)
    if run is None:
        return False
    try:
        return _slice(run)
    except LostLease:
        log.info("Sync %s is held by somebody else now.", sync_id)
        return False
    except Exception as error:
        # Whatever it was, it is about this account, and the others must go on. The next nudge
        # tries again; a few tries without any progress end the sync with these words.
        log.exception("Sync %s of %s broke off.", sync_id, run.account)
        run.stumble(error)
        return False


def _slice(run: Run) -> bool:
    try:
        run.session = open_session(run.account, "reader")
    except AwsFailure as failed:
        run.end(Sync.Status.FAILED, failed.words)
        return False
    for key, work in _WORK.items():
        if run.ended(key):
            continue
        run.begin(key)
        try:
            if not work(run):
                run.release()
                return True
        except Halted as halted:
            run.fail(key, str(halted))
            run.end(Sync.Status.FAILED, str(halted))
            return False
        except AwsFailure as failed:
            run.fail(key, failed.words)
            if key == "users":
                # Without a complete listing there is nobody to read further about.
                run.end(Sync.Status.FAILED, failed.words)
                return False
    _finish(run)
    return False


def _judge(run: Run) -> bool:
    listed = listed_by(run.sync)
    users = list(listed.order_by("pk").values_list("pk", flat=True))
    if not judge_in_slices(run, "judge", users, shown=True):
        return False
    run.advance("judge", len(users), len(users))
    run.finish("judge", f"{len(users)} users")
    return True


# The listener must have seen what a sync found before the sync shows as done: should its work
# fail, the next slice repeats it.
def _finish(run: Run) -> None:
    # Only the gaps: the rows of evidence of a whole account would be loaded for a count.
    users = listed_by(run.sync)
    read = users.order_by().values_list("coverage__gaps", flat=True)
    failed = [step for step in run.sync.steps if step["status"] == "failed"]
    gaps = sum(1 for gap in read if gap)
    account = run.account
    _note_admins(run)
    account_synced.send(
        sender=Sync,
        sync=run.sync,
        missing=run.sync.changes.get("missing", []),
        changes=run.sync.changes,
    )
    # After the signal, which may prove users gone.
    observe(run.sync)
    said = [f"{step['label']}: {step['detail']}" for step in failed]
    if gaps:
        said.append(f"{gaps} of {len(read)} users could not be read whole.")
    if gaps or any(step["key"] not in _BESIDE for step in failed):
        run.end(Sync.Status.PARTIAL, "\n".join(said))
        return
    account.last_whole_at = run.sync.started_at
    account.save(update_fields=["last_whole_at"])
    seen_whole(account)
    run.end(Sync.Status.WHOLE, "\n".join(said))


def _note_admins(run: Run) -> None:
    """When somebody last came in as administrator through federation: a way in that is no user."""
    federated = run.sync.changes.get("federated_admin_at")
    if federated:
        run.account.admin_seen_at = datetime.fromisoformat(federated)
        run.account.save(update_fields=["admin_seen_at"])


_WORK: dict[str, Callable[[Run], bool]] = {
    "report": read_report,
    "users": read_users,
    "credentials": read_credentials,
    "trail": read_trail,
    "archive": read_archive,
    "services": read_services,
    "references": read_references,
    "judge": _judge,
    "posture": read_posture,
    "identity-center": read_identity_center,
    "describe": describe_users,
}
