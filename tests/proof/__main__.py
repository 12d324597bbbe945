"""`python -m tests.proof`: measure whether the tests bite, and write down what was measured."""

from __future__ import annotations

import argparse
import sys

from tests.proof.mutation import mutate
from tests.proof.page import PAGE, page
from tests.proof.removing import take_out
from tests.proof.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    mutation = verbs.add_parser("mutate", help="try mutants; exit 75 when there is more to do")
    mutation.add_argument("modules", nargs="*", default=list(TARGETS), metavar="MODULE")
    mutation.add_argument("--sample", type=int, default=0, help="mutants per module; 0: all")
    mutation.add_argument("--minutes", type=float, default=6.0)
    mutation.add_argument("--again", action="store_true", help="try survivors again")
    removal = verbs.add_parser("rules", help="take each rule out and see its tests fail")
    removal.add_argument("--minutes", type=float, default=6.0)
    removal.add_argument("--again", action="store_true", help="also those seen before")
    verbs.add_parser("page", help="write docs/proof.md from what is kept")
    asked = parser.parse_args()
    if asked.verb == "page":
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if asked.verb == "rules":
        return take_out(minutes=asked.minutes, again=asked.again)
    return mutate(asked.modules, sample=asked.sample, minutes=asked.minutes, again=asked.again)


if __name__ == "__main__":
    sys.exit(main())
