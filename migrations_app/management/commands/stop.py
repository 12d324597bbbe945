"""`manage.py stop --as USERNAME [--reason TEXT]`: pull the emergency stop."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person
from inventory.refusals import Refused
from migrations_app import changes


class Command(BaseCommand):
    help = "Halt every forward write in all accounts within one call. Restore goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="username", required=True, help="the person who pulls it")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        person = Person.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is no person {options['username']}.")
        try:
            stop = changes.pull(person, options["reason"])
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(
            f"Stopped since {stop.pulled_at:%Y-%m-%d %H:%M} UTC by {stop.pulled_by}. "
            "Another person lifts it: manage.py lift --as USERNAME --reason TEXT"
        )
