"""`manage.py refresh [--account ID] [--wait]`: read accounts now."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import refresh
from inventory.models import Account, Sync


class Command(BaseCommand):
    help = "Read one account, or all, from AWS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="the id of the account; default: all")
        parser.add_argument(
            "--wait", action="store_true", help="show progress; fail if not all was read whole"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        syncs = [refresh.ask_sync(account, None) for account in _chosen(options["account"])]
        if not options["wait"]:
            for sync in syncs:
                self.stdout.write(f"{sync.account}: asked.")
            return
        self._wait(syncs)
        reasons = [
            f"{sync.account}: {sync.error or sync.get_status_display()}"
            for sync in syncs
            if sync.status != Sync.Status.WHOLE
        ]
        if reasons:
            raise CommandError("\n".join(reasons))

    def _wait(self, syncs: list[Sync]) -> None:
        """Work on all of them until each is over, a slice of each in turn: a large account does
        not keep a small one waiting, nor a broken one the others."""
        shown: dict[int, str] = {}
        waiting = list(syncs)
        while waiting:
            worked = False
            for sync in waiting:
                # With workers running, most calls find it held, and only the progress is shown.
                worked |= refresh.run_sync(sync.pk)
                sync.refresh_from_db()
                line = _line(sync)
                if line != shown.get(sync.pk):
                    self.stdout.write(line)
                    shown[sync.pk] = line
                if sync.status not in Sync.OPEN:
                    worked = True
                    self.stdout.write(f"{sync.account}: {sync.get_status_display().lower()}.")
            waiting = [sync for sync in waiting if sync.status in Sync.OPEN]
            if waiting and not worked:
                time.sleep(1)


def _chosen(account_id: str | None) -> list[Account]:
    active = Account.objects.filter(active=True)
    if account_id is None:
        accounts = list(active)
        if not accounts:
            raise CommandError("No account is declared. Declare one and apply the file.")
        return accounts
    accounts = list(active.filter(account_id=account_id))
    if not accounts:
        declared = ", ".join(map(str, active[:20])) or "none"
        raise CommandError(f"There is no account {account_id} here. Declared: {declared}.")
    return accounts


def _line(sync: Sync) -> str:
    parts = []
    for step in sync.steps:
        if step["status"] == "waiting":
            continue
        count = f" {step['done']}/{step['total']}" if step["total"] else ""
        parts.append(f"{step['label']}{count} {step['status']}")
    return f"{sync.account}: {'; '.join(parts) or 'waiting for a worker'}"
