"""Python's collector leaves alone what the start of a web process made."""

from __future__ import annotations

import gc

from iamcleanup import gunicorn


def test_a_web_process_hides_its_start_from_the_collector() -> None:
    gc.unfreeze()
    stays = len(gc.get_objects())

    gunicorn.post_worker_init(None)

    assert gc.get_freeze_count() > stays / 2
    assert len(gc.get_objects()) < stays / 10
    assert gc.get_threshold()[0] > 700


def test_what_a_request_leaves_behind_is_still_collected() -> None:
    gunicorn.post_worker_init(None)
    around: list[object] = []
    around.append(around)
    del around
    assert gc.collect() > 0
