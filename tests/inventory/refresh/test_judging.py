"""Verdicts of a whole account are written in slices, and only where they say something new."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.aws.account import Simulator
from inventory import refresh
from inventory.models import Account, IamUser, Sync
from inventory.refresh import judging
from inventory.refresh.run import Run
from tests import cast
from tests.inventory.syncs import production, step, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(simulator: Simulator) -> Account:
    return production()


def test_a_slice_that_ends_goes_on_with_whoever_is_not_judged_yet(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "AT_ONCE", 5)
    judged: list[list[int]] = []
    real = judging.Bench.judge

    def noted(bench: judging.Bench, pks: Sequence[int]) -> None:
        judged.append(list(pks))
        real(bench, pks)

    monkeypatch.setattr(judging.Bench, "judge", noted)
    left = Run.time_left
    monkeypatch.setattr(
        Run,
        "time_left",
        lambda run: 0.0 if run.step("judge")["status"] == "running" else left(run),
    )
    asked = refresh.ask_sync(account, None)
    slices = 1
    while refresh.run_sync(asked.pk):
        slices += 1
        asked.refresh_from_db()
        done = IamUser.objects.exclude(judged_at=None).count()
        assert step(asked, "judge")["done"] == done == 5 * (slices - 1)
    asked.refresh_from_db()
    assert (asked.status, slices) == (Sync.Status.WHOLE, 5)
    in_step = [pk for pks in judged[:5] for pk in pks]
    assert in_step == sorted(IamUser.objects.values_list("pk", flat=True))


def test_a_verdict_that_stays_is_not_written_again(account: Account) -> None:
    sync(account)
    refresh.judge(IamUser.objects.all())
    with CaptureQueriesContext(connection) as asked:
        refresh.judge(IamUser.objects.all())
    assert not [query for query in asked if query["sql"].startswith("UPDATE")]


def test_another_verdict_is_written_for_that_user_alone(account: Account) -> None:
    sync(account)
    refresh.judge(IamUser.objects.all())
    before = dict(IamUser.objects.values_list("pk", "judged_at"))
    key = cast.access_key(IamUser.objects.all()[0])
    refresh.judge(IamUser.objects.all())
    after = dict(IamUser.objects.values_list("pk", "judged_at"))
    assert {pk for pk in after if after[pk] != before[pk]} == {key.user_id}
