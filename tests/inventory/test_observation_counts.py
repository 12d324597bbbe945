"""How many changes syncs saw is kept, and is what counting them anew gives, whoever wrote."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from itertools import count

import pytest

from inventory import clock
from inventory.models import Account, Observation, ObservationCount, Sync
from tests import cast

pytestmark = pytest.mark.django_db
KINDS = ("key-made", "policy-attached", "first-look")
_keys = count(1)


def anew() -> Counter[tuple[int, object, str]]:
    return Counter(
        (one.account_id, one.seen_at, one.kind) for one in Observation.objects.filter(explained="")
    )


def kept() -> Counter[tuple[int, object, str]]:
    rows = ObservationCount.objects.filter(number__gt=0)
    return Counter({(one.account_id, one.seen_at, one.kind): one.number for one in rows})


def look(account: Account, chance: random.Random) -> list[Observation]:
    """What one sync saw: up to nine changes of a few kinds, some of them our own doing."""
    at = clock.now() - timedelta(hours=chance.randrange(300))
    sync = Sync.objects.create(account=account, asked_at=at, status="whole")
    return [
        Observation(
            account=account,
            sync=sync,
            kind=chance.choice(KINDS),
            key=str(next(_keys)),
            seen_at=at,
            explained=chance.choice(("", "", "batch #1")),
        )
        for _ in range(chance.randrange(1, 10))
    ]


def test_the_kept_numbers_follow_a_long_run_of_looks_corrections_and_removals() -> None:
    chance = random.Random(7)
    accounts = [cast.account(), cast.account("210987654321", "staging")]
    seen: list[Counter[tuple[int, object, str]]] = []
    for _ in range(60):
        act, some = chance.randrange(6), Observation.objects.order_by("?")[:3].values("pk")
        if act == 0:
            Observation.objects.filter(pk__in=[one["pk"] for one in some]).delete()
        elif act == 1:
            Observation.objects.filter(pk__in=[one["pk"] for one in some]).update(explained="x")
        elif act == 2:
            Observation.objects.filter(pk__in=[one["pk"] for one in some]).update(explained="")
        else:
            rows = look(chance.choice(accounts), chance)
            # A slice that is repeated tells nothing twice.
            for _ in range(2):
                Observation.objects.bulk_create(rows, batch_size=4, ignore_conflicts=True)
        seen.append(anew())
        assert kept() == seen[-1]
    assert max(map(Counter.total, seen)) > 50


def test_an_account_takes_its_numbers_with_it() -> None:
    account = cast.account()
    Observation.objects.bulk_create(look(account, random.Random(1)))

    account.delete()

    assert not ObservationCount.objects.exists()
