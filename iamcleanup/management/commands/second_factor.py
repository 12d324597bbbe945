"""`manage.py second_factor USERNAME --reset`: for who lost the phone and the recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from inventory import ledger
from inventory.models import Person


class Command(BaseCommand):
    help = "Says which second factor a local account has; --reset lets its person set up a new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reset", action="store_true", help="forget it; ledgered")

    def handle(self, *args: Any, username: str, reset: bool, **options: Any) -> None:
        person = Person.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is no person {username}.")
        factors = Authenticator.objects.filter(user=person)
        if not reset:
            kinds = sorted({factor.get_type_display() for factor in factors})
            self.stdout.write(f"{person}: {', '.join(kinds) or 'no second factor yet'}.")
            return
        with transaction.atomic():
            if not factors.delete()[0]:
                raise CommandError(f"{person} has no second factor yet.")
            ledger.append(
                "person.second-factor-reset",
                person=ledger.person_hash(person),
                from_command_line=True,
            )
        self.stdout.write(f"{person} sets up a new second factor at the next sign-in.")
