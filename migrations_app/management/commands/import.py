"""`manage.py import owners FILE.csv [--dry-run] [--partly] [--as USERNAME]`.

Shows what a spreadsheet of owners would change, then follows it in this process; needs no worker.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Person
from inventory.refusals import Refused
from migrations_app import owner_import
from migrations_app.models import OwnerImport
from migrations_app.owner_import import CHANGES, LEFT_OUT, Match, Outcome

_WIDTHS = (40, 14, 34)


class Command(BaseCommand):
    help = "Import who answers for which IAM user from a CSV file; shows first what changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        things = parser.add_subparsers(dest="what", required=True)
        owners = things.add_parser("owners", help="Teams, categories and notes of IAM users.")
        owners.add_argument("file", metavar="FILE.csv")
        owners.add_argument("--dry-run", action="store_true", help="Only show what would change.")
        owners.add_argument(
            "--partly", action="store_true", help="Import although some lines match nobody."
        )
        owners.add_argument("--as", dest="username", help="The engineer who imports.")

    def handle(self, *args: Any, **options: Any) -> None:
        content = _content(options["file"])
        dry = options["dry_run"]
        person = None if dry and not options["username"] else _person(options["username"])
        try:
            sheet = owner_import.read(content)
            matches = owner_import.preview(sheet)
            for remark in sheet.remarks:
                self.stderr.write(self.style.WARNING(remark))
            self._table(matches)
            left_out = sum(match.outcome in LEFT_OUT for match in matches)
            if left_out and not options["partly"]:
                raise CommandError(
                    f"Nothing was changed: {left_out} lines cannot be followed. Mend them, or "
                    "import the others with --partly."
                )
            if dry or person is None:
                self.stdout.write("Dry run: nothing was changed.")
            elif not any(match.outcome in CHANGES for match in matches):
                self.stdout.write("Nothing to change.")
            else:
                row = owner_import.show(content, options["file"], person)
                self._follow(row, person)
        except Refused as refused:
            reasons = "\n".join(f"  {reason}" for reason in refused.reasons)
            raise CommandError(f"Nothing was changed.\n{reasons}") from refused

    def _table(self, matches: Iterable[Match]) -> None:
        matches = list(matches)
        self.stdout.write(_cells("line", "user", "account", "what", "from, to, why"))
        for match in matches:
            if match.outcome is not Outcome.SAME:
                self.stdout.write(
                    _cells(
                        str(match.number),
                        match.user,
                        match.account,
                        match.outcome.words,
                        match.said,
                    )
                )
        found = owner_import.counts(matches)
        parts = [f"{number} {Outcome(name).words}" for name, number in found.items() if number]
        self.stdout.write(f"{len(matches)} lines: {', '.join(parts)}.")

    def _follow(self, row: OwnerImport, person: Person) -> None:
        owner_import.confirm(row, person, row.digest)
        while owner_import.go_on(row.pk):
            pass
        row.refresh_from_db()
        counted = row.counts
        self.stdout.write(
            f"Imported: {counted['assigned']} users have an owner now, {counted['changed']} have "
            f"another one, {counted['categories']} categories were set."
        )
        for one in row.left_out:
            self.stderr.write(f"Line {one['number']}, {one['user']}, was left out: {one['why']}")
        if row.left_out:
            raise CommandError(f"{len(row.left_out)} lines were left out. Run this again.")


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(owner_import.MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error}") from error


def _person(username: str | None) -> Person:
    if not username:
        raise CommandError("Say which engineer imports: --as USERNAME. Or look with --dry-run.")
    person = Person.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"There is no active person {username}.")
    return person


def _cells(number: str, user: str, account: str, what: str, rest: str) -> str:
    """One line of the table; what strangers wrote must not steer the terminal."""
    texts = [_shown(text) for text in (user, account, what)]
    padded = [text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)]
    return f"{number:>6}  {'  '.join(padded)}  {_shown(rest)}".rstrip()


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in text)
