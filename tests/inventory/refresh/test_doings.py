"""What the database adds up says the same as every single row would."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.aws.account import Simulator
from inventory import clock, refresh
from inventory.category import Signs, category
from inventory.evidence import Happening
from inventory.models import Account, Activity, IamUser
from inventory.refresh import judging
from inventory.refresh.doings import Doings, doings_of
from inventory.refresh.signs import signs_of
from inventory.verdict import verdict
from tests import cast
from tests.inventory.syncs import production, sync

NOW = datetime(2026, 6, 1, 12, 34, 56, 789, tzinfo=UTC)
WINDOWS = (timedelta(days=30), timedelta(days=90), timedelta(days=180))

pytestmark = pytest.mark.django_db


def every_row(user: IamUser) -> tuple[Happening, ...]:
    rows = user.activity.order_by("-last_at", "service", "action", "outcome")
    return tuple(
        Happening(
            row.first_at,
            row.last_at,
            row.service,
            row.action,
            row.outcome,
            row.count,
            row.region,
            row.access_key_id,
            row.source_address,
            row.user_agent,
        )
        for row in rows
    )


def signs_from_rows(user: IamUser) -> Signs:
    """As `signs_of`, from every single row."""
    rows = [one for one in user.activity.all() if one.outcome != "failed-sign-in"]
    agents: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for one in rows:
        agents[one.user_agent] += one.count
        addresses[one.source_address] += one.count
        actions[f"{one.service}:{one.action}"] += one.count
    signed_in = any(one.action == "ConsoleLogin" for one in rows)
    return replace(
        signs_of(user, Doings()),
        signed_in=user.password_last_used_at is not None or signed_in,
        user_agents=agents,
        addresses=addresses,
        actions=actions,
        moments=tuple(one.first_at for one in rows),
    )


def assert_told_alike(user: IamUser, did: Doings, now: datetime) -> None:
    facts = judging.evidence_of(user, user.account, did, now)
    rows = replace(facts, happenings=every_row(user))
    for window in WINDOWS:
        assert verdict(facts, window, now) == verdict(rows, window, now)
    signs, from_rows = signs_of(user, did), signs_from_rows(user)
    assert category(signs) == category(from_rows)
    assert dict(signs.user_agents) == dict(from_rows.user_agents)
    assert dict(signs.addresses) == dict(from_rows.addresses)
    assert dict(signs.actions) == dict(from_rows.actions)


def test_sums_of_the_simulated_account_tell_what_its_rows_tell(simulator: Simulator) -> None:
    sync(production())
    users = list(IamUser.objects.select_related("account"))
    now = clock.now()
    did = doings_of([user.pk for user in users], now)
    assert sum(user.activity.count() for user in users) > sum(
        len(one.happenings) for one in did.values()
    )
    for user in users:
        assert_told_alike(user, did[user.pk], now)


@st.composite
def activity(draw: st.DrawFn) -> dict[str, object]:
    """One row: events of one kind on one day, often around the moment event history begins."""
    days = draw(st.one_of(st.integers(0, 400), st.integers(89, 91), st.just(90)))
    last_at = NOW - timedelta(days=days, seconds=draw(st.integers(-30_000, 30_000)))
    last_at = min(last_at, NOW)
    spent = draw(st.integers(0, last_at.hour * 3600 + last_at.minute * 60 + last_at.second))
    return {
        "day": last_at.date(),
        "first_at": last_at - timedelta(seconds=spent),
        "last_at": last_at,
        "region": draw(st.sampled_from(["us-east-1", "eu-west-1"])),
        "service": draw(st.sampled_from(["sts", "s3", "signin"])),
        "action": draw(st.sampled_from(["GetCallerIdentity", "ListBuckets", "ConsoleLogin"])),
        "outcome": draw(st.sampled_from(["ok", "ok", "denied", "failed-sign-in"])),
        "source_address": draw(st.sampled_from(["", "10.0.0.1", "203.0.113.4"])),
        "user_agent": draw(st.sampled_from(["", "aws-cli/2", "Terraform/1.9", "Mozilla/5.0"])),
        "access_key_id": draw(st.sampled_from(["", "AKIA1"])),
        "count": draw(st.integers(1, 40)),
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(activity(), max_size=25))
def test_sums_of_any_activity_tell_what_its_rows_tell(
    rows: list[dict[str, object]], one_user: IamUser
) -> None:
    Activity.objects.all().delete()
    Activity.objects.bulk_create(
        [Activity(user=one_user, **row) for row in rows], ignore_conflicts=True
    )
    assert_told_alike(one_user, doings_of([one_user.pk], NOW)[one_user.pk], NOW)


@pytest.fixture
def one_user() -> IamUser:
    return cast.iam_user("svc-reports", created_at=NOW - timedelta(days=900))


def test_failed_sign_ins_are_counted_and_are_no_use() -> None:
    user = cast.iam_user("tom")
    today = clock.now().date()
    for back in range(3):
        cast.activity(
            user, today - timedelta(days=back), 2, action="ConsoleLogin", outcome="failed-sign-in"
        )
    (did,) = doings_of([user.pk], clock.now()).values()
    assert (did.days, did.moments, did.signed_in) == ([], [], False)
    assert [one.count for one in did.kinds] == [6]


def test_a_year_of_one_busy_user_is_held_as_a_row_for_each_day() -> None:
    user = cast.iam_user("busy")
    today = clock.now().date()
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    Activity.objects.bulk_create(
        Activity(
            user=user,
            day=today - timedelta(days=back),
            region="us-east-1",
            service="s3",
            action="ListBuckets",
            outcome="ok",
            source_address=f"198.51.100.{number}",
            count=1,
            first_at=at - timedelta(days=back),
            last_at=at - timedelta(days=back),
        )
        for back in range(100)
        for number in range(50)
    )
    (did,) = doings_of([user.pk], clock.now()).values()
    assert (len(did.days), len(did.kinds), len(did.moments)) == (100, 1, 100)
    assert did.addresses.total() == 5000


COLUMNS = ("pk", *judging._COLUMNS)


def test_verdicts_do_not_depend_on_how_many_are_judged_at_a_time(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = production()
    sync(account)
    _share_addresses(account)
    _judge_anew(monkeypatch, at_once=1000)
    whole = list(IamUser.objects.order_by("pk").values_list(*COLUMNS))
    _judge_anew(monkeypatch, at_once=3)
    assert list(IamUser.objects.order_by("pk").values_list(*COLUMNS)) == whole
    monkeypatch.setattr(judging, "_FEW", 0)
    _judge_anew(monkeypatch, at_once=7)
    assert list(IamUser.objects.order_by("pk").values_list(*COLUMNS)) == whole


def _share_addresses(account: Account) -> None:
    """All in one office: everybody's category speaks for the others'."""
    Activity.objects.filter(user__account=account).update(source_address="203.0.113.9")


def _judge_anew(monkeypatch: pytest.MonkeyPatch, *, at_once: int) -> None:
    monkeypatch.setattr(judging, "AT_ONCE", at_once)
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: now)
    IamUser.objects.update(category="", category_confidence="", category_reasons=[], verdict="")
    refresh.judge(IamUser.objects.all())
