"""Head counts: kept per account, counted anew when something happened, days kept once over."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from django.db.models import Sum

from inventory import clock, ledger
from inventory.models import Account, Sync
from migrations_app.claims import claiming, owing
from migrations_app.lifecycle import State
from migrations_app.models import DayCount, Departure, GivenAnswer, HeadCount
from migrations_app.progress import headcount, overview
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db


def left(accounts: list[Account] | None = None) -> int:
    rows = headcount.kept(clock.now()) if accounts is None else accounts
    return overview.situation(rows).left


def test_what_was_counted_is_not_counted_again_while_nothing_happened() -> None:
    cast.departure("a")
    headcount.kept(clock.now())
    Departure.objects.update(protection="exempt")

    with at_most(1):
        assert left() == 1


def test_a_ledger_entry_about_an_account_counts_that_account_anew() -> None:
    other = cast.account("210987654321", "staging")
    first = cast.departure("a")
    cast.departure(cast.iam_user("b", other))
    headcount.kept(clock.now())
    Departure.objects.update(protection="exempt")

    ledger.append("protection.set", user=first.user)

    assert left() == 1
    assert {row.account.name: row.entry for row in HeadCount.objects.select_related("account")} == {
        "production": 1,
        "staging": 0,
    }


@pytest.mark.parametrize("later", [timedelta(minutes=15), timedelta(days=1)])
def test_a_count_does_not_grow_old(later: timedelta) -> None:
    cast.departure("a")
    headcount.kept(clock.now())
    Departure.objects.update(protection="exempt")

    assert left(headcount.kept(clock.now() + later)) == 0


def test_a_sync_counts_anew() -> None:
    cast.departure("a")
    headcount.kept(clock.now())
    Departure.objects.update(protection="exempt")
    Account.objects.update(last_whole_at=clock.now())

    assert left() == 0


def test_two_accounts_cost_no_more_than_one() -> None:
    cast.departure("a")
    cast.departure(cast.iam_user("b", cast.account("210987654321", "staging")))

    with at_most(5):
        headcount.kept(clock.now())


def test_each_day_that_is_over_is_kept_once_and_stays_as_it_was() -> None:
    now = clock.now()
    seen = now - timedelta(days=4)
    cast.departure(cast.iam_user("a", first_seen_at=seen), State.DELETED, deleted_at=now)
    cast.departure(cast.iam_user("b", first_seen_at=seen))

    headcount.kept(now)
    Departure.objects.update(protection="exempt")
    headcount.kept(now + timedelta(days=1))

    assert list(DayCount.objects.values_list("left", flat=True)) == [2, 2, 2, 2, 0]


def test_a_disable_takes_access_on_its_day_and_a_restore_gives_it_back() -> None:
    now = clock.now()
    user = cast.iam_user("a", first_seen_at=now - timedelta(days=5))
    row = cast.departure(user, State.OWNER_ASSIGNED)
    for move, ago in (("disable", 4), ("restore", 2)):
        cast.change(row, move, status="done", finished_at=now - timedelta(days=ago))

    accounts = headcount.kept(now)

    days = headcount.history(accounts, now.date())
    assert [day["all_with_access"] for day in days] == [1, 0, 0, 1, 1]


def test_what_the_first_whole_sync_found_is_kept_to_compare_with() -> None:
    cast.departure(cast.iam_user("a", privilege="admin"))
    headcount.kept(clock.now())
    Departure.objects.update(state=State.DELETED, deleted_at=clock.now(), deleted_outside=True)

    accounts = headcount.kept(clock.now() + timedelta(minutes=20))

    admin = next(risk for risk in overview.risks(accounts) if risk.view == "admin")
    assert (admin.count, admin.was, admin.was_on) == (0, 1, seen_first())


def test_who_began_to_count_before_the_first_sync_was_whole_does_not_undo_what_it_found() -> None:
    account = cast.account(last_whole_at=None)
    cast.departure(cast.iam_user("a", privilege="admin"))
    (slow,) = headcount.kept(clock.now())
    account.last_whole_at = clock.now()
    account.save()
    headcount.kept(clock.now())

    headcount.count([slow], clock.now())

    (now,) = headcount.kept(clock.now())
    assert (now.headcount.first["admin"], now.headcount.first_on) == (1, seen_first())


def seen_first() -> date:
    return (clock.now() - timedelta(days=30)).date()


def test_before_the_first_whole_sync_there_is_nothing_to_compare_with() -> None:
    cast.account(last_whole_at=None)
    cast.departure(cast.iam_user("a", privilege="admin"))

    assert {risk.was for risk in overview.risks(headcount.kept(clock.now()))} == {None}


def test_while_the_first_sync_runs_a_risk_that_is_not_read_yet_is_no_zero() -> None:
    account = cast.account(last_whole_at=None)
    cast.departure(cast.iam_user("a", privilege="admin"))
    sync = Sync.objects.create(account=account, status=Sync.Status.RUNNING, asked_at=clock.now())

    told = {(risk.count, risk.fact) for risk in overview.risks(headcount.kept(clock.now()))}
    assert told == {(None, "not read yet")}

    # One that ended, even in part, tells what it read, also while the next one runs.
    sync.status = Sync.Status.PARTIAL
    sync.save()
    Sync.objects.create(account=account, status=Sync.Status.RUNNING, asked_at=clock.now())
    counts = [risk.count for risk in overview.risks(headcount.kept(clock.now()))]
    assert counts == [0, 0, 1, 0]


def test_a_product_without_accounts_has_nothing_to_count() -> None:
    assert headcount.kept(clock.now()) == []
    headcount.keep_up()


def test_who_is_off_may_go_after_the_soak_and_all_others_after_watch_and_soak() -> None:
    now = clock.now()
    cast.departure("shut", State.SOAKING, clock_started_at=now - timedelta(days=10))
    cast.departure("fenced", State.DISABLED, clock_started_at=now - timedelta(days=1))
    cast.departure("in use", State.OWNER_ASSIGNED)
    accounts = headcount.kept(now)

    found = overview.may_go(accounts, now.date(), overview.situation(accounts))

    assert {(day - now.date()).days: number for day, number in found.items()} == {
        4: 1,
        20: 1,
        21: 1,
    }


def test_the_answers_owed_are_the_cards_of_the_claim_page_that_are_open() -> None:
    everybody = cast.cast()
    payments, platform = everybody.payments, everybody.platform
    yesterday = clock.now().date() - timedelta(days=1)
    rows = {
        "suggested": cast.departure(cast.iam_user("1", suggested_team=payments)),
        "of others": cast.departure(cast.iam_user("2", suggested_team=platform)),
        "own": cast.departure("3", State.OWNER_ASSIGNED, payments),
        "answered": cast.departure("4", State.OWNER_ASSIGNED, payments, answer="can-go"),
        "off": cast.departure("5", State.DISABLED, payments),
        "adopted": cast.departure("6", State.OWNER_ASSIGNED, payments),
        "offered": cast.departure("7", State.OWNER_ASSIGNED, platform, handed_to=payments),
        "not ours": cast.departure(cast.iam_user("8", suggested_team=payments)),
        "named": cast.departure(cast.iam_user("9")),
        "dispute over": cast.departure(
            cast.iam_user("10", suggested_team=payments), disputed_until=yesterday
        ),
        "came back": cast.departure(cast.iam_user("11", suggested_team=payments)),
        "claimed": cast.departure("12", claim_pending_team=payments),
        "contested": cast.departure(
            cast.iam_user("13", suggested_team=payments), contested_by_team=payments
        ),
        "protected": cast.departure(
            cast.iam_user("14", suggested_team=payments), protection="exempt"
        ),
        "undone": cast.departure("15"),
        "gone": cast.departure(cast.iam_user("16", suggested_team=payments, gone_at=clock.now())),
    }
    said = (
        ("adopted", payments, "adopt", None),
        ("not ours", payments, "not-ours", None),
        ("named", platform, "not-ours", payments),
        ("dispute over", payments, "dispute", None),
        ("came back", payments, "hand-over", platform),
        ("came back", platform, "came-back", None),
        ("undone", payments, "undo", None),
    )
    for minute, (name, team, word, whose) in enumerate(said):
        GivenAnswer.objects.create(
            departure=rows[name],
            team=team,
            at=clock.now() + timedelta(minutes=minute),
            said=word,
            whose=whose,
        )
    now = clock.now()

    for team in (payments, platform, everybody.security):
        cards = claiming.page_of(team, now).open_cards
        owed = owing.owed(team, now).order_by("pk")
        assert [
            card.departure.pk for card in sorted(cards, key=lambda card: card.departure.pk)
        ] == [row.pk for row in owed]
    assert {name for name, row in rows.items() if row in owing.owed(payments, now)} == {
        "suggested",
        "own",
        "offered",
        "named",
        "dispute over",
        "came back",
        "claimed",
        "undone",
    }


def test_the_days_of_all_accounts_are_the_sum_of_theirs_whatever_is_done_to_them() -> None:
    chance = random.Random(3)
    accounts = [cast.account(), cast.account("210987654321", "staging")]
    today = clock.now().date()
    for _ in range(40):
        account, act = chance.choice(accounts), chance.randrange(4)
        some = DayCount.objects.filter(account=account, day__gt=today - timedelta(days=9))
        if act == 0:
            some.delete()
        elif act == 1:
            some.update(left=chance.randrange(90), with_access=chance.randrange(90))
        else:
            rows = [
                DayCount(
                    account=account,
                    day=today - timedelta(days=chance.randrange(30)),
                    left=chance.randrange(90),
                    with_access=chance.randrange(90),
                )
                for _ in range(5)
            ]
            DayCount.objects.bulk_create(rows, batch_size=2, ignore_conflicts=True)
        days = DayCount.objects.order_by("day").values("day")
        anew = days.annotate(all_left=Sum("left"), all_with_access=Sum("with_access"))
        kept = headcount.history(accounts, today + timedelta(days=1))
        # A day on which no account is kept any more is nobody's.
        assert [row for row in kept if row["all_left"] or row["all_with_access"]] == [
            row for row in anew if row["all_left"] or row["all_with_access"]
        ]


def test_one_account_alone_has_its_own_days() -> None:
    account = cast.account()
    today = clock.now().date()
    for other, left in ((account, 3), (cast.account("210987654321", "staging"), 4)):
        day = today - timedelta(days=1)
        DayCount.objects.create(account=other, day=day, left=left, with_access=left)

    (own,) = headcount.history([account], today)
    (together,) = headcount.history(list(Account.objects.all()), today)

    assert (own["all_left"], together["all_left"]) == (3, 7)


def test_without_a_suggestion_are_some_of_those_without_an_owner() -> None:
    everybody = cast.cast()
    cast.departure("alone")
    cast.departure(cast.iam_user("gone", gone_at=clock.now()))
    cast.departure("claimed", claim_pending_team=everybody.payments)

    (account,) = headcount.kept(clock.now())

    facts = account.headcount.counts["facts"]
    assert (facts["nobody"], facts["unsuggested"]) == (1, 1)
