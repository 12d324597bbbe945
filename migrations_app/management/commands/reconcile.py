"""`manage.py reconcile [--as USERNAME] [--apply] [--skip ACCOUNT]… | --begin --as USERNAME`.

After a database restore everything is stopped until this has read AWS and listed the differences.
It never writes to AWS. Then another person lifts the stop.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from inventory import clock
from inventory.aws.cloudtrail import HISTORY
from inventory.aws.failure import AwsFailure
from inventory.models import Account, Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.changes import database_home, reconciling
from migrations_app.changes.reconciling import Difference


class Command(BaseCommand):
    help = "Compare AWS with the rows after a database restore; with --apply record what is proven."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="username", help="the engineer who answers for it")
        parser.add_argument("--apply", action="store_true", help="record what is proven")
        parser.add_argument("--begin", action="store_true", help="stop all writing, for a restore")
        parser.add_argument(
            "--skip", action="append", default=[], metavar="ACCOUNT", help="leave an account out"
        )
        parser.add_argument(
            "--since", help="read CloudTrail from this UTC time on, 2026-11-25T09:00"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        person = _person(options["username"])
        if options["begin"]:
            _begin(person)
            self.stdout.write("Stopped. Now run: manage.py reconcile --as USERNAME")
            return
        if options["apply"] and person is None:
            raise CommandError("Say who records it: --as USERNAME, an engineer.")
        database_home.look()
        since = _since(options["since"])
        left, unread = self._all(since, options["skip"], person if options["apply"] else None)
        if unread:
            raise CommandError(
                f"{', '.join(unread)} could not be read, so nothing is lifted. Try again, or leave "
                "it out with --skip."
            )
        stop = changes.current()
        if person is None or stop is None or not stop.reconcile:
            self.stdout.write(f"{len(left)} differences. Nothing was recorded.")
            return
        try:
            reconciling.finish(person, left, options["skip"])
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(
            f"{len(left)} differences are left to look at. Another person lifts the stop: "
            "manage.py lift --as USERNAME --reason TEXT"
        )

    def _all(
        self, since: datetime, skipped: list[str], person: Person | None
    ) -> tuple[list[Difference], list[str]]:
        left, unread = [], []
        for account in Account.objects.filter(active=True).order_by("account_id"):
            if account.account_id in skipped:
                self.stdout.write(f"{account}: left out.")
                continue
            try:
                found = reconciling.differences(account, since)
            except AwsFailure as refused:
                self.stderr.write(f"{account}: {refused}")
                unread.append(account.account_id)
                continue
            self.stdout.write(f"{account}: {len(found)} differences.")
            left += [one for one in found if not self._recorded(one, person)]
        return left, unread

    def _recorded(self, one: Difference, person: Person | None) -> bool:
        what = f"record {one.records}" if one.records else "look at it by hand"
        user = f"{one.departure.user} ({one.departure.user.user_id})"
        self.stdout.write(f"  {user}: rows say {one.rows_say}; AWS: {one.aws_shows}. To do: {what}")
        if person is None or not one.records:
            return False
        try:
            reconciling.record(one, person)
        except (Refused, AwsFailure) as refused:
            self.stderr.write(f"  {user}: not recorded: {refused}")
            return False
        self.stdout.write(f"  {user}: recorded.")
        return True


def _person(username: str | None) -> Person | None:
    if not username:
        return None
    person = Person.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"There is no active person {username}.")
    return person


def _begin(person: Person | None) -> None:
    if person is None:
        raise CommandError("Say who stops it: --as USERNAME.")
    try:
        require(person, Action.STOP)
    except Refused as refused:
        raise CommandError(str(refused)) from refused
    with transaction.atomic():
        database_home.begin(f"{person} said that the database was restored", person)


def _since(told: str | None) -> datetime:
    """What was told, or the last that the rows knew of; at most as far back as event history."""
    if told:
        try:
            return datetime.fromisoformat(told).replace(tzinfo=clock.now().tzinfo)
        except ValueError as wrong:
            raise CommandError(f"“{told}” is no time; write it like 2026-11-25T09:00.") from wrong
    stop = changes.current()
    return (stop.reconcile_since if stop else None) or clock.now() - HISTORY
