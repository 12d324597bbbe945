"""Users of the simulated account work on things of theirs, and on what their policies allow."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from demo.aws.account import Simulator
from demo.aws.evaluation import effect, identity_documents
from demo.aws.work import _IN_POLICIES, works_of
from inventory.rights.called import actions_of
from inventory.rights.named import resources_of

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    made = Simulator(206, 60, lambda: NOW, lookup_rate=0)
    made.advance()
    return made


def test_every_work_is_allowed_by_the_policy_it_is_drawn_from(simulator: Simulator) -> None:
    account = simulator.account
    told = 0
    for user in account.users.values():
        documents = list(identity_documents(account, user))
        for one in works_of(account, user):
            for action in actions_of(one.service, one.event):
                assert any(effect(each, action, "*", {}) == "Allow" for each in documents), one
                told += 1
    assert told > 100


def test_events_name_what_a_user_works_on_and_the_same_ones_each_time(
    simulator: Simulator,
) -> None:
    named: defaultdict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    plain = 0
    for region in simulator.trail(simulator.account.id).regions.values():
        for event in region.events:
            if event.identity["type"] != "IAMUser":
                continue
            if event.params and (arns := resources_of(event.record())):
                named[event.username, event.name].add(arns)
            plain += not event.params
    assert len({user for user, _ in named}) > 15
    assert all(len(arns) == 1 for arns in named.values())
    assert plain


@pytest.mark.parametrize("event", ["lambda:ListFunctions20150331", "s3:ListBuckets"])
def test_a_habit_is_called_in_policies_as_the_product_reads_it(event: str) -> None:
    assert actions_of(*event.split(":")) == (_IN_POLICIES[event].lower(),)
