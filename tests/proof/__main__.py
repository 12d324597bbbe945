"""`python -m tests.proof`: measure whether the tests bite, and write down what was measured."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tests.proof.mutation import mutate
from tests.proof.page import PAGE, page
from tests.proof.removing import take_out
from tests.proof.targets import RESULTS, ROOT, TARGETS

# The exit code of a piece that leaves something for the next.
GO_ON = 75
ENGINE = ROOT / "tests" / "migrations_app"
SUITES = (ENGINE / "cells", ENGINE / "worlds")


# Of each file of the change engine, for `all`.
SAMPLE = 40


def measure_all(sample: int) -> int:
    """Rules, mutants, the suites that write their own results, and the page; 1 if a rule is quiet.

    In processes of their own, in pieces: each keeps what it measured.
    """
    here = [sys.executable, "-m", "tests.proof"]
    told = [
        _until_done([*here, "rules"]),
        _until_done([*here, "mutate", "--sample", str(sample)]),
    ]
    suites = [str(path) for path in SUITES if path.exists()]
    if suites:
        os.environ["IAMCLEANUP_PROOF_DIR"] = str(RESULTS)
        told.append(
            subprocess.call(
                [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", *suites]
            )
        )
    PAGE.write_text(page(), encoding="utf-8")
    return max(told)


def _until_done(command: list[str]) -> int:
    while (code := subprocess.call(command)) == GO_ON:
        pass
    return code


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
    removal.add_argument("--quick", action="store_true", help="only where no database is needed")
    everything = verbs.add_parser("all", help="measure what is not measured yet, then the page")
    everything.add_argument("--sample", type=int, default=SAMPLE)
    verbs.add_parser("page", help="write docs/proof.md from what is kept")
    asked = parser.parse_args()
    if asked.verb == "page":
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if asked.verb == "all":
        return measure_all(asked.sample)
    if asked.verb == "rules":
        return take_out(minutes=asked.minutes, again=asked.again, quick=asked.quick)
    return mutate(asked.modules, sample=asked.sample, minutes=asked.minutes, again=asked.again)


if __name__ == "__main__":
    sys.exit(main())
