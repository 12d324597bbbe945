"""Pacing of AWS calls, shared by all workers through Redis, on real time.

A generic cell rate algorithm without burst: of a limiter of 2 per second never more than two pass
in any second, over all processes. Who comes a little late, because sleep and network are never
exact, gets that moment back at the next call, but two calls never stand closer than `_CLOSEST` of
the interval. A restore passes before everybody else.
"""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import dataclass

import redis
from django.conf import settings
from redis.commands.core import Script

from inventory.models import Account

log = logging.getLogger(__name__)

# A little under AWS's 2 per second: what leaves evenly may arrive unevenly. Two calls are at least
# 0.51 s apart, so a third one never falls into any second.
LOOKUPS_PER_SECOND = 1.9
# AWS publishes no rates for IAM. These read 200 users in a minute.
READS_PER_SECOND = 40.0
LAST_ACCESSED_PER_SECOND = 15.0
_AHEAD_MS = 1500
# Of the interval: 0.97 / 1.9 per second = 0.5105 s.
_CLOSEST = 0.97

# KEYS: next free moment, somebody-goes-first mark. ARGV: interval in µs, whether first, mark in ms,
# the smallest gap in µs.
# Answers the µs to wait; 0 means that the call was let through and its interval is taken.
_GCRA = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
if ARGV[2] == '1' then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  return interval * 2
end
local free = tonumber(redis.call('GET', KEYS[1]) or '0')
if free > now then return free - now end
local kept = math.ceil(interval / 1000) + 1000
local following = math.max(free + interval, now + tonumber(ARGV[4]))
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', kept)
return 0
"""


@functools.cache
def _script() -> Script:
    store = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2)
    return store.register_script(_GCRA)


@dataclass(frozen=True, slots=True)
class Limiter:
    """At most `rate` calls per second under `key`, over all processes."""

    key: str
    rate: float

    @classmethod
    def for_writes(cls, account: Account) -> Limiter:
        """IAM writes in one account, at the account's declared rate."""
        return cls(f"writes:{account.account_id}", max(1, account.write_rate))

    @classmethod
    def for_lookups(cls, account: Account, region: str) -> Limiter:
        """LookupEvents in one account and Region: AWS allows 2 per second to all callers."""
        return cls(f"lookups:{account.account_id}:{region}", LOOKUPS_PER_SECOND)

    @classmethod
    def for_reads(cls, account: Account) -> Limiter:
        """IAM reads of a sync: whole accounts are read, and deployments share these limits."""
        return cls(f"reads:{account.account_id}", READS_PER_SECOND)

    @classmethod
    def for_last_accessed(cls, account: Account) -> Limiter:
        """Service last accessed, which AWS throttles early."""
        return cls(f"last-accessed:{account.account_id}", LAST_ACCESSED_PER_SECOND)

    def wait(self, *, first: bool = False) -> None:
        """Block until one call may go. `first` (a restore) passes before all who are not first.

        While Redis is down each caller paces itself: a restore must not depend on it.
        """
        while True:
            try:
                delay = self._ask(first=first)
            except redis.RedisError as error:
                log.warning("The shared limiter does not answer (%s); pacing alone.", error)
                time.sleep(1 / self.rate)
                return
            if delay <= 0:
                return
            time.sleep(delay)

    def _ask(self, *, first: bool) -> float:
        """Seconds to wait before asking again; 0 if the call may go now."""
        keys = [f"iamcleanup:limiter:{self.key}", f"iamcleanup:limiter:{self.key}:first"]
        interval = 1_000_000 / self.rate
        arguments = [
            str(int(interval)),
            "1" if first else "0",
            str(_AHEAD_MS),
            str(int(interval * _CLOSEST)),
        ]
        return int(_script()(keys, arguments)) / 1_000_000
