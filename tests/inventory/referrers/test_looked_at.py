"""What was looked at and what not, in words: a gap is never an empty answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.referrers.looked_at import Scope, looked_at, scopes, wanted

NOW = datetime(2025, 3, 6, 12, tzinfo=UTC)
REGIONS = ("eu-west-1", "us-east-1")


def whole(kind: str, region: str, count: int = 2, age: timedelta = timedelta(hours=1)) -> Scope:
    return Scope(kind, region, NOW - age, count)


def everything(count: int = 2) -> list[Scope]:
    return [whole(kind, region, count) for kind, region in wanted(REGIONS)]


def but(*rows: Scope) -> list[Scope]:
    """Everything read whole, but these as they are."""
    places = {(one.kind, one.region) for one in rows}
    return [*rows, *(one for one in everything() if (one.kind, one.region) not in places)]


def test_buckets_are_listed_once_and_the_others_in_each_region() -> None:
    asked = wanted(REGIONS)
    assert asked.count(("bucket", "")) == 1
    assert len(asked) == 1 + 5 * 2


def test_everything_read_leaves_nothing_out() -> None:
    told = looked_at(everything(), NOW)
    assert told.found == (
        "roles and policies, 2 buckets, 4 queues, 4 topics, 4 keys, 4 secrets and 4 EKS clusters"
    )
    assert told.missing == ()


def test_one_of_a_kind_is_not_many() -> None:
    assert "1 bucket," in looked_at(everything(1), NOW).found


def test_what_was_never_read_is_not_looked_at() -> None:
    told = looked_at(scopes({}, wanted(REGIONS)), NOW)
    assert told.found == "roles and policies"
    assert told.missing[0] == "buckets (not read yet)"
    assert "secrets in eu-west-1 and us-east-1 (not read yet)" in told.missing


def test_a_denied_region_is_named_with_the_reason() -> None:
    denied = Scope("secret", "eu-west-1", error="AccessDeniedException", broken=True)
    told = looked_at(but(denied), NOW)
    assert told.missing == ("secrets in eu-west-1 (AccessDeniedException)",)
    assert "2 secrets" in told.found


def test_many_regions_with_one_reason_are_counted() -> None:
    rows = [
        Scope("queue", f"eu-west-{number}", error="AccessDenied", broken=True)
        for number in range(17)
    ]
    assert "queues in 17 Regions (AccessDenied)" in looked_at(rows, NOW).missing


def test_a_single_resource_that_refused_is_counted() -> None:
    row = Scope("bucket", "", NOW, count=11, unread=1, error="AccessDenied")
    told = looked_at(but(row), NOW)
    assert told.missing == ("1 of 12 buckets (AccessDenied)",)
    assert "11 buckets" in told.found


def test_a_failure_after_a_good_look_is_not_looked_at() -> None:
    row = Scope("bucket", "", NOW - timedelta(hours=3), 12, error="SlowDown", broken=True)
    assert looked_at(but(row), NOW).missing == ("buckets (SlowDown)",)


@pytest.mark.parametrize(("age", "stale"), [(47, False), (48, True)])
def test_an_old_look_is_none(age: int, stale: bool) -> None:
    row = whole("bucket", "", age=timedelta(hours=age))
    assert bool(looked_at(but(row), NOW).missing) is stale


def test_unread_roles_and_regions_left_out_are_said() -> None:
    told = looked_at(everything(), NOW, roles_gap="AccessDenied", left_out=["sa-east-1"])
    assert told.missing == (
        "roles and policies (AccessDenied)",
        "sa-east-1 (left out in the declaration)",
    )
    assert "roles" not in told.found


@pytest.mark.parametrize(
    ("scope", "due"),
    [
        (Scope("bucket", ""), True),
        (whole("bucket", "", age=timedelta(hours=23)), False),
        (whole("bucket", "", age=timedelta(hours=24)), True),
        (Scope("bucket", "", NOW, broken=True), True),
        (Scope("bucket", "", NOW, unread=3, error="AccessDenied"), False),
    ],
)
def test_a_scope_is_due_once_a_day_or_when_it_broke(scope: Scope, due: bool) -> None:
    assert scope.due(NOW) is due


def test_a_scope_comes_back_from_its_row() -> None:
    kept = Scope("queue", "eu-west-1", NOW, 3, 1, "AccessDenied", "words", broken=True)
    (read,) = scopes({"queue": {"eu-west-1": kept.row()}}, [("queue", "eu-west-1")])
    assert read == kept
