"""`manage.py ledger verify-pack FILE.zip [--key …]`: is this evidence pack whole, and whose is it?

Needs no database, no settings and no network. Ends with 0 if it is whole and signed with the key
you named, 1 at the first fault, 2 for a wrong command line, and 3 if it is whole, but nobody you
named vouches for it.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from inventory.pack import signing
from inventory.pack.checking import BadPack, Checked, Pinned, check, pinned_key

WHOLE, FAULT, WRONG, UNVOUCHED = 0, 1, 2, 3


def head(text: str) -> tuple[int, str]:
    """ "4182:9f2c…" as number and hash."""
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip().lower(), re.ASCII)
    if not match:
        raise ArgumentTypeError("A head is written NUMBER:HASH, with a hash of 64 digits.")
    return int(match[1]), match[2]


def key(text: str) -> Pinned:
    """A public key: the name of its PEM file, or its fingerprint."""
    wanted = text.strip().lower().replace(":", "")
    if signing.is_fingerprint(wanted):
        return Pinned(wanted)
    try:
        return pinned_key(Path(text).read_bytes())
    except OSError as error:
        raise ArgumentTypeError(
            f"{text} is neither a fingerprint of 64 digits nor a file that can be read ({error})."
        ) from error
    except signing.BadKey as error:
        raise ArgumentTypeError(f"{text}: {error}") from error


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", type=Path, metavar="FILE.zip", help="The pack as downloaded.")
    parser.add_argument(
        "--key",
        type=key,
        metavar="KEY",
        help="The public key you trust: a PEM file, or its fingerprint.",
    )
    parser.add_argument(
        "--head",
        type=head,
        metavar="N:HASH",
        help="An entry of the ledger as it was announced; it must be the one in the pack.",
    )
    parser.add_argument(
        "--unsigned", action="store_true", help="Let a pack pass that nobody signed."
    )


def run(
    file: Path, pin: Pinned | None, announced: tuple[int, str] | None, unsigned: bool
) -> tuple[int, list[str]]:
    """The exit code and what to say."""
    try:
        found = check(file, pin, announced)
    except BadPack as fault:
        return FAULT, [f"{file.name} is not to be trusted. {fault}"]
    return _verdict(found, unsigned)


def _verdict(found: Checked, unsigned: bool) -> tuple[int, list[str]]:
    walk = found.walk
    lines = [
        f"Whole: {found.files} files, {found.deletions} deletions, {found.approvals} approvals.",
        f"Ledger: entries {walk.first} to {walk.last} are one chain; its head is "
        f"{walk.last}:{walk.head}.",
    ]
    if not walk.entries:
        lines[1] = "Ledger: no entry of that time."
    if walk.withheld:
        lines.append(
            f"Words of {walk.withheld} of the {walk.entries} entries were withheld: their place "
            "in the chain was checked, their content was not."
        )
    if not found.signed_by:
        lines.append("NOT SIGNED: anybody can have made it.")
        return (WHOLE if unsigned else UNVOUCHED), lines
    lines.append(f"Signed with key {found.signed_by}.")
    if found.pinned:
        return WHOLE, lines
    lines.append(
        "That key came with the pack. Compare it with the one that the product's page or command "
        "shows, and name it: --key FINGERPRINT."
    )
    return UNVOUCHED, lines


def main(arguments: Sequence[str]) -> int:
    """The command line; the exit code."""
    parser = ArgumentParser(
        prog="manage.py ledger verify-pack",
        description="Check an evidence pack: signature, every file, and the ledger in it. "
        "Needs no database and no network.",
        epilog="Ends with 0: whole, and signed with the key you named. 1: not to be trusted, the "
        "first fault is named. 3: whole, but no key that you named vouches for it.",
    )
    add_arguments(parser)
    told = parser.parse_args(arguments)
    code, lines = run(told.file, told.key, told.head, told.unsigned)
    print(*lines, sep="\n", file=sys.stderr if code == FAULT else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
