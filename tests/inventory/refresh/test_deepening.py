"""What users do is read further back, each event counted once, and never taken for a fresh look."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import Sum

from demo.aws.account import Simulator
from demo.aws.acts import act
from inventory.aws.session import open_session
from inventory.models import Account, Activity, IamUser, TrailCoverage
from inventory.refresh.deepening import deepen
from tests.inventory import syncs

pytestmark = pytest.mark.django_db


def busy(simulator: Simulator) -> str:
    """A user that made calls of many kinds, more than a page, some days before now."""
    name = next(
        user.name
        for user in simulator.account.users.values()
        if any(key.status == "Active" for key in user.keys.values())
    )
    for day in range(6):
        for number in range(20):
            event = f"Describe{chr(65 + day)}{'x' * (number % 3)}"
            # What happens at once is told apart by where it comes from.
            call = {"act": "call", "user": name, "ip": f"203.0.113.{number}"}
            act(simulator, call | {"service": "ec2", "event": event})
        syncs.move(days=1)
    for number in range(60):
        call = {"act": "call", "user": name, "ip": f"203.0.113.{number}"}
        act(simulator, call | {"service": "ecs", "event": "UpdateService"})
    syncs.move(hours=1)
    return name


def deepened(account: Account) -> set[int]:
    session = open_session(account, "reader")
    return deepen(account, IamUser.objects.filter(account=account), session, lambda: True)


def test_what_a_sync_left_unread_is_read_once(simulator: Simulator) -> None:
    name = busy(simulator)
    account = syncs.production()
    syncs.sync(account)
    user = syncs.row(name)
    before = TrailCoverage.objects.get(user=user, region="us-east-1")
    told = Activity.objects.filter(user=user, region="us-east-1")
    first = told.aggregate(Sum("count"))["count__sum"]

    assert user.pk in deepened(account)

    after = TrailCoverage.objects.get(user=user, region="us-east-1")
    assert before.read_from is not None
    assert after.read_from is not None
    assert after.read_from < before.read_from - timedelta(days=5)
    assert (after.read_to, after.looked_at) == (before.read_to, before.looked_at)
    made = told.filter(
        action__startswith="Describe", service="ec2", action__regex="^Describe[A-F]x*$"
    )
    assert made.aggregate(Sum("count"))["count__sum"] == 120
    assert told.filter(action="UpdateService").aggregate(Sum("count"))["count__sum"] == 60
    total = told.aggregate(Sum("count"))["count__sum"]
    assert total > first

    assert user.pk not in deepened(account)
    assert told.aggregate(Sum("count"))["count__sum"] == total


def test_a_region_that_refuses_leaves_what_was_read(simulator: Simulator) -> None:
    busy(simulator)
    account = syncs.production()
    syncs.sync(account)
    before = list(TrailCoverage.objects.order_by("pk").values())
    syncs.fault(simulator, "access-denied", "LookupEvents")

    assert deepened(account) == set()
    assert list(TrailCoverage.objects.order_by("pk").values()) == before
