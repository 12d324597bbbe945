"""The whole measurement, or the page made of what was measured last; see the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import ground
from bench.crowd import database
from bench.pages import report, weight

KEPT = ground.DOCS / "bench" / "pages.json"
REPORT = ground.DOCS / "bench" / "pages.md"
PLANS = ground.DOCS / "bench" / "pages.plans.txt"
_SMALL, _LARGE = 1_000, 100_000
_TIMES = 30
_ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "bench.pages.settings", "LOG_LEVEL": "CRITICAL"}


def measure(repeated: int) -> dict[str, Any]:
    """Both crowds, all cases so many times, and the crawl; the plans go to their file."""
    began = os.getloadavg()[2]
    with _standing() as (url, static):
        with database.on(url, _SMALL, database.ACCOUNTS):
            few = _counts()
        with database.on(url, _LARGE, database.ACCOUNTS):
            told = _measured("", repeated)
        scripts = weight.scripts(static)
        seen = _crawled(database.template(url, _LARGE, database.ACCOUNTS).template_url)
    for title, one in told.items():
        one["queries_small"] = few.get(title)
    load = {"cores": os.cpu_count(), "began": began, "ended": os.getloadavg()[2]}
    load["squares_ms"] = round(min(timeit.repeat(_squares, number=1, repeat=9)) * 1000, 1)
    return {"cases": told, "crawl": seen, "scripts": scripts, "times": repeated, "load": load}


def _squares() -> int:
    """So that times of two machines can be compared."""
    return sum(number * number for number in range(2_000_000))


def quick(begin: str) -> None:
    """Print the cases whose title begins with that, after five requests each; keep nothing."""
    with _standing() as (url, _), database.on(url, _LARGE, database.ACCOUNTS):
        _measured(begin, 5)


@contextmanager
def _standing() -> Iterator[tuple[str, Path]]:
    """Django set up with static files collected: the database's URL, and where the files are."""
    with (
        tempfile.TemporaryDirectory() as static,
        database.standing({**_ENVIRONMENT, "BENCH_STATIC_ROOT": static}) as url,
    ):
        from django.core.management import call_command  # noqa: PLC0415

        call_command("collectstatic", verbosity=0, interactive=False)
        yield url, Path(static)


def _counts() -> dict[str, int]:
    from bench.pages import cases, times  # noqa: PLC0415

    client = times.browser()
    return {case.title: times.counted(client, case)[0].queries for case in cases.cases()}


def _measured(begin: str, repeated: int) -> dict[str, dict[str, Any]]:
    from bench.pages import cases, times  # noqa: PLC0415

    client, told, plans = times.browser(), {}, []
    for case in cases.cases():
        if not case.title.startswith(begin):
            continue
        one, statements = times.counted(client, case)
        times.timed(client, case, one, repeated)
        if plan := times.explained(case, one, statements):
            plans.append(plan)
        told[case.title] = {**asdict(case), **asdict(one)}
        print(f"{one.p95:7.1f} {one.first:7.1f} ms {one.queries:4} {case.title}", flush=True)
    if not begin:
        PLANS.write_text(report.plans(plans))
    return told


def _crawled(url: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.pages.crawl", *report.COLD],
        cwd=ground.ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        # What was measured before it is kept all the same, and the page says that this is missing.
        return {"pages": [], "hosts": {}, "failed": ["the crawl itself"], "cold": {}}
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(arguments: list[str]) -> int:
    """Measure and write both files. `page` only writes the page anew; `quick BEGINNING` keeps
    nothing; `--times N` asks for each N times instead of thirty."""
    if arguments[:1] == ["quick"]:
        quick(" ".join(arguments[1:]))
        return 0
    if arguments != ["page"]:
        repeated = int(arguments[1]) if arguments[:1] == ["--times"] else _TIMES
        measured = measure(repeated)
        kept = {"measured_on": datetime.now(UTC).date().isoformat(), **measured}
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    REPORT.write_text(report.page(json.loads(KEPT.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
