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
        accounts = Account.objects.filter(active=True)
        if options["account"]:
            accounts = accounts.filter(account_id=options["account"])
        if not accounts:
            raise CommandError("There is no such account here. Declare it and apply the file.")
        syncs = [refresh.ask_sync(account, None) for account in accounts]
        if not options["wait"]:
            for sync in syncs:
                self.stdout.write(f"{sync.account}: asked.")
            return
        reasons = [reason for sync in syncs if (reason := self._wait(sync))]
        if reasons:
            raise CommandError("\n".join(reasons))

    def _wait(self, sync: Sync) -> str:
        """Work on the sync until it is over; why it was not read whole, or ""."""
        shown = ""
        while sync.status in Sync.OPEN:
            # With workers running, most calls find it held, and only the progress is shown.
            more = refresh.run_sync(sync.pk)
            sync.refresh_from_db()
            line = _line(sync)
            if line != shown:
                self.stdout.write(line)
                shown = line
            if not more and sync.status in Sync.OPEN:
                time.sleep(1)
        self.stdout.write(f"{sync.account}: {sync.get_status_display().lower()}.")
        return "" if sync.status == Sync.Status.WHOLE else f"{sync.account}: {sync.error}"


def _line(sync: Sync) -> str:
    parts = []
    for step in sync.steps:
        if step["status"] == "waiting":
            continue
        count = f" {step['done']}/{step['total']}" if step["total"] else ""
        parts.append(f"{step['label']}{count} {step['status']}")
    return f"{sync.account}: {'; '.join(parts) or 'waiting for a worker'}"
