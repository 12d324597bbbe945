"""What disabling and deleting 76 users takes: ours, a shell script, Custodian, and bare calls.

    .venv/bin/python -m bench.engine ours|restore|script|custodian|page ...
    .venv/bin/python -m bench.engine ours:10000:50     (one setting: writes a second, ms of latency)

Each part keeps what it measured in docs/bench/engine.json; `page` makes docs/bench/engine.md of it.
One machine, one simulated account as a process of its own, seed 206, 206 users; everybody begins
with the same account.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from bench import ground
from demo.aws.control import Control

KEPT = ground.DOCS / "bench" / "engine.json"
REPORT = ground.DOCS / "bench" / "engine.md"
# The rate at which AWS's own limits are the only ones, and the default of an account.
UNLIMITED, DEFAULT = 10_000, 10
LATENCY = 0.05
RUNS = ((UNLIMITED, 0.0), (UNLIMITED, LATENCY), (DEFAULT, 0.0))


def ours(rate: int, latency: float) -> dict[str, Any]:
    """Our own run, then the same calls from a bare pool on a fresh account."""
    with ground.product("engine", ground.MONDAY), ground.account(206, 206) as endpoint:
        from bench import bare, disposal  # noqa: PLC0415

        control = Control(endpoint)
        case = disposal.dispose(control, rate=rate, latency=latency)
        told: dict[str, Any] = {
            move: {
                "seconds": round(work.seconds, 2),
                "users": work.users,
                "failed": work.failed,
                "iam_calls": work.iam_calls,
                "calls": len(work.calls),
                "writes": work.writes,
                "operations": dict(work.counts.most_common()),
            }
            for move, work in case.work.items()
        }
        told["after"] = bare.account_after(endpoint, case.names)
        control.start_over()
        for move, work in case.work.items():
            seconds = bare.replay(endpoint, control, work.calls, latency)
            told[move]["bare_seconds"] = round(seconds, 2)
    return told


def keep(part: str, told: Any) -> None:
    """Write what was measured into the kept file, beside the other parts."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[part] = {"measured_at": datetime.now(UTC).date().isoformat(), **told}
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _settings(part: str) -> tuple[tuple[int, float], ...]:
    """All of them for `ours`, one for `ours:RATE:MILLISECONDS`."""
    _, *chosen = part.split(":")
    return ((int(chosen[0]), int(chosen[1]) / 1000),) if chosen else RUNS


def main(arguments: list[str]) -> int:
    """Measure the parts named, in that order."""
    for part in arguments or ["ours", "restore", "script", "custodian", "page"]:
        if part.partition(":")[0] == "ours":
            for rate, latency in _settings(part):
                keep(f"ours, {rate} writes/s, {int(latency * 1000)} ms", ours(rate, latency))
        elif part == "restore":
            from bench import restore  # noqa: PLC0415

            keep(part, restore.measure())
        elif part == "page":
            from bench import engine_page  # noqa: PLC0415

            REPORT.write_text(engine_page.page(json.loads(KEPT.read_text())))
        else:
            from bench import rivals  # noqa: PLC0415

            keep(part, rivals.measure(part))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
