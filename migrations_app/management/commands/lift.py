"""`manage.py lift --as USERNAME --reason TEXT`: lift the emergency stop that another pulled."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person
from inventory.refusals import Refused
from migrations_app import changes


class Command(BaseCommand):
    help = "Lift the emergency stop. Each batch is then resumed by hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="username", required=True, help="not who pulled it")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        person = Person.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is no person {options['username']}.")
        try:
            changes.lift(person, options["reason"])
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write("Lifted. Paused batches wait to be resumed by hand.")
