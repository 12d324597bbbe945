"""Makes a crowd and keeps it; see the package."""

from __future__ import annotations

import argparse
import sys
import time

from bench.crowd import database


def main(arguments: list[str]) -> int:
    """Fill the database that is not there yet; prints its name and how long it took."""
    parser = argparse.ArgumentParser(prog="bench.crowd", description=__doc__)
    parser.add_argument("--users", type=int, default=database.USERS)
    parser.add_argument("--accounts", type=int, default=database.ACCOUNTS)
    wanted = parser.parse_args(arguments)
    began = time.monotonic()
    with database.standing() as url:
        made = database.template(url, wanted.users, wanted.accounts)
        print(f"{made.template} after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
