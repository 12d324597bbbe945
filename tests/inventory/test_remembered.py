"""What is remembered for some seconds is asked anew where Redis cannot help."""

from __future__ import annotations

import pytest
import redis
from django.core.cache import cache

from inventory.remembered import remembered


def test_it_is_asked_once_while_it_is_kept() -> None:
    assert remembered("once", 60, lambda: [1]) == [1]
    assert remembered("once", 60, lambda: [2]) == [1]


@pytest.mark.parametrize("act", ["get", "set"])
def test_a_redis_that_gives_or_takes_nothing_costs_a_question_and_no_page(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise redis.ResponseError("command not allowed when used memory > 'maxmemory'")

    monkeypatch.setattr(cache, act, full)

    assert remembered("full", 60, lambda: [1]) == [1]
