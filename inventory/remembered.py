"""What may be some seconds old is asked once for all pages; while Redis is away, each asks anew."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import redis
from django.core.cache import cache

Told = TypeVar("Told")


def remembered(key: str, seconds: int, ask: Callable[[], Told]) -> Told:
    """What `ask` gave under this key at most `seconds` ago, or gives now; never None."""
    try:
        found: Told | None = cache.get(key)
    except redis.RedisError:
        # No page waits for Redis to come back.
        return ask()
    if found is not None:
        return found
    told = ask()
    # A Redis that is full, or a copy that may only be read, still answers what it has.
    with suppress(redis.RedisError):
        cache.set(key, told, seconds)
    return told
