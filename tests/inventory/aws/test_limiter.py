"""The pace is kept over all who share a limiter, and a restore goes first."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import redis
from django.conf import settings

from inventory.aws import limiter
from inventory.aws.limiter import Limiter


def _passes(many: int, limited: Limiter) -> list[float]:
    def go(_: int) -> float:
        limited.wait()
        return time.monotonic()

    with ThreadPoolExecutor(many) as pool:
        return sorted(pool.map(go, range(many)))


def test_those_who_share_a_limiter_share_its_rate() -> None:
    times = _passes(6, Limiter("test-shared", 20))
    assert times[-1] - times[0] >= 5 / 20 * 0.95


def test_no_two_pass_at_once() -> None:
    times = _passes(4, Limiter("test-gap", 10))
    # The answer of Redis takes its own time to arrive.
    assert all(later - earlier > 0.05 for earlier, later in pairwise(times))


def test_different_keys_do_not_wait_for_each_other() -> None:
    slow, other = Limiter("test-slow", 0.1), Limiter("test-other", 0.1)
    slow.wait()
    assert other._ask(first=False) == 0


def test_a_restore_passes_and_makes_the_others_wait() -> None:
    limited = Limiter("test-first", 1000)
    limited.wait(first=True)
    assert limited._ask(first=False) > 0
    limited.wait(first=True)


def test_without_redis_each_paces_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise redis.ConnectionError("Connection refused.")

    slept: list[float] = []
    monkeypatch.setattr(limiter, "_script", down)
    monkeypatch.setattr(time, "sleep", slept.append)
    Limiter("test-down", 10).wait()
    assert slept == [0.1]


def test_never_more_than_two_lookups_pass_in_any_second(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Limiter("test-lookups", limiter.LOOKUPS_PER_SECOND)
    script, moments = limiter._script(), list[int]()
    store = redis.Redis.from_url(settings.REDIS_URL)

    def ask(keys: list[str], arguments: list[str]) -> int:
        """The script and Redis's own clock in one transaction: when each was let through."""
        with store.pipeline(transaction=True) as both:
            script(keys, arguments, client=both)
            both.time()
            delay, (seconds, micros) = both.execute()
        if int(delay) == 0:
            moments.append(seconds * 1_000_000 + micros)
        return int(delay)

    monkeypatch.setattr(limiter, "_script", lambda: ask)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: limited.wait(), range(6)))
    moments.sort()
    assert len(moments) == 6
    assert all(
        third - first > 1_000_000 for first, third in zip(moments, moments[2:], strict=False)
    )
