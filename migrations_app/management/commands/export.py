"""`manage.py export users|changes|hits|messages|posture|ledger --format csv|json [--output F]`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.exports import LEDGER_FIELDS, ledger_rows, written
from migrations_app import exports, told
from migrations_app.users import posture

TABLES: dict[str, tuple[tuple[str, ...], Callable[[], Iterator[dict[str, Any]]]]] = {
    "users": (exports.USER_FIELDS, exports.user_rows),
    "changes": (exports.CHANGE_FIELDS, exports.change_rows),
    "deletions": (exports.DELETION_FIELDS, exports.deletion_rows),
    "hits": (exports.HIT_FIELDS, exports.hit_rows),
    "messages": (told.FIELDS, told.export_rows),
    "posture": (posture.FIELDS, posture.rows),
    "ledger": (LEDGER_FIELDS, ledger_rows),
}


class Command(BaseCommand):
    help = "Export a table as CSV (harmless for spreadsheets) or JSON, to a file or to the screen."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("table", choices=sorted(TABLES))
        parser.add_argument("--format", choices=("csv", "json"), default="csv", dest="form")
        parser.add_argument(
            "--output", metavar="FILE", help="Where to write; left out: the screen."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fields, rows = TABLES[options["table"]]
        pieces = written(options["form"], fields, rows())
        if not options["output"]:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        target = Path(options["output"])
        try:
            # CSV has its own line ends (RFC 4180), so none are translated.
            with target.open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
        except OSError as error:
            raise CommandError(f"Cannot write {target}: {error}") from error
        self.stderr.write(f"Wrote {target}.")
