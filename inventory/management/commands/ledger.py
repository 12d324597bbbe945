"""`manage.py ledger verify [--head N:HASH]`: is the ledger whole, and does it hold this head?"""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory import ledger


def head(text: str) -> tuple[int, str]:
    """ "4182:9f2c…" as number and hash."""
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip().lower(), re.ASCII)
    if not match:
        raise ArgumentTypeError("A head is written NUMBER:HASH, with a hash of 64 digits.")
    return int(match[1]), match[2]


class Command(BaseCommand):
    help = "Verify the hash chain of the ledger; fails and names the first broken entry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="Walk the whole chain.")
        verify.add_argument(
            "--head",
            type=head,
            metavar="N:HASH",
            help="A head that was sent out earlier; without it a cut tail cannot be seen.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = ledger.verify(options["head"])
        if not found.intact:
            raise CommandError(f"The ledger is broken at entry {found.broken_at}. {found.reason}")
        self.stdout.write(f"The ledger is whole: {found.entries} entries.")
        self.stdout.write(f"Head: {found.entries}:{found.head}")
