"""Whoever asked for the first sync of an account is told how it ended: the page promises it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from inventory.models import Person, Sync
from inventory.refresh.unseen import advice

_ENDS = {
    Sync.Status.WHOLE: ("was read for the first time", "overview"),
    Sync.Status.PARTIAL: ("was read, though not whole", "settings-account"),
    Sync.Status.FAILED: ("could not be read", "settings-account"),
}


def tells(sync: Sync, person: Person) -> bool:
    """Whether `person` will be told when this sync ends."""
    first = sync.status in Sync.OPEN and sync.account.last_whole_at is None
    return first and sync.asked_by_id == person.pk


def after_end(sender: type[Sync], *, sync: Sync, **kwargs: Any) -> None:
    """Tell who asked, where nothing was read whole before."""
    # Deferred, because apps are still loading when the signal is connected.
    from migrations_app.outgoing import notices  # noqa: PLC0415

    if sync.asked_by is None or _read_whole_before(sync):
        return
    status = Sync.Status(sync.status)
    said, page = _ENDS[status]
    account = sync.account
    arguments = [account.account_id] if page != "overview" else []
    text = f"{sync.users_seen} users. Nothing was changed there."
    if status != Sync.Status.WHOLE:
        text = f"{sync.error}\n\n{advice(sync.error, account)}"
    notices.tell(
        "synced",
        f"first-sync:{sync.pk}",
        f"{account.name} {said}",
        person=sync.asked_by,
        text=text,
        url=reverse(page, args=arguments),
    )


def _read_whole_before(sync: Sync) -> bool:
    earlier = Sync.objects.filter(account=sync.account, status=Sync.Status.WHOLE)
    return earlier.exclude(pk=sync.pk).exists()
