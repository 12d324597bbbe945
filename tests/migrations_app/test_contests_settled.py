"""What counts of a contest that was settled, and of what a team said before and since."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from tests import cast

pytestmark = pytest.mark.django_db


def contested(everybody: cast.Cast) -> Departure:
    row = cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)
    return changes.claim(row, everybody.platform, everybody.priya, "needed")


def test_whoever_won_once_may_claim_again_what_went_to_another_since(everybody: cast.Cast) -> None:
    row = changes.settle(contested(everybody), everybody.platform, everybody.jonas)
    row = changes.assign(row, everybody.payments, everybody.jonas)
    row = changes.claim(row, everybody.platform, everybody.priya)
    assert row.contested_by_team == everybody.platform
    row = changes.settle(row, everybody.payments, everybody.jonas)
    with pytest.raises(Refused, match="Security settled that"):
        changes.claim(row, everybody.platform, everybody.priya)


def test_the_winners_answer_stands_though_it_spoke_of_something_else_since(
    everybody: cast.Cast,
) -> None:
    row = changes.claim(cast.departure("ci-x"), everybody.payments, everybody.sara, "can-go")
    row = changes.claim(row, everybody.platform, everybody.priya, "needed")
    until = clock.now().date() + timedelta(days=3)
    row = changes.dispute(row, everybody.priya, "Not this week", until, everybody.platform)
    assert changes.settle(row, everybody.platform, everybody.jonas).answer == "needed"
