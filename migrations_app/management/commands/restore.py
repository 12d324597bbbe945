"""`manage.py restore ACCOUNT USER_ID… | --batch N [--as USERNAME] [--reason TEXT]`.

For the day on which the broker or sign-in is down (rule 14): the restore is asked for and done in
this process, which needs the database and AWS credentials and nothing else.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.changes import running
from migrations_app.models import Batch, Change, Departure

# A forward change that was asked to stop lets go within one AWS call; then a lease must end.
PATIENCE = 90.0
_WAITS = (Change.Status.QUEUED, Change.Status.RUNNING)


class Command(BaseCommand):
    help = "Restore fenced or shut IAM users now, without broker, workers or sign-in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", nargs="?", help="the account's id, 12 digits")
        parser.add_argument("users", nargs="*", metavar="USER_ID", help="AIDA…")
        parser.add_argument("--batch", type=int, metavar="N", help="everybody this batch took")
        parser.add_argument("--as", dest="username", help="the person who asks, for the ledger")
        parser.add_argument("--reason", default="", help="why, for the ledger and the owner")

    def handle(self, *args: Any, **options: Any) -> None:
        person = _person(options["username"])
        reason = options["reason"] or "Asked for on the command line."
        failed = 0
        for departure in _departures(options):
            # Before it is asked for: afterwards nothing of it is ours any more.
            preview = changes.restore_preview(departure)
            try:
                change = changes.restore(departure, person, reason)
            except Refused as refused:
                self.stderr.write(f"{departure.user}: {refused}")
                failed += 1
                continue
            self._work(change)
            if change.status == Change.Status.DONE:
                self.stdout.write(f"{departure.user}: {change.result}")
                for line in filter(None, (*preview.lines, preview.password_command)):
                    self.stdout.write(f"  {line}")
            else:
                failed += 1
                why = change.error or "it waits for a forward change that still holds it"
                self.stderr.write(f"{departure.user}: not restored: {why}")
        if failed:
            raise CommandError(f"{failed} not restored. Run this again, or see the log.")

    def _work(self, change: Change) -> None:
        """Do it here until it has ended, also while a forward change lets go of the user."""
        ends = time.monotonic() + PATIENCE
        while True:
            running.run_restore(change.pk)
            change.refresh_from_db()
            if change.status not in _WAITS or time.monotonic() > ends:
                return
            time.sleep(1)


def _person(username: str | None) -> Person | None:
    if not username:
        return None
    person = Person.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"There is no active person {username}.")
    return person


def _departures(options: dict[str, Any]) -> list[Departure]:
    rows = Departure.objects.select_related("user__account", "owner")
    if options["batch"] is not None:
        batch = Batch.objects.filter(number=options["batch"]).first()
        if batch is None:
            raise CommandError(f"There is no batch {options['batch']}.")
        return changes.taken_by(batch)
    if not options["account"] or not options["users"]:
        raise CommandError("Name an account and user ids, or a batch with --batch N.")
    found = {
        row.user.user_id: row
        for row in rows.filter(
            user__account__account_id=options["account"], user__user_id__in=options["users"]
        )
    }
    unknown = [user_id for user_id in options["users"] if user_id not in found]
    if unknown:
        raise CommandError(f"Account {options['account']} has no {', '.join(unknown)} here.")
    return list(found.values())
