"""The threads of a batch: all work is done, kept threads serve again, and faults are told."""

from __future__ import annotations

import threading

import pytest

from migrations_app.changes.crew import Crew


def names(crew: Crew, times: int) -> set[str]:
    """The threads that did this much work at the same time."""
    together, found = threading.Barrier(times, timeout=10), set[int]()

    def work() -> None:
        together.wait()
        found.add(threading.get_ident())

    crew.run(work, times)
    return {str(one) for one in found}


def test_so_many_work_at_once_and_the_same_threads_serve_again() -> None:
    crew = Crew(idle=5)
    first = names(crew, 3)
    assert len(first) == 3
    assert names(crew, 3) == first
    assert len(names(crew, 5) - first) == 2


def test_everybody_ends_before_a_fault_is_told_and_the_thread_goes_on() -> None:
    crew, done = Crew(idle=5), list[int]()
    turn = iter(range(3))

    def work() -> None:
        number = next(turn)
        if number == 0:
            raise ValueError("broken")
        done.append(number)

    with pytest.raises(ValueError, match="broken"):
        crew.run(work, 3)
    assert sorted(done) == [1, 2]
    assert len(names(crew, 3)) == 3


def test_who_had_nothing_to_do_ends_and_others_begin_when_there_is_work() -> None:
    crew = Crew(idle=0.05)
    before = set(threading.enumerate())
    names(crew, 2)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert len(names(crew, 2)) == 2
