"""Celery shells: which queue, and how it goes on. The work is in plain functions."""

from __future__ import annotations

from datetime import datetime

import structlog
from celery import shared_task
from celery.signals import worker_ready

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.models import Account
from inventory.pack.signing import BadKey
from migrations_app import break_glass_watch, owner_import, packs, tripwire
from migrations_app.changes import batches, database_home, drift, nudge, restores, running
from migrations_app.changes.sweep import PARTS
from migrations_app.outgoing import outbox
from migrations_app.replacement import plan_drafts, proving

log = structlog.get_logger(__name__)


@worker_ready.connect
def look_where_the_rows_live(**_: object) -> None:
    """After a database restore a worker starts in emergency stop."""
    database_home.look()


@worker_ready.connect
def tell_the_key_of_packs(**_: object) -> None:
    """The page shows which public key to pin as soon as a worker holds the private one."""
    try:
        if packs.signs():
            packs.keep_public_key()
    except BadKey as bad:
        # Packs fail with the same words until it is mended; nothing else here needs the key.
        log.error("packs cannot be signed", error=str(bad))


@shared_task(queue="read")
def sweep() -> None:
    """What is due is started, what was lost is picked up; each part on its own."""
    for name in PARTS:
        sweep_part.apply_async(args=(name,), expires=60)
    for pk in owner_import.running():
        import_owners.apply_async(args=(pk,), expires=60)
    for pk in packs.waiting():
        build_pack.apply_async(args=(pk,), expires=60)
    forget_packs.apply_async(expires=60)


@shared_task(queue="read")
def sweep_part(name: str) -> None:
    PARTS[name]()


@shared_task(queue="restore")
def sweep_restores() -> None:
    """Restores that wait, were lost, or must be read back; never behind a forward change."""
    for pk in running.waiting_restores():
        nudge.restore(pk)


@shared_task(queue="read")
def listen() -> None:
    """One round of listening in each account, each in its own task."""
    for pk in Account.objects.filter(active=True).values_list("pk", flat=True):
        listen_account.delay(pk)


@shared_task(queue="read")
def listen_account(account_pk: int, began: str = "") -> None:
    """A slice of a round that began then (ISO 8601); enqueues itself while somebody is unheard."""
    account = Account.objects.get(pk=account_pk)
    since = datetime.fromisoformat(began) if began else clock.now()
    try:
        left = tripwire.listen(account, since)
    except AwsFailure as refused:
        # Kept with the account; the coverage stays where it was, so every clock there holds.
        log.warning("listening failed", account=account.account_id, error=str(refused))
    else:
        log.info("listened", account=account.account_id, left=left)
        if left:
            listen_account.delay(account_pk, since.isoformat())


@shared_task(queue="read")
def watch_break_glass(look_now: bool = False) -> None:
    """The one user that stays: was it used, and once a day whether all is as it should be."""
    used = break_glass_watch.watch(look_now=look_now)
    if used:
        log.warning("break-glass user used", uses=len(used))


@shared_task(queue="read")
def look_at_plans() -> None:
    """Whether new ways in are used, and what plans would hold now; each account on its own."""
    for pk in Account.objects.filter(active=True).values_list("pk", flat=True):
        look_at_plans_of.apply_async(args=(pk,), expires=1800)


@shared_task(queue="read")
def look_at_plans_of(account_pk: int, began: str = "") -> None:
    """A slice of a round that began then (ISO 8601); enqueues itself while a plan is left."""
    account = Account.objects.get(pk=account_pk)
    since = datetime.fromisoformat(began) if began else clock.now()
    try:
        read = proving.read_what_they_do(account)
        plan_drafts.refresh_figures(account)
        drift.hold_plans()
        left = proving.look(account, since)
    except AwsFailure as refused:
        # Nothing is proven by it: tested stays what was seen before.
        log.warning("plans not looked at", account=account.account_id, error=str(refused))
        return
    if left or read:
        # Others read event history at the same pace: what was long ago can wait a little.
        look_at_plans_of.apply_async(args=(account_pk, since.isoformat()), countdown=20)


@shared_task(queue="read")
def dry_run_batch(batch_pk: int) -> None:
    batches.dry_run(batch_pk)


@shared_task(queue="read")
def import_owners(import_pk: int) -> None:
    """Some lines of a spreadsheet of owners; enqueues itself while any are left."""
    if owner_import.go_on(import_pk):
        nudge.import_owners(import_pk)


@shared_task(queue="read")
def build_pack(pack_pk: int) -> None:
    """A slice of an evidence pack; enqueues itself while any is left."""
    if packs.build(pack_pk):
        nudge.build_pack(pack_pk)


@shared_task(queue="read")
def forget_packs() -> None:
    packs.delete_old()


@shared_task(queue="write")
def run_batch(batch_pk: int) -> None:
    """A slice of a running batch; enqueues itself while something is left."""
    if running.run_batch(batch_pk):
        nudge.run_batch(batch_pk)


@shared_task(queue="write")
def run_change(change_pk: int) -> None:
    running.run_change(change_pk)


@shared_task(queue="restore")
def run_restore(change_pk: int) -> None:
    """A restore and those beside it; while a forward change lets go of one, it asks again."""
    for pk in restores.run_restores(change_pk):
        nudge.restore_soon(pk)


@shared_task(queue="notify")
def send_messages() -> None:
    """What waits in the outbox and is due, each message in its own task."""
    for pk in outbox.due():
        send_message.delay(pk)


@shared_task(queue="notify")
def send_message(delivery_pk: int) -> None:
    outbox.send(delivery_pk)
