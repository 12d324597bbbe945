"""Which plans wait for a group that is broken, and which go on."""

from __future__ import annotations

from typing import Any

import pytest

from inventory import clock
from migrations_app.changes import drift as verbs
from migrations_app.models import Drift
from tests import cast
from tests.migrations_app.center_looks import (
    ANN,
    BEFORE,
    BEN,
    CY,
    MADE,
    PROD,
    RECREATED,
    STAGING,
    broken,
    declare,
    given,
    look,
    planned,
    waits,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def declared(everybody: cast.Cast) -> None:
    declare(everybody)


def test_plans_wait_for_their_group_whatever_its_case_and_go_on_when_it_is_closed(
    everybody: cast.Cast,
) -> None:
    row = broken()
    mine, other = planned(everybody, group="ENG"), planned(everybody, group="data")
    assert verbs.hold_plans() == 1
    assert (waits(mine), waits(other)) == (True, False)
    assert (mine.held_by, mine.held_reason) == (row, "Group eng is gone.")
    Drift.objects.update(closed_at=clock.now())
    assert verbs.hold_plans() == 0
    assert not waits(mine)
    assert mine.held_by is None


def test_a_look_that_finds_it_lets_plans_wait_and_one_that_sees_it_mended_lets_them_go_on(
    everybody: cast.Cast,
) -> None:
    plan = planned(everybody, group="eng")
    look(*BEFORE)
    assert not waits(plan)
    look(*RECREATED)
    assert waits(plan)
    look(RECREATED[0], [given("g-2"), given("g-2", STAGING)])
    assert not waits(plan)


def test_each_plan_waits_for_what_is_in_its_own_way(everybody: cast.Cast) -> None:
    first, second = broken(), broken(group_name="data", headline="Group data is gone")
    plans = [planned(everybody, group=name) for name in ("eng", "data", "eng")]
    assert verbs.hold_plans() == 3
    assert [waits(one) for one in plans] == [True] * 3
    assert [one.held_by for one in plans] == [first, second, first]
    Drift.objects.filter(pk=first.pk).update(closed_at=clock.now())
    assert verbs.hold_plans() == 1
    assert [waits(one) for one in plans] == [False, True, False]


@pytest.mark.parametrize(
    ("user", "account", "name", "held"),
    [
        (ANN, PROD, "Developer", True),
        (BEN, PROD, "Developer", False),
        (ANN, STAGING, "Developer", False),
        (ANN, PROD, "ReadOnly", False),
    ],
)
def test_a_plan_without_a_group_waits_while_its_own_person_lacks_what_it_gives(
    everybody: cast.Cast, user: str, account: str, name: str, held: bool
) -> None:
    lost = [
        {"user_id": CY, "name": "cy", "access": [[STAGING, "ReadOnly"]]},
        {"user_id": user, "name": "x", "access": [[STAGING, "ReadOnly"], [account, name]]},
    ]
    broken(group_name="", lost=lost)
    plan = planned(everybody, person=ANN)
    assert verbs.hold_plans() == held
    assert waits(plan) is held


@pytest.mark.parametrize("columns", [{"breaks": False}, {"closed_at": MADE}])
def test_what_breaks_nothing_or_is_over_holds_no_plan(
    everybody: cast.Cast, columns: dict[str, Any]
) -> None:
    broken(**columns)
    plan = planned(everybody, group="eng")
    assert verbs.hold_plans() == 0
    assert not waits(plan)


def test_a_plan_of_another_way_waits_for_no_group(everybody: cast.Cast) -> None:
    broken()
    plan = planned(everybody, group="eng", target="eks")
    assert verbs.hold_plans() == 0
    assert not waits(plan)
