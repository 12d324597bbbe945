"""The reference case from the first sync to the last deletion, in batches of twenty."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from bench import case, ground, reference_case

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> case.Result:
    for name, value in ground.environment(tmp_path, ground.MONDAY).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings, "IAMCLEANUP_SANDBOX_ACCOUNTS", [case.ACCOUNT])
    return case.run()


def test_all_76_dormant_users_are_gone_by_the_answer_of_aws(result: case.Result) -> None:
    assert (result.users, result.quiet, result.gone) == (206, 76, 76)
    assert [users for move, users, _, _ in result.batches if move == "disable"] == [20, 20, 20, 16]
    assert [users for move, users, _, _ in result.batches if move == "delete"] == [20, 20, 20, 16]
    assert all(done == users for _, users, done, _ in result.batches)
    assert result.writes_to_break_glass == 0
    assert min(result.settled) >= timedelta(hours=24)
    assert min(result.noticed) >= timedelta(days=2)
    # Everybody in use has a plan but the break-glass user, and every file of all can be read.
    assert (result.plans.in_use, result.plans.without) == (129, 1)
    assert result.plans.answered.total() == 129
    assert result.plans.answered["Secrets Manager rotation"] == 2
    assert result.plans.broken == []
    assert result.plans.unexplained == 0
    assert result.plans.scoped > result.plans.allowing / 3
    assert result.plans.dropped > 0.95
    # The page tells what this run counted; what is used moves with the minutes that it takes.
    told, written = reference_case.report(result), reference_case.REPORT.read_text()
    assert _without_plans(told) == _without_plans(written)
    for name, way in result.plans.ways.items():
        assert f"| {name} | {way.plans} |" in written


def _without_plans(page: str) -> tuple[str, str]:
    before, _, rest = page.partition(reference_case.PLANS)
    return before, rest.partition(reference_case.DISPOSAL)[2]
