"""The promise about verdict, category and owner, on one account read whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from bench import case, evidence, ground, judgement

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evidence.Measured:
    for name, value in ground.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(settings, "IAMCLEANUP_SANDBOX_ACCOUNTS", [case.ACCOUNT])
    return evidence.measure(206, 206)


def test_every_verdict_is_right_and_nine_categories_of_ten(measured: evidence.Measured) -> None:
    assert measured.wrong_verdicts == []
    assert measured.categories_right >= 0.9
    wrong = measured.wrong_categories.total()
    assert measured.wrong_with_low_confidence * 2 > wrong
    # Low confidence means something only if most are sure.
    assert measured.confidences["low"] * 5 < measured.users
    assert measured.first.precision > 0.95
    assert measured.claimed.coverage > 0.6
    one_region, every_region = measured.scripts
    assert one_region.active_called_silent > every_region.active_called_silent > 0
    # The page tells what this run counted.
    page = judgement.REPORT.read_text()
    for line in judgement._account(measured):
        assert line in page
