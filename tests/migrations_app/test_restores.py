"""A restore worker: nobody waits behind somebody else's restore."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from migrations_app.changes import restores, running

Restore = Callable[[int], bool]


class Queue:
    """Restores that wait, and what was begun; `work` is what one of them does."""

    def __init__(self, *waiting: int) -> None:
        self.waiting, self.begun, self.lock = list(waiting), list[int](), threading.Lock()
        self.work: Restore = lambda _: False

    def run(self, pk: int) -> bool:
        with self.lock:
            self.begun.append(pk)
        must_wait = self.work(pk)
        if not must_wait and pk in self.waiting:
            self.waiting.remove(pk)
        return must_wait


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Queue:
    queue = Queue()
    settings.IAMCLEANUP_USERS_AT_ONCE = 10
    monkeypatch.setattr(running, "run_restore", queue.run)
    monkeypatch.setattr(running, "waiting_restores", lambda: iter(list(queue.waiting)))
    monkeypatch.setattr(restores, "_LOOK", 0.01)
    monkeypatch.setattr(restores, "_AGAIN", 0.05)
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
    queue.waiting, often = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 2:
            if queue.begun.count(2) == 3:
                often.set()
            return True
        assert often.wait(10), "It is asked once only."
        return False

    queue.work = work
    assert restores.run_restores(1) == {2}


def test_whoever_must_wait_is_left_alone_for_a_while(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restores, "_AGAIN", 60.0)
    queue.waiting, asked = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 2:
            asked.set()
            return True
        assert asked.wait(10)
        # Long enough to be looked at many times.
        threading.Event().wait(0.1)
        return False

    queue.work = work
    assert restores.run_restores(1) == {2}
    assert queue.begun.count(2) == 1


def test_whoever_is_asked_again_is_begun_once_at_a_time_and_need_not_wait_for_ever(
    queue: Queue,
) -> None:
    queue.waiting, back = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 1:
            assert back.wait(10)
            return False
        if queue.begun.count(2) == 1:
            return True
        # As long as several times of asking again.
        threading.Event().wait(0.3)
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
    queue.waiting, begun = [1, 2], threading.Event()

    def work(pk: int) -> bool:
        if pk == 2:
            queue.waiting.append(2)
            begun.set()
        # Long enough to be looked at many times.
        assert begun.wait(10)
        threading.Event().wait(0.1)
        return False

    queue.work = work
    restores.run_restores(1)
    assert queue.begun.count(2) == 1


def test_after_its_slice_nobody_further_is_begun(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE", 0.0)
    queue.waiting = [1, 2]
    queue.work = lambda _: bool(threading.Event().wait(0.05))
    restores.run_restores(1)
    assert queue.begun == [1]


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
