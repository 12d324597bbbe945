"""The board's one statement puts everybody where a look at each user alone puts them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from inventory import clock, ledger
from inventory.models import Team
from migrations_app.models import Change, Departure, Hit
from migrations_app.soak import board_rows
from migrations_app.soak.board_rows import Scope
from tests import cast
from tests.migrations_app.browsing import at_most, browser, text_of

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def alone(row: Departure, now: datetime) -> tuple[str, bool]:
    """Its column and whether it was called, as DESIGN.md has it."""
    called = row.hits.filter(kind=Hit.Kind.HIT, closed="").exists()
    restoring = row.changes.filter(move="restore", status__in=["queued", "running"]).exists()
    disputed = row.disputed_until is not None and row.disputed_until >= now.date()
    free, due = not restoring and not disputed, row.due_at
    assert due is not None
    if row.irreversible_at:
        return "partly", called
    if free and row.not_before and row.not_before > now:
        return "extended", called
    if row.state == "disabled":
        return "watch", called
    if free and due <= now and not called:
        return "ready", called
    return due.astimezone(ZoneInfo(row.user.account.time_zone)).date().isoformat(), called


@pytest.fixture
def now() -> datetime:
    return clock.now()


@pytest.fixture
def crowd(now: datetime) -> list[Departure]:
    """Eighty users in two accounts and three states, each with what may move it elsewhere."""
    chance = random.Random(11)
    accounts = [
        cast.account(time_zone="Pacific/Auckland"),
        cast.account("210987654321", "staging", time_zone="America/New_York"),
    ]
    teams = [cast.team("payments"), cast.team("platform")]
    for number in range(80):
        state = chance.choice(("disabled", "soaking", "soaking", "owner-assigned"))
        row = cast.departure(
            cast.iam_user(f"u{number}", chance.choice(accounts)),
            state,
            chance.choice(teams),
            protection=chance.choice(("", "", "", "exempt")),
            clock_started_at=now - chance.randrange(1, 24 * 20) * timedelta(hours=1),
            lengthened_by=chance.choice((timedelta(), timedelta(hours=7))),
            not_before=chance.choice((None, None, now - DAY, now + 3 * DAY)),
            disputed_until=chance.choice((None, None, now.date() - DAY, now.date())),
            irreversible_at=chance.choice((None,) * 9 + (now,)),
            watch=7 * DAY,
            soak=14 * DAY,
        )
        if chance.random() < 0.2:
            cast.hit(row, closed=chance.choice(("", "dismissed")))
        if chance.random() < 0.2:
            cast.hit(row, kind=Hit.Kind.KNOCK)
        if state != "owner-assigned" and chance.random() < 0.15:
            cast.change(row, "restore", status=chance.choice(("queued", "failed")))
    return list(Departure.objects.switched_off().select_related("user__account"))


def test_every_column_holds_whom_a_look_at_each_alone_puts_there(
    crowd: list[Departure], now: datetime
) -> None:
    wanted: dict[str, list[tuple[bool, datetime | None, int]]] = defaultdict(list)
    for row in crowd:
        key, called = alone(row, now)
        wanted[key].append((not called, row.due_at, row.pk))

    groups = {group.key: group for group in board_rows.groups(Scope(), now, 3)}

    assert {key: group.users for key, group in groups.items()} == {
        key: len(rows) for key, rows in wanted.items()
    }
    assert {"partly", "extended", "watch", "ready"} < set(groups)
    for key, rows in wanted.items():
        assert [one.departure for one in groups[key].first] == [pk for *_, pk in sorted(rows)[:3]]
        assert groups[key].called == sum(not quiet for quiet, *_ in rows)
        free = [due for quiet, due, _ in rows if quiet and due]
        assert groups[key].earliest == min(free, default=None)


def test_the_list_is_in_the_order_of_the_board_page_by_page(
    crowd: list[Departure], now: datetime
) -> None:
    order = sorted((not alone(row, now)[1], row.due_at, row.pk) for row in crowd)
    pages = [board_rows.by_due(Scope(), now, "", start, 7) for start in range(0, len(crowd), 7)]
    assert [one.departure for page in pages for one in page] == [pk for *_, pk in order]

    keys = Counter(alone(row, now)[0] for row in crowd)
    for key, users in keys.items():
        found = board_rows.by_due(Scope(), now, key, 0, 99)
        assert (len(found), {one.key for one in found}) == (users, {key})


def test_a_team_or_an_account_has_its_own_alone(crowd: list[Departure], now: datetime) -> None:
    team = Team.objects.get(key="payments")
    of_team = [row for row in crowd if row.owner_id == team.pk]
    of_account = [row for row in of_team if row.user.account.name == "staging"]

    for scope, rows in (
        (Scope((team,)), of_team),
        (Scope((team,), "210987654321"), of_account),
    ):
        assert sum(group.users for group in board_rows.groups(scope, now, 0)) == len(rows)
        assert scope.hits(Hit.Kind.KNOCK).count() == sum(
            row.hits.filter(kind=Hit.Kind.KNOCK).count() for row in rows
        )
    assert 0 < len(of_account) < len(of_team)


def test_whoever_is_in_a_delete_batch_is_not_free_for_another(now: datetime) -> None:
    jonas = cast.cast().jonas
    rows = [cast.departure(name, "soaking", clock_started_at=now - 20 * DAY) for name in "ab"]
    batch = cast.batch(rows[0].user.account, jonas, "delete")
    cast.change(rows[0], "delete", batch=batch, status=Change.Status.DRAFT)

    (ready,) = board_rows.groups(Scope(), now, 5)

    assert (ready.key, ready.users, ready.free) == ("ready", 2, 1)
    assert ready.of_account == rows[0].user.account.account_id


def test_columns_are_kept_for_all_viewers_until_something_happens(now: datetime) -> None:
    jonas = cast.cast().jonas
    cast.departure("watched", "disabled", clock_started_at=now)

    def users(*teams: Team) -> int:
        return sum(group.users for group in board_rows.groups(Scope(teams), now, 5))

    assert users() == 1
    other = cast.departure("shut", "soaking", clock_started_at=now)
    with at_most(1):
        assert users() == 1
    assert other.owner is not None
    assert users(other.owner) == 2

    ledger.append("restore.asked", actor=jonas, user=other.user, reason="it hurts")
    assert users() == 2


def test_a_column_knows_at_once_who_came_into_a_draft(now: datetime) -> None:
    everybody = cast.cast()
    rows = [cast.departure(name, "soaking", clock_started_at=now - 20 * DAY) for name in "ab"]
    batch = cast.batch(rows[0].user.account, everybody.jonas, "delete")
    jonas = browser(everybody.jonas)
    assert "Compose delete batch" in text_of(jonas.get("/soak/"))

    for row in rows:
        cast.change(row, "delete", batch=batch, status=Change.Status.DRAFT)
    text = text_of(jonas.get("/soak/"))

    assert f"In batch #{batch.number}" in text
    assert "Compose delete batch" not in text
