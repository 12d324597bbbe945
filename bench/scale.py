"""How syncs grow with an account: database statements, AWS calls, rows written, memory, seconds.

    .venv/bin/python -m bench.scale [SIZE ...]

writes docs/bench/scale.md. Each size gets a simulated account and a worker as processes of their
own, so that the worker's memory is its own; two syncs in a row, the second with nothing changed.
The pace that AWS allows is set aside: event history alone would take hours for 5,000 users.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench import ground
from demo.aws.control import Control

REPORT = ground.DOCS / "bench" / "scale.md"
SIZES = (206, 1000, 5000)
SEED = 206
_ORGANIZATION = ground.ROOT / "demo" / "iamcleanup.yaml"


@dataclass
class Measured:
    """One sync. `statements` by step; `written`: rows inserted, updated or deleted by table."""

    seconds: float = 0.0
    status: str = ""
    slices: int = 0
    statements: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    peak_mib: float = 0.0
    # By step the peak so far when it ended, or when the slice did.
    peaks: dict[str, float] = field(default_factory=dict)


def worker() -> None:
    """Play the worker: one sync of the account, told as JSON on standard output."""
    import django  # noqa: PLC0415

    django.setup()
    from unittest.mock import patch  # noqa: PLC0415

    from django.db import connection  # noqa: PLC0415

    from iamcleanup.celery import app  # noqa: PLC0415
    from inventory import refresh  # noqa: PLC0415
    from inventory.aws import limiter  # noqa: PLC0415
    from inventory.models import Account, Sync  # noqa: PLC0415
    from inventory.refresh.run import Run  # noqa: PLC0415

    statements: Counter[str] = Counter()
    step = "begin and end"

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements[step] += 1
        return execute(sql, params, many, context)

    told = Measured()
    begin = Run.begin

    def noted(run: Run, key: str, total: int = 0) -> None:
        nonlocal step
        told.peaks[step] = _peak()
        step = key
        begin(run, key, total)

    began = time.monotonic()
    before = _written()
    with (
        patch.object(limiter.Limiter, "wait", lambda self, *, first=False: None),
        patch.object(Run, "begin", noted),
        patch.object(app, "send_task", lambda *_, **__: None),
        connection.execute_wrapper(count),
    ):
        sync = refresh.ask_sync(Account.objects.get(), None)
        while refresh.run_sync(sync.pk):
            told.slices += 1
    told.seconds = time.monotonic() - began
    sync.refresh_from_db()
    told.status = f"{sync.status} {sync.error}".strip()
    if sync.status != Sync.Status.WHOLE:
        told.status += f" {sync.steps}"
    told.calls = sync.calls.get("made", {})
    told.statements = dict(statements)
    told.peak_mib = told.peaks[step] = _peak()
    connection.close()
    # PostgreSQL tells its counters about a second late.
    time.sleep(2)
    after = _written()
    told.written = {
        table: rows - before.get(table, 0)
        for table, rows in after.items()
        if rows != before.get(table, 0)
    }
    sys.stdout.write(json.dumps(asdict(told)))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _written() -> dict[str, int]:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
        ).fetchall()
    return {str(name): int(number) for name, number in rows}


def measure(size: int) -> list[Measured]:
    """Two syncs of an account of `size` users, each by a worker of its own."""
    with ground.product("scale"), ground.account(SEED, size) as endpoint:
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        Control(endpoint).settings(lookup_rate=0)
        call_command("organization", "apply", str(_ORGANIZATION), stdout=io.StringIO())
        connection.close()
        return [_sync() for _ in range(2)]


def _sync() -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "bench.scale", "--worker"],
        cwd=ground.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Measured(**json.loads(done.stdout))


def report(found: dict[int, list[Measured]]) -> str:
    """The page: for each size the first and the second sync."""
    sizes = list(found)
    head = [f"{size:,} {turn}" for size in sizes for turn in ("first", "again")]
    runs = [run for size in sizes for run in found[size]]
    lines = [
        "# How syncs grow",
        "",
        f"Generated on {datetime.now(UTC):%d %b %Y} by `.venv/bin/python -m bench.scale`; do not"
        " edit.",
        "",
        "For each number of IAM users a first sync, and one more with nothing changed. The pace",
        "that AWS allows is set aside.",
        "",
    ]
    lines += _section("The whole", head, {
        "seconds": [f"{run.seconds:.0f}" for run in runs],
        "slices": [str(run.slices + 1) for run in runs],
        "peak memory of the worker, MiB": [f"{run.peak_mib:.0f}" for run in runs],
        "database statements": [f"{sum(run.statements.values()):,}" for run in runs],
        "AWS calls": [f"{sum(run.calls.values()):,}" for run in runs],
        "rows written": [f"{sum(run.written.values()):,}" for run in runs],
    })  # fmt: skip
    for title, column in (
        ("Database statements by step", "statements"),
        ("AWS calls by operation", "calls"),
        ("Rows written by table", "written"),
        ("Peak memory of the worker by the end of a step, MiB", "peaks"),
    ):
        keys = sorted({key for run in runs for key in getattr(run, column)})
        table = {key: [f"{getattr(run, column).get(key, 0):,.0f}" for run in runs] for key in keys}
        lines += _section(title, head, table)
    return "\n".join(lines)


def _section(title: str, head: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = [f"## {title}", "", f"| | {' | '.join(head)} |", f"|---|{'---:|' * len(head)}"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return [*lines, ""]


def main(arguments: list[str]) -> int:
    """Measure the sizes given, or all, and write the page; 1 if an account was not read whole."""
    if arguments == ["--worker"]:
        worker()
        return 0
    found = {}
    for size in map(int, arguments or map(str, SIZES)):
        found[size] = measure(size)
        for run in found[size]:
            print(size, f"{run.seconds:.0f} s", f"{run.peak_mib:.0f} MiB", run.status)
    text = report(found)
    print(text)
    if not arguments:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(text)
    return int(any(run.status != "whole" for runs in found.values() for run in runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
