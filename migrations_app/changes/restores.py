"""The restore worker's side: whoever is asked for first, and everybody else who waits meanwhile.

A restore mostly waits for AWS. One after the other, the twentieth user of a batch would be back
minutes after the first; nobody who feels the pain waits behind somebody else's.
"""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.conf import settings
from django.db import connection

from migrations_app.changes import running

# How often newcomers are looked for, and when a forward change that did not let go is asked again.
_LOOK, _AGAIN = 0.25, 1.0


def run_restores(first: int) -> set[int]:
    """Do the restore `first`, and those that wait or are asked for meanwhile, several at a time.

    Gives the changes that must wait for a forward call on its way, to be asked again in a second.
    After a slice nobody further is begun: each has a message of its own, and the sweep.
    """
    at_once, ends = settings.IAMCLEANUP_USERS_AT_ONCE, time.monotonic() + running.SLICE
    begun: dict[Future[bool], int] = {}
    # When each was begun last time; whoever need not wait is begun once.
    seen, held = {first: time.monotonic()}, set[int]()
    with ThreadPoolExecutor(at_once, thread_name_prefix="restore") as pool:
        begun[pool.submit(_run, first)] = first
        while begun:
            for ended in wait(begun, _LOOK, FIRST_COMPLETED).done:
                pk = begun.pop(ended)
                (held.add if ended.result() else held.discard)(pk)
            if not begun or time.monotonic() > ends:
                continue
            for pk in running.waiting_restores():
                due = pk not in seen or (pk in held and time.monotonic() > seen[pk] + _AGAIN)
                if due and len(begun) < at_once and pk not in begun.values():
                    seen[pk] = time.monotonic()
                    begun[pool.submit(_run, pk)] = pk
    return held


def _run(pk: int) -> bool:
    try:
        return running.run_restore(pk)
    finally:
        connection.close()
