"""Which IAM users the workers themselves are: reported by each at start, read by the guards.

Protection `self` rests on it. Where nobody reported lately, it cannot be told, and no forward write
may begin.
"""

from __future__ import annotations

import functools
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis
from django.conf import settings

from inventory import clock
from inventory.aws.session import Identity, own_identity

_KEY = "iamcleanup:identities"
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Reported:
    """One worker's base credentials. `at` is real time: it says how long ago that worker spoke."""

    identity: Identity
    worker: str
    at: datetime


@functools.cache
def _store() -> redis.Redis[str]:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, decode_responses=True)


def report(worker: str = "") -> Identity:
    """Tell everybody whose base credentials this worker runs on. Raises AwsFailure, RedisError."""
    identity = own_identity()
    name = worker or f"{socket.gethostname()}:{os.getpid()}"
    told = {
        "arn": identity.arn,
        "user_id": identity.user_id,
        "account_id": identity.account_id,
        "at": clock.real_now().isoformat(),
    }
    _store().hset(_KEY, name, json.dumps(told))
    return identity


def see_reported(worker: str) -> None:
    """Report anew where it was forgotten: a Redis that came back empty holds every forward write.

    Raises AwsFailure, RedisError.
    """
    if not _store().hexists(_KEY, worker):
        report(worker)


def reported(within: timedelta = _KEPT) -> frozenset[Reported]:
    """Who reported within that time; empty means that it cannot be told. Raises RedisError."""
    earliest = clock.real_now() - within
    said = set()
    for name, text in _store().hgetall(_KEY).items():
        told = json.loads(text)
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
        if at < earliest:
            _store().hdel(_KEY, name)
            continue
        identity = Identity(told["arn"], told["user_id"], told["account_id"])
        said.add(Reported(identity, str(name), at))
    return frozenset(said)
