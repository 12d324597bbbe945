"""A restore worker: nobody waits behind somebody else's restore."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from migrations_app.changes import restores, running

Restore = Callable[[int], bool]


class Queue:
    """Restores that wait, and what was begun; `work` is what one of them does. Time stands still.

    With each look for newcomers `pace` seconds pass. `patience` is how long a turn really waits for
    somebody to end, and `turns` how long it was told to.
    """

    def __init__(self) -> None:
        self.waiting, self.begun = list[int](), list[int]()
        self.work: Restore = lambda _: False
        self.now, self.pace, self.patience = 0.0, 0.0, 0.01
        self.turns = list[float]()
        self._lock, self._turned = threading.Lock(), threading.Condition()

    def run(self, pk: int) -> bool:
        with self._lock:
            self.begun.append(pk)
        must_wait = self.work(pk)
        if not must_wait and pk in self.waiting:
            self.waiting.remove(pk)
        return must_wait

    def look(self) -> Iterator[int]:
        self.now += self.pace
        return iter(list(self.waiting))

    def turn(self, begun: Any, seconds: float, until: str) -> Any:
        with self._turned:
            self.turns.append(seconds)
            self._turned.notify_all()
        return wait(begun, self.patience, until)

    def goes_round(self) -> None:
        """Wait until it went round twice from now on."""
        with self._turned:
            until = len(self.turns) + 3
            assert self._turned.wait_for(lambda: len(self.turns) >= until, 10)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Queue:
    queue = Queue()
    settings.IAMCLEANUP_USERS_AT_ONCE = 10
    monkeypatch.setattr(running, "run_restore", queue.run)
    monkeypatch.setattr(running, "waiting_restores", queue.look)
    monkeypatch.setattr(restores, "time", SimpleNamespace(monotonic=lambda: queue.now))
    monkeypatch.setattr(restores, "wait", queue.turn)
    return queue


def test_the_second_begins_while_the_first_is_under_way(queue: Queue) -> None:
    queue.waiting, second = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 2:
            second.set()
        assert second.wait(10), "The second waits for the first."
        return False

    queue.work = work
    assert restores.run_restores(1) == set()
    assert queue.begun == [1, 2]


def test_whoever_is_asked_for_meanwhile_comes_along(queue: Queue) -> None:
    late = threading.Event()

    def work(pk: int) -> bool:
        if pk == 1:
            queue.waiting.append(7)
            assert late.wait(10)
        late.set()
        return False

    queue.work = work
    restores.run_restores(1)
    assert queue.begun == [1, 7]


def test_no_more_than_the_settings_allow_at_a_time(queue: Queue, settings: Settings) -> None:
    settings.IAMCLEANUP_USERS_AT_ONCE = 2
    queue.waiting = [1, 2, 3, 4, 5]
    busy, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> bool:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        threading.Event().wait(0.03)
        with lock:
            busy -= 1
        return False

    queue.work = work
    restores.run_restores(1)
    assert sorted(queue.begun) == [1, 2, 3, 4, 5]
    assert most == 2


def test_whoever_must_wait_is_asked_again_beside_the_others_and_named_at_the_end(
    queue: Queue,
) -> None:
    queue.waiting, often, queue.pace = [1, 2], threading.Event(), 1.1

    def work(pk: int) -> bool:
        if pk == 2:
            if queue.begun.count(2) == 3:
                often.set()
            return True
        assert often.wait(10), "It is asked once only."
        return False

    queue.work = work
    assert restores.run_restores(1) == {2}


@pytest.mark.parametrize(("seconds", "times"), [(0.9, 1), (1.1, 2)])
def test_whoever_must_wait_is_left_alone_for_a_second(
    queue: Queue, seconds: float, times: int
) -> None:
    queue.waiting, asked = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 2:
            asked.set()
            return True
        assert asked.wait(10)
        queue.goes_round()
        assert queue.begun.count(2) == 1
        queue.now += seconds
        queue.goes_round()
        return False

    queue.work = work
    assert restores.run_restores(1) == {2}
    assert queue.begun.count(2) == times


def test_whoever_is_asked_again_is_begun_once_at_a_time_and_need_not_wait_for_ever(
    queue: Queue,
) -> None:
    queue.waiting, back, queue.pace = [1, 2], threading.Event(), 1.1

    def work(pk: int) -> bool:
        if pk == 1:
            assert back.wait(10)
            return False
        if queue.begun.count(2) == 1:
            return True
        queue.goes_round()
        back.set()
        return False

    queue.work = work
    assert restores.run_restores(1) == set()
    assert queue.begun.count(2) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_each_gives_its_connection_back(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A thread has a connection of its own, and ends."""
    closed: list[bool] = []
    monkeypatch.setattr(restores, "connection", SimpleNamespace(close=lambda: closed.append(True)))
    queue.work = lambda _: bool(1 // (not fails)) and False
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        restores.run_restores(1)
    assert closed == [True]


def test_whoever_still_waits_after_its_turn_is_not_begun_over_and_over(queue: Queue) -> None:
    """A row that nothing can be recorded about waits for the next message."""
    queue.waiting, begun, queue.pace = [1, 2], threading.Event(), 1.1

    def work(pk: int) -> bool:
        if pk == 2:
            queue.waiting.append(2)
            begun.set()
        assert begun.wait(10)
        if pk == 1:
            queue.goes_round()
        return False

    queue.work = work
    restores.run_restores(1)
    assert queue.begun.count(2) == 1


def test_after_its_slice_nobody_further_is_begun(queue: Queue) -> None:
    def work(pk: int) -> bool:
        if pk == 1:
            queue.now += running.SLICE + 1
            queue.waiting.append(2)
            queue.goes_round()
        return False

    queue.work = work
    restores.run_restores(1)
    assert queue.begun == [1]


def test_whoever_finds_no_room_is_not_lined_up_for_after_the_slice(
    queue: Queue, settings: Settings
) -> None:
    settings.IAMCLEANUP_USERS_AT_ONCE = 2
    queue.waiting, over = [1, 2, 3], threading.Event()

    def work(pk: int) -> bool:
        if pk == 1:
            queue.goes_round()
            queue.now += running.SLICE + 1
            over.set()
        return not over.wait(10)

    queue.work = work
    restores.run_restores(1)
    assert queue.begun == [1, 2]


def test_with_the_last_one_it_is_over(queue: Queue) -> None:
    """Whoever is asked for at that moment has a message of its own."""
    queue.patience = 60.0

    def work(_: int) -> bool:
        queue.waiting.append(7)
        return False

    queue.work = work
    restores.run_restores(1)
    assert queue.begun == [1]


def test_newcomers_are_looked_for_several_times_a_second(queue: Queue) -> None:
    restores.run_restores(1)
    assert 0 < max(queue.turns) <= 0.5


def test_a_fault_of_ours_is_heard_of_when_the_others_have_ended(queue: Queue) -> None:
    queue.waiting, ended = [1, 2], threading.Event()
    second = threading.Event()

    def work(pk: int) -> bool:
        if pk == 1:
            assert second.wait(10)
            raise ZeroDivisionError
        second.set()
        threading.Event().wait(0.05)
        ended.set()
        return False

    queue.work = work
    with pytest.raises(ZeroDivisionError):
        restores.run_restores(1)
    assert ended.is_set()
