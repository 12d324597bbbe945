"""CIS AWS Foundations on the screens: what the card compares, whom its links show, its export."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from inventory import clock
from inventory import posture as judging
from inventory.models import Account, IamUser, PostureDay
from inventory.posture import Facts, Item, KeyFacts, Status, UserFacts, judge
from migrations_app.lifecycle import State
from migrations_app.users import listing, posture
from migrations_app.users.filters import Filters
from tests import cast
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db

FAILED, PASSED, UNSEEN = Status.FAILED, Status.PASSED, Status.NOT_LOOKED_AT


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def keep(account: Account, *found: Item, first: bool = False, days_ago: int = 0) -> PostureDay:
    """A day of `account` on which these items were so and every other was met."""
    at = clock.now() - timedelta(days=days_ago)
    told = {item.key: item for item in found}
    rows = [told.get(rule.key, Item(rule.key, PASSED, 0, 1)).as_row() for rule in judging.RULES]
    return PostureDay.objects.create(
        account=account,
        day=at.date(),
        first=first,
        at=at,
        benchmark=judging.BENCHMARK,
        items=rows,
    )


def failed(key: str, count: int, total: int = 87, **more: Any) -> Item:
    return Item(key, FAILED, count, total, **more)


def line(card: posture.Card | None, key: str) -> posture.Line:
    assert card is not None
    return next(one for one in card.lines if one.rule.key == key)


def test_there_is_no_card_before_the_first_sync(everybody: cast.Cast) -> None:
    assert posture.card(posture.days("")) is None


@pytest.mark.parametrize(
    ("before", "now", "change", "words"),
    [
        (failed("user-mfa", 43), failed("user-mfa", 12), "better", "31 fewer"),
        (failed("user-mfa", 12), failed("user-mfa", 14), "worse", "2 more"),
        (failed("user-mfa", 12), failed("user-mfa", 12), "same", ""),
        (failed("user-mfa", 1, 1), Item("user-mfa", PASSED), "better", "met now"),
        (Item("user-mfa", PASSED), failed("user-mfa", 1), "worse", "not met any more"),
        (Item("user-mfa", UNSEEN), failed("user-mfa", 1), "", ""),
        (failed("user-mfa", 1), Item("user-mfa", UNSEEN), "", ""),
    ],
)
def test_now_is_compared_with_the_first_whole_sync(
    everybody: cast.Cast, before: Item, now: Item, change: str, words: str
) -> None:
    keep(everybody.account, before, first=True, days_ago=30)
    keep(everybody.account, failed("user-mfa", 80), days_ago=9)
    keep(everybody.account, now)

    found = line(posture.card(posture.days(cast.ACCOUNT_ID)), "user-mfa")

    assert (found.change, found.change_words) == (change, words)


def test_accounts_are_counted_together_and_the_worst_of_them_tells(
    everybody: cast.Cast,
) -> None:
    staging = cast.account("222222222222", "staging")
    for account, item in (
        (everybody.account, failed("user-mfa", 3, 10, protected=1)),
        (staging, Item("user-mfa", UNSEEN, total=4, unread=2, why="Access denied")),
    ):
        keep(account, item)

    card = posture.card(posture.days(""))

    found = line(card, "user-mfa").now
    assert (found.status, found.count, found.total, found.unread) == (FAILED, 3, 14, 2)
    assert found.why == "staging: Access denied"
    assert card is not None
    assert (card.accounts, card.before_at) == (2, None)


def test_all_accounts_are_compared_only_with_a_state_before_of_all(everybody: cast.Cast) -> None:
    staging = cast.account("222222222222", "staging")
    keep(everybody.account, failed("user-mfa", 9), first=True)
    keep(everybody.account, failed("user-mfa", 3))
    keep(staging, failed("user-mfa", 3))

    assert line(posture.card(posture.days("")), "user-mfa").before is None
    keep(staging, failed("user-mfa", 4), first=True)
    assert line(posture.card(posture.days("")), "user-mfa").change_words == "7 fewer"


def test_the_card_shows_now_at_first_and_what_was_not_looked_at(everybody: cast.Cast) -> None:
    cast.departure("a")
    keep(everybody.account, failed("user-mfa", 43), first=True, days_ago=30)
    refused = "DescribeTrails: AccessDenied: <script>no</script>"
    keep(
        everybody.account,
        failed("user-mfa", 12, protected=1),
        Item("trail", UNSEEN, why=refused),
    )

    text = text_of(browser(everybody.vera).get("/"))

    assert "CIS AWS Foundations" in text
    assert "14 of 16 items met, 15 at first, 1 not looked at" in text
    for said in ("12 of 87", "43 of 87", "31 fewer", "1 is protected", "Not looked at"):
        assert said in text
    assert "/users/?view=console-no-mfa" in text
    assert "<script>no" not in text
    assert "&lt;script&gt;no" in text


def facts_of(user: IamUser) -> UserFacts:
    keys = user.credentials.filter(status="Active", gone_at=None)
    return UserFacts(
        user_id=user.user_id,
        created_at=user.created_at,
        has_console_password=user.has_console_password,
        has_mfa=bool(user.mfa),
        password_last_used_at=user.password_last_used_at,
        password_last_changed_at=user.password_last_changed_at,
        active_keys=tuple(KeyFacts(key.created_at, key.last_used_at) for key in keys),
        direct_policies=user.user_name.startswith("direct"),
        full_admin=False,
    )


def many_kinds() -> None:
    """Users at both sides of every limit, one of them gone."""
    now = clock.now()

    def days_ago(days: float) -> Any:
        return now - timedelta(days=days)

    console: Any = {"has_console_password": True}
    cast.departure(cast.iam_user("mfa", **console, mfa=[{"kind": "virtual"}]))
    cast.departure(cast.iam_user("recent", **console, password_last_used_at=days_ago(44)))
    cast.departure(cast.iam_user("away", **console, password_last_used_at=days_ago(45.1)))
    cast.departure(cast.iam_user("changed", **console, password_last_changed_at=days_ago(2)))
    cast.departure(cast.iam_user("never", **console), State.SOAKING)
    cast.departure(cast.iam_user("kept", **console), protection="break-glass")
    cast.departure(cast.iam_user("fenced", attached_policies=[cast.FENCE]), State.DISABLED)
    cast.departure(cast.iam_user("direct", attached_policies=[cast.FENCE, "arn:aws:iam::1:p"]))
    cast.departure(cast.iam_user("direct-inline", inline_policies={"x": {}}))
    cast.departure(cast.iam_user("gone", **console, gone_at=now), State.DELETED)
    for name, keys in (
        ("young", [(89, 1)]),
        ("old", [(91, 1)]),
        ("idle", [(60, None)]),
        ("two", [(10, 1), (20, 46)]),
    ):
        user = cast.iam_user(name)
        for made, used in keys:
            used_at = None if used is None else days_ago(used)
            cast.access_key(user, created_at=days_ago(made), last_used_at=used_at)
        cast.access_key(user, status="Inactive")
        cast.departure(user)


@pytest.mark.parametrize("rule", [rule for rule in judging.RULES if rule.view])
def test_a_link_shows_exactly_whom_the_card_counts(
    everybody: cast.Cast, rule: judging.Rule
) -> None:
    many_kinds()
    now = clock.now()
    present = IamUser.objects.filter(gone_at=None)
    items = judge(Facts(users=[facts_of(user) for user in present]), now)
    expected = next(item for item in items if item.key == rule.key)

    shown = listing.select(Filters(view=rule.view), now)

    assert expected.count > 0
    assert set(shown.values_list("user__user_id", flat=True)) == set(expected.users)


def test_45_days_stand_beside_our_90_and_the_others_when_chosen(everybody: cast.Cast) -> None:
    many_kinds()
    jonas = browser(everybody.jonas)

    assert "Unused, 45 days" in text_of(jonas.get("/users/"))
    assert "Two active keys" not in text_of(jonas.get("/users/"))
    chosen = text_of(jonas.get("/users/?view=two-keys"))
    assert "Two active keys" in chosen
    assert ">1 user<" in chosen


def test_the_export_tells_every_item_of_every_day_and_the_state_before(
    everybody: cast.Cast,
) -> None:
    keep(everybody.account, failed("user-mfa", 43, users=("AIDA1", "AIDA2")), first=True)
    keep(everybody.account, failed("user-mfa", 12), days_ago=1)
    keep(everybody.account, failed("user-mfa", 11))

    vera = browser(everybody.vera)
    rows = list(csv.DictReader(io.StringIO(text_of(vera.get("/posture.csv")))))
    same = json.loads(text_of(vera.get("/posture.json")))

    assert len(rows) == len(same) == 3 * len(judging.RULES)
    mfa = [row for row in rows if row["key"] == "user-mfa"]
    assert [(row["first"], row["count"]) for row in mfa] == [
        ("true", "43"),
        ("false", "12"),
        ("false", "11"),
    ]
    assert (mfa[0]["item"], mfa[0]["item_7_0"]) == ("1.9", "2.10")
    assert mfa[0]["users"] == "AIDA1; AIDA2"
    assert tuple(same[0]) == posture.FIELDS


def test_the_export_holds_the_account_looked_at_alone(everybody: cast.Cast) -> None:
    keep(everybody.account)
    keep(cast.account("222222222222", "staging"))

    text = text_of(browser(everybody.vera).get("/posture.json?account=222222222222"))

    assert {row["account"] for row in json.loads(text)} == {"staging"}


def test_the_command_exports_the_posture(everybody: cast.Cast) -> None:
    keep(everybody.account)
    out = io.StringIO()

    call_command("export", "posture", form="json", stdout=out)

    assert len(json.loads(out.getvalue())) == len(judging.RULES)
