"""`manage.py token USERNAME [--scopes read claim …] [--days N] [--name TEXT]`.

Prints a new personal token of that person, once and alone on standard output, so that a script can
take it from there. It is ledgered, and that person is told in the inbox.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person, Scope
from inventory.refusals import Refused
from migrations_app import tokens


class Command(BaseCommand):
    help = "Make a personal API token and print it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="whose token it is")
        parser.add_argument(
            "--scopes",
            nargs="+",
            metavar="SCOPE",
            help=f"of {', '.join(Scope.values)}; without it all that the person's roles allow, "
            "but approve, which lives 24 hours at most",
        )
        parser.add_argument("--days", type=int, help="how long it lives (30; approve: 1)")
        parser.add_argument("--name", default="made on the command line", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> None:
        person = Person.objects.filter(username=options["username"], is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active person {options['username']}.")
        try:
            token, secret = tokens.make(
                person, options["name"], _scopes(person, options["scopes"]), options["days"]
            )
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stderr.write(
            f"A token of {person} for {', '.join(token.scopes)}, until "
            f"{token.expires_at:%d %b %Y %H:%M} UTC. It is shown this once."
        )
        self.stdout.write(secret)


def _scopes(person: Person, asked: list[str] | None) -> list[str]:
    """The scopes as they were asked for, also parted by commas; else all without `approve`."""
    if asked is None:
        return [scope for scope in tokens.scopes_for(person) if scope is not Scope.APPROVE]
    return [scope for text in asked for scope in text.split(",") if scope]
