"""Threads that ask wait for whoever writes, and for nobody who broke off."""

from __future__ import annotations

from typing import Any, cast

import pytest

from demo.aws.account import Simulator
from inventory.models import Sync, TrailCoverage
from inventory.refresh import lookups
from inventory.refresh.activity import Answer
from tests.inventory.syncs import production, sync


@pytest.mark.django_db
def test_nothing_is_lost_where_rows_are_written_more_slowly_than_aws_answers(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_MOST_AT_ONCE", 1)
    account = production()
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert TrailCoverage.objects.count() == account.users.count() * len(account.enabled_regions)


def test_a_thread_does_not_wait_for_a_writer_that_broke_off() -> None:
    nobody = cast(Any, None)
    talk = lookups._Talk(nobody, nobody, {})
    talk.tell(Answer(1, "us-east-1"))
    assert talk.answers.qsize() == 1
    talk.writing = False
    talk.tell(Answer(2, "us-east-1"))
    assert talk.answers.qsize() == 1
