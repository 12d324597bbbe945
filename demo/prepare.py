"""Fill the demo's database: tables, the declared organization, and on the first start a sync.

Run by the supervisor as `python -m demo.prepare [--first]`, in one process, because loading the
product takes longer than the work.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
from django.core.management import call_command

ORGANIZATION = Path(__file__).with_name("iamcleanup.yaml")


def main(*, first: bool) -> None:
    """Bring the database up to date; `first` also asks for the first sync."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("organization", "apply", str(ORGANIZATION))
    if first:
        # Only asked for: the read worker, once it is up, does it.
        call_command("refresh")


if __name__ == "__main__":
    main(first="--first" in sys.argv)
