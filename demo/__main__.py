"""`python -m demo`, `make demo`, `manage.py demo`: run the product against a simulated account."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from demo.prepare import ORGANIZATION
from demo.processes import DidNotStart
from demo.services import NotAvailable
from demo.supervisor import Supervisor, check_port, folder, lock

_began = time.monotonic()


def say(text: str) -> None:
    """A progress line, with the seconds since the start."""
    print(f"{time.monotonic() - _began:6.1f} s  {text}", flush=True)


def greet(address: str) -> None:
    """Say where to go, and who of the cast may do what."""
    people = YAML(typ="safe").load(ORGANIZATION.read_text())["people"]
    cast = "\n".join(
        f"    {person['username']:<10} {person['name']:<18} {', '.join(person['roles'])}"
        for person in people
    )
    print(
        f"\n  Open {address}/ and pick one of the cast; there is no password in the demo.\n"
        f"\n{cast}\n\n  Ctrl-C stops everything. The data stays; `make demo-reset` starts over.\n",
        flush=True,
    )


def reset(home: Path) -> None:
    """Delete the demo's data. NotAvailable while the demo runs."""
    with lock(home):
        for entry in home.iterdir():
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    print("The demo's data is gone. `make demo` starts over.")


def main() -> int:
    """Run until stopped; 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="manage.py demo", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
    parser.add_argument("--reset", action="store_true", help="forget the demo's data and stop")
    chosen = parser.parse_args()
    home = folder()
    try:
        if chosen.reset:
            reset(home)
            return 0
        taken = lock(home)
        check_port(chosen.port)
        print("Starting IAM Cleanup against a simulated AWS account", flush=True)
        Supervisor(home, chosen.port, say, greet, taken).run()
    except (NotAvailable, DidNotStart) as reason:
        print(f"\n{reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
