"""One request after the other in this process: statements, milliseconds, bytes, plans."""

from __future__ import annotations

import gc
import gzip
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.pages.cases import Case
from iamcleanup import gunicorn
from inventory.models import Person

WHO = "jonas"
_FRAGMENT = {"HX-Request": "true"}
_LARGE = 10_000
_SCANNED = re.compile(r"Seq Scan on (\w+)")


@dataclass
class Measured:
    """One case. Milliseconds of server time, `cpu` those that this process was at work, without
    PostgreSQL; `first` and `queries_first` are p95 and statements of requests that find nothing
    kept; `scans` are large tables that a plan reads whole."""

    status: int = 0
    queries: int = 0
    queries_first: int = 0
    p50: float = 0.0
    p95: float = 0.0
    cpu: float = 0.0
    first: float = 0.0
    bytes: int = 0
    compressed: int = 0
    scans: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """The slowest statement of a case, and what PostgreSQL did for it."""

    title: str
    statement: str
    lines: list[str]


def browser() -> Client:
    """A browser in which the engineer is signed in."""
    client = Client(SERVER_NAME="localhost", headers={"Accept-Encoding": "gzip"})
    client.force_login(Person.objects.get(username=WHO))
    # As each process that serves pages does it.
    gunicorn.post_worker_init(None)
    return client


def counted(client: Client, case: Case) -> tuple[Measured, list[dict[str, Any]]]:
    """How many statements a warm request of `case` makes, and which."""
    answer = _get(client, case)
    looks = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            answer = _get(client, case)
        looks.append(asked.captured_queries)
    # Twice, since what the shell keeps for half a minute may have run out for one of them.
    captured = min(looks, key=len)
    with _nothing_kept(), CaptureQueriesContext(connection) as asked:
        answer = _get(client, case)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    packed = answer.headers.get("Content-Encoding") == "gzip"
    statements = _of_the_page(captured)
    told = Measured(
        status=answer.status_code,
        queries=len(statements),
        queries_first=len(_of_the_page(asked.captured_queries)),
        bytes=len(gzip.decompress(body) if packed else body),
        compressed=len(body if packed else gzip.compress(body)),
    )
    return told, statements


def _of_the_page(captured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole bench stands in one transaction, so transactions of a page are savepoints."""
    return [one for one in captured if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Under a name of its own a request finds nothing, and nothing in another's Redis is lost."""
    prefix = cache.key_prefix
    cache.key_prefix = f"bench-{time.time_ns()}"
    try:
        yield
    finally:
        cache.key_prefix = prefix


def timed(client: Client, case: Case, told: Measured, times: int) -> None:
    """Median and 95th percentile of that many warm requests, and of as many that find no count
    kept in Redis, as after each change of a filter that nobody else has chosen."""
    gc.collect()
    warm = [_one(client, case) for _ in range(times)]
    firsts = []
    for _ in range(times):
        with _nothing_kept():
            firsts.append(_one(client, case))
    steps = _steps(took for took, _ in warm)
    told.p50, told.p95 = round(steps[9], 1), round(steps[18], 1)
    told.cpu = round(median(worked for _, worked in warm), 1)
    told.first = round(_steps(took for took, _ in firsts)[18], 1)


def _one(client: Client, case: Case) -> tuple[float, float]:
    """One request: milliseconds in all, and those of this process."""
    began, worked = time.perf_counter(), time.process_time()
    _get(client, case)
    return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000


def _steps(took: Iterable[float]) -> list[float]:
    return quantiles(took, n=20, method="inclusive")


def explained(case: Case, told: Measured, statements: list[dict[str, Any]]) -> Plan | None:
    """The plan of the slowest statement, measured; large tables read whole by any are noted."""
    asked = [one for one in statements if one["sql"].startswith(("SELECT", "WITH", "("))]
    large = _large_tables()
    found: set[str] = set()
    for one in asked:
        found.update(set(_SCANNED.findall("\n".join(_plan("EXPLAIN", one["sql"])))) & large)
    told.scans = sorted(found)
    if not asked:
        return None
    slowest = max(asked, key=lambda one: float(one["time"]))["sql"]
    return Plan(case.title, slowest, _plan("EXPLAIN (ANALYZE, BUFFERS)", slowest))


def _get(client: Client, case: Case) -> Any:
    headers = _FRAGMENT if case.fragment else {}
    return client.get(
        case.path, headers=headers | ({"HX-Target": case.target} if case.target else {})
    )


def _plan(how: str, statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {statement}")
        return [str(line) for (line,) in cursor.fetchall()]


def _large_tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [_LARGE]
        )
        return {str(name) for (name,) in cursor.fetchall()}
