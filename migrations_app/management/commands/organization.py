"""`manage.py organization apply FILE [--dry-run]`: make the rows say what the file declares."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person
from inventory.refusals import Refused
from migrations_app import declare


class Command(BaseCommand):
    help = "Apply the declared organization (iamcleanup.yaml). Shows what changes; idempotent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        apply = verbs.add_parser("apply", help="Make the database say what FILE declares.")
        apply.add_argument("file", metavar="FILE")
        apply.add_argument("--dry-run", action="store_true", help="Only show what would change.")
        apply.add_argument("--as", dest="username", help="The person who asks for this.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = Path(options["file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"Cannot read {options['file']}: {error}") from error
        actor = None
        if options["username"]:
            actor = Person.objects.filter(username=options["username"], is_active=True).first()
            if actor is None:
                raise CommandError(f"There is no person “{options['username']}”.")
        try:
            outcome = declare.apply(
                document, actor, dry_run=options["dry_run"], asked_by=_login_name()
            )
        except Refused as refused:
            reasons = "\n".join(f"  {reason}" for reason in refused.reasons)
            raise CommandError(f"Nothing was changed.\n{reasons}") from refused
        for line in outcome.lines():
            self.stdout.write(line)
        for warning in outcome.warnings:
            self.stderr.write(self.style.WARNING(f"Warning: {warning}"))


def _login_name() -> str:
    """Who is at the shell; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "the command line"
