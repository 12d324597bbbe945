"""Where the worker that sends may die. Loaded by the worker under test, by nobody else.

A one-shot key in Redis makes it die by SIGKILL after the channel has taken the message and before
anybody wrote that down: the moment in which a message can be lost or doubled.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import redis
from django.conf import settings

from migrations_app.outgoing import outbox

ARMED = "tests:outbox:dies"
_really_end = outbox._accepted


def _accepted(*how: Any) -> None:
    if redis.Redis.from_url(settings.REDIS_URL).getdel(ARMED):
        os.kill(os.getpid(), signal.SIGKILL)
    _really_end(*how)


# Nothing of it is undone: the worker is there for this alone.
pytest.MonkeyPatch().setattr(outbox, "_accepted", _accepted)
