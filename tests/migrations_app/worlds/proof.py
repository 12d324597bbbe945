"""What the worlds counted, as JSON in IAMCLEANUP_PROOF_DIR; several test processes add up."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.migrations_app.worlds.driver import EMPHASES, Tally
from tests.proof.kept import commit, now

TITLE = "Seeded worlds against the reference model"


@contextmanager
def counted(tally: Tally, seeds: Iterable[int]) -> Iterator[None]:
    """Add what `tally` gains from `seeds` in this block to the proof; also where a world breaks."""
    before, began = _numbers(tally), time.monotonic()
    try:
        yield
    finally:
        folder = os.environ.get("IAMCLEANUP_PROOF_DIR")
        if folder:
            gained = _less(_numbers(tally), before)
            _add(Path(folder) / "worlds.json", gained, time.monotonic() - began, seeds)


def _numbers(tally: Tally) -> dict[str, Counter[str]]:
    return {
        "cells": Counter(tally.tried),
        "done": Counter(tally.held),
        "steps": Counter(tally.steps),
        "actions": Counter(tally.actions),
        "transitions": Counter(tally.transitions),
    }


def _less(now: dict[str, Counter[str]], before: dict[str, Counter[str]]) -> dict[str, Counter[str]]:
    return {name: now[name] - before[name] for name in now}


def spans(seeds: Iterable[int]) -> str:
    """ "0-3 7" of 0, 1, 2, 3 and 7."""
    told: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if told and told[-1][1] == seed - 1:
            told[-1][1] = seed
        else:
            told.append([seed, seed])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in told)


def seeds_of(told: str) -> set[int]:
    """What `spans` told."""
    ends = [span.split("-") for span in told.split()]
    return {seed for one in ends for seed in range(int(one[0]), int(one[-1]) + 1)}


def _add(path: Path, gained: dict[str, Counter[str]], seconds: float, seeds: Iterable[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept: dict[str, Any] = json.loads(file.read() or "{}")
        rows = {row["what"]: row for row in kept.get("rows", [])}
        shown = [
            {
                "what": what,
                **{
                    name: rows.get(what, {}).get(name, 0) + gained[name][what]
                    for name in ("cells", "steps", "done")
                },
            }
            for what in EMPHASES
        ]
        told = {
            "title": TITLE,
            "rows": shown,
            "seconds": round(kept.get("seconds", 0) + seconds, 1),
            "seeds": spans({*seeds_of(kept.get("seeds", "")), *seeds}),
            "measured_at": kept.get("measured_at", now()),
            "commit": " ".join(sorted({*kept.get("commit", "").split(), commit()})),
            **{
                name: dict(Counter(kept.get(name, {})) + gained[name])
                for name in ("actions", "transitions")
            },
        }
        file.seek(0)
        file.truncate()
        json.dump(told, file, indent=1)
