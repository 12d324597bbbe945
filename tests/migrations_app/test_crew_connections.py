"""The threads of a batch: begun where one is missing, each with a connection while it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from migrations_app.changes import crew as module
from migrations_app.changes.crew import Crew


class Connections:
    """What each thread did with its own: "looks" before a job, "closes"."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def of(self, thread: int) -> list[str]:
        return [what for one, what in self.told if one == thread]

    def close(self) -> None:
        self.told.append((threading.get_ident(), "closes"))

    def close_if_unusable_or_obsolete(self) -> None:
        self.told.append((threading.get_ident(), "looks"))


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    made = Connections()
    monkeypatch.setattr(module, "connection", made)
    return made


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 4
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def ends(crew: Crew, work: Callable[[], None], times: int) -> None:
    """Run it, and fail where that would take for ever; raises what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            crew.run(work, times)
        except BaseException as fault:  # noqa: BLE001 (raised by whoever waits)
            raised.append(fault)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(5)
    assert not running.is_alive(), "It waits for somebody who never comes."
    for fault in raised:
        raise fault


def together(crew: Crew, many: int) -> set[int]:
    """Run a job that ends only when so many are at it; the threads that did."""
    barrier, threads = threading.Barrier(many), list[int]()

    def work() -> None:
        threads.append(threading.get_ident())
        barrier.wait(4)

    ends(crew, work, many)
    until(lambda: crew._free >= many)
    assert len(threads) == many
    return set(threads)


def test_as_many_as_are_asked_for_work_at_once(connections: Connections) -> None:
    assert len(together(Crew(idle=0.2), 3)) == 3


def test_the_next_slice_has_the_same_threads_with_their_connections(
    connections: Connections,
) -> None:
    crew = Crew(idle=5)
    first = together(crew, 2)
    assert together(crew, 2) == first
    for thread in first:
        # What broke or grew old meanwhile is opened anew before each job.
        assert connections.of(thread) == ["looks", "looks"]


def test_only_whoever_is_missing_is_begun(connections: Connections) -> None:
    crew = Crew(idle=5)
    first = together(crew, 1)
    assert len(together(crew, 3) - first) == 2
    assert len(together(crew, 2)) == 2
    until(lambda: crew._free == 3)


def test_whoever_had_nothing_to_do_for_a_while_hangs_up_and_ends(connections: Connections) -> None:
    crew = Crew(idle=0.05)
    (thread,) = together(crew, 1)
    until(lambda: connections.of(thread) == ["looks", "closes"])
    until(lambda: crew._free == 0)
    assert len(together(crew, 2)) == 2


def test_a_fault_is_told_when_everybody_has_ended(connections: Connections) -> None:
    crew, ended, turns = Crew(idle=5), threading.Event(), iter(range(2))
    lock, broke = threading.Lock(), threading.Event()
    broken: list[int] = []

    def work() -> None:
        with lock:
            turn = next(turns)
        if turn == 0:
            broken.append(threading.get_ident())
            broke.set()
            raise ZeroDivisionError
        assert broke.wait(4)
        time.sleep(0.05)
        ended.set()

    with pytest.raises(ZeroDivisionError):
        ends(crew, work, 2)
    assert ended.is_set()
    # Nobody knows in what state it left its connection.
    assert connections.of(broken[0])[:2] == ["looks", "closes"]
    until(lambda: crew._free >= 1)


def test_a_fault_ends_no_thread(connections: Connections) -> None:
    crew = Crew(idle=5)

    def breaks() -> None:
        raise SystemExit

    for _ in range(2):
        with pytest.raises(SystemExit):
            ends(crew, breaks, 1)
        until(lambda: crew._free == 1)
    assert len({thread for thread, _ in connections.told}) == 1
