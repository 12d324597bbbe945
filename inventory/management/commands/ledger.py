"""`manage.py ledger verify | verify-pack | pack-key`: is the ledger whole, and a pack of it?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inventory import ledger
from inventory.pack import signing
from inventory.pack.__main__ import add_arguments, head, run


class Command(BaseCommand):
    help = "Verify the hash chain of the ledger, or an evidence pack; names the first fault."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="Walk the whole chain.")
        verify.add_argument(
            "--head",
            type=head,
            metavar="N:HASH",
            help="A head that was sent out earlier; without it a cut tail cannot be seen.",
        )
        add_arguments(verbs.add_parser("verify-pack", help="Check an evidence pack, offline."))
        key = verbs.add_parser("pack-key", help="The public key that packs are signed with.")
        key.add_argument("--new", action="store_true", help="Print a new private key instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "verify-pack":
            # `manage.py` itself answers it without settings; this is for programs of ours.
            code, lines = run(*(options[name] for name in ("file", "key", "head", "unsigned")))
            self.stdout.write("\n".join(lines))
            sys.exit(code)
        elif options["verb"] == "pack-key":
            self._key(options["new"])
        else:
            self._verify(options["head"])

    def _verify(self, announced: tuple[int, str] | None) -> None:
        found = ledger.verify(announced)
        if not found.intact:
            raise CommandError(f"The ledger is broken at entry {found.broken_at}. {found.reason}")
        self.stdout.write(f"The ledger is whole: {found.entries} entries.")
        self.stdout.write(f"Head: {found.entries}:{found.head}")

    def _key(self, new: bool) -> None:
        if new:
            self.stdout.write(signing.new_private_key(), ending="")
            return
        if not settings.IAMCLEANUP_PACK_KEY:
            raise CommandError(
                "IAMCLEANUP_PACK_KEY is not set here. Packs are signed by the read worker: "
                "run this with its environment. `ledger pack-key --new` makes a key."
            )
        try:
            key = signing.private_key(settings.IAMCLEANUP_PACK_KEY)
        except signing.BadKey as bad:
            raise CommandError(str(bad)) from bad
        self.stdout.write(signing.public_pem(key), ending="")
        self.stdout.write(f"Fingerprint: {signing.fingerprint(key.public_key())}")
