"""Windows, freezes, working days and durations, most of them across the nights clocks change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from inventory.policy import (
    ALWAYS,
    Freeze,
    Policy,
    Window,
    add_working_days,
    claim_due_at,
    freeze_at,
    in_words,
    is_open,
    next_opening,
    notice_over_at,
    parse_duration,
    parse_window,
    policy_for,
)
from inventory.refusals import Refused

BERLIN = "Europe/Berlin"
WEEKDAYS = frozenset(range(5))
OFFICE = Window(WEEKDAYS, time(9), time(16))
NIGHT = Window(frozenset({5}), time(22), time(4))  # opens on Saturday, closes on Sunday


@dataclass
class Declared:
    """Whatever carries a declared policy."""

    policy: dict[str, Any] = field(default_factory=dict)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("7d", timedelta(days=7)),
        ("24h", timedelta(days=1)),
        ("30m", timedelta(minutes=30)),
        ("20s", timedelta(seconds=20)),
        ("0d", timedelta()),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7 d", "1.5d", "7w", "7d ", "٧d", "999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=14), "14 days"),
        (timedelta(hours=24), "1 day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(seconds=20), "20 seconds"),
        (timedelta(), "0 days"),
    ],
)
def test_a_duration_is_said_in_its_largest_whole_unit(length: timedelta, words: str) -> None:
    assert in_words(length) == words


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-03-27T08:00", True),  # Friday, 09:00 in winter time
        ("2026-03-27T07:59", False),
        ("2026-03-30T07:00", True),  # Monday after the clocks went forward: 09:00 is 07:00 UTC
        ("2026-03-30T06:59", False),
        ("2026-03-30T13:59", True),
        ("2026-03-30T14:00", False),  # 16:00 is outside
        ("2026-10-26T08:00", True),  # Monday after they went back: 09:00 is 08:00 UTC again
        ("2026-10-26T07:00", False),
        ("2026-03-28T10:00", False),  # Saturday
    ],
)
def test_a_window_is_read_on_the_clock_on_the_wall(at: str, open_: bool) -> None:
    assert is_open(OFFICE, (), BERLIN, utc(at)) is open_


def test_the_next_opening_is_now_when_the_window_is_open() -> None:
    at = utc("2026-03-30T10:00")
    assert next_opening(OFFICE, (), BERLIN, at) == (at, utc("2026-03-30T14:00"))


def test_the_next_opening_after_friday_is_monday_in_summer_time() -> None:
    opens, closes = next_opening(OFFICE, (), BERLIN, utc("2026-03-27T15:00"))
    assert (opens, closes) == (utc("2026-03-30T07:00"), utc("2026-03-30T14:00"))


def test_a_night_window_is_an_hour_shorter_when_the_clocks_go_forward() -> None:
    opens, closes = next_opening(NIGHT, (), BERLIN, utc("2026-03-27T12:00"))
    assert closes - opens == timedelta(hours=5)


def test_a_night_window_is_an_hour_longer_when_the_clocks_go_back() -> None:
    opens, closes = next_opening(NIGHT, (), BERLIN, utc("2026-10-23T12:00"))
    assert closes - opens == timedelta(hours=7)


def test_a_night_window_belongs_to_the_day_it_opens_on() -> None:
    assert is_open(NIGHT, (), BERLIN, utc("2026-03-29T01:30"))  # Sunday 03:30
    assert not is_open(NIGHT, (), BERLIN, utc("2026-03-28T01:30"))  # Saturday 02:30


def test_what_is_open_is_what_the_next_opening_says() -> None:
    """The two answers agree at every half hour of the two weeks in which clocks change."""
    for start in ("2026-03-23T00:00", "2026-10-19T00:00"):
        for half_hour in range(14 * 48):
            at = utc(start) + timedelta(minutes=30 * half_hour)
            for window in (OFFICE, NIGHT):
                opens, closes = next_opening(window, (), BERLIN, at)
                assert is_open(window, (), BERLIN, at) == (opens == at), at
                assert opens < closes


def window(start: str, end: str) -> Window:
    return Window(frozenset(range(7)), time.fromisoformat(start), time.fromisoformat(end))


@pytest.mark.parametrize(
    ("held", "opens", "closes"),
    [
        # Berlin, 29 March: 02:00 to 03:00 is skipped. What lies in it comes an hour later.
        (window("02:15", "02:45"), "2026-03-29T01:15", "2026-03-29T01:45"),
        (window("02:30", "04:00"), "2026-03-29T01:30", "2026-03-29T02:00"),
        # It would end before it begins, so it is left out that night.
        (window("02:30", "03:00"), "2026-03-30T00:30", "2026-03-30T01:00"),
    ],
)
def test_a_window_that_a_spring_night_skips_is_never_longer_than_declared(
    held: Window, opens: str, closes: str
) -> None:
    found = next_opening(held, (), BERLIN, utc("2026-03-28T23:30"))
    assert found == (utc(opens), utc(closes))


@pytest.mark.parametrize(
    ("held", "opens", "closes"),
    [
        # Berlin, 25 October: 02:00 to 03:00 comes twice. Both ends mean the first time.
        (window("02:15", "02:45"), "2026-10-25T00:15", "2026-10-25T00:45"),
        (window("01:00", "02:30"), "2026-10-24T23:00", "2026-10-25T00:30"),
        (window("02:30", "04:00"), "2026-10-25T00:30", "2026-10-25T03:00"),
    ],
)
def test_a_window_that_comes_twice_on_an_autumn_night_opens_once(
    held: Window, opens: str, closes: str
) -> None:
    assert next_opening(held, (), BERLIN, utc("2026-10-24T22:30")) == (utc(opens), utc(closes))
    assert not is_open(held, (), BERLIN, utc(closes))
    again = utc("2026-10-25T01:20")  # 02:20 for the second time
    assert is_open(held, (), BERLIN, again) == (held.end > time(3))


@pytest.mark.parametrize(
    ("zone", "day", "begins", "ends"),
    [
        (BERLIN, date(2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        (BERLIN, date(2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00", "2026-04-24T21:00"),  # no midnight
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", "2026-11-02T05:00"),  # two of it
        ("Asia/Beirut", date(2026, 10, 25), "2026-10-24T22:00", "2026-10-25T22:00"),  # 23:00 twice
    ],
)
def test_a_freeze_lasts_its_whole_local_days_when_clocks_change(
    zone: str, day: date, begins: str, ends: str
) -> None:
    freezes, minute = (Freeze(day, day),), timedelta(minutes=1)
    assert is_open(ALWAYS, freezes, zone, utc(begins) - minute)
    assert not is_open(ALWAYS, freezes, zone, utc(begins))
    assert not is_open(ALWAYS, freezes, zone, utc(ends) - minute)
    assert is_open(ALWAYS, freezes, zone, utc(ends))
    assert next_opening(ALWAYS, freezes, zone, utc(begins))[0] == utc(ends)
    assert next_opening(ALWAYS, freezes, zone, utc(begins) - minute)[1] == utc(begins)


@pytest.mark.parametrize("zone", [BERLIN, "Africa/Cairo", "America/Havana", "Asia/Beirut"])
def test_open_now_and_opening_next_agree_across_every_change_with_freezes(zone: str) -> None:
    windows = (window("00:00", "01:30"), window("02:15", "02:45"), window("23:15", "00:45"))
    for middle in (date(2026, 3, 29), date(2026, 4, 24), date(2026, 10, 25), date(2026, 11, 1)):
        freezes = (Freeze(middle, middle),)
        start = datetime.combine(middle, time(), UTC) - timedelta(days=1)
        for step in range(3 * 96):
            at = start + timedelta(minutes=15 * step)
            for held in windows:
                opens, closes = next_opening(held, freezes, zone, at)
                assert is_open(held, freezes, zone, at) == (opens == at), (at, held)
                assert opens < closes <= opens + timedelta(hours=3)


def test_notice_of_working_days_ends_on_the_wall_clock_across_a_change() -> None:
    told = utc("2026-03-27T09:00")  # Friday 10:00 in winter time
    assert notice_over_at(told, Policy(), BERLIN) == utc("2026-03-31T08:00")  # Tuesday 10:00


def test_a_freeze_shuts_an_open_window_until_the_day_after_its_last() -> None:
    freeze = Freeze(date(2026, 12, 18), date(2027, 1, 4), "year end")
    at = utc("2026-12-18T10:00")
    assert not is_open(OFFICE, (freeze,), BERLIN, at)
    assert next_opening(OFFICE, (freeze,), BERLIN, at)[0] == utc("2027-01-05T08:00")


def test_a_freeze_begins_at_midnight_in_the_accounts_zone() -> None:
    freeze = Freeze(date(2026, 7, 1), date(2026, 7, 1))
    assert is_open(ALWAYS, (freeze,), BERLIN, utc("2026-06-30T21:59"))
    assert not is_open(ALWAYS, (freeze,), BERLIN, utc("2026-06-30T22:00"))
    assert is_open(ALWAYS, (freeze,), BERLIN, utc("2026-07-01T22:00"))


def test_freezes_that_follow_each_other_are_waited_out_together() -> None:
    freezes = (
        Freeze(date(2026, 7, 1), date(2026, 7, 3)),
        Freeze(date(2026, 7, 4), date(2026, 7, 6)),
    )
    assert next_opening(ALWAYS, freezes, "UTC", utc("2026-07-02T12:00"))[0] == utc(
        "2026-07-07T00:00"
    )


def test_an_opening_closes_where_a_freeze_begins() -> None:
    freeze = Freeze(date(2026, 7, 3), date(2026, 7, 3))
    opens, closes = next_opening(ALWAYS, (freeze,), "UTC", utc("2026-07-01T12:00"))
    assert (opens, closes) == (utc("2026-07-01T12:00"), utc("2026-07-03T00:00"))


def test_an_opening_lasts_seven_days_at_most() -> None:
    opens, closes = next_opening(ALWAYS, (), "UTC", utc("2026-07-01T12:00"))
    assert closes - opens == timedelta(days=7)


def test_freezes_without_an_end_in_sight_are_refused_instead_of_searched_for_ever() -> None:
    freeze = Freeze(date(2026, 1, 1), date(2036, 1, 1))
    with pytest.raises(Refused, match="no opening for a year"):
        next_opening(OFFICE, (freeze,), BERLIN, utc("2026-07-01T12:00"))


def test_the_freeze_of_a_day_is_named() -> None:
    freeze = Freeze(date(2026, 12, 18), date(2027, 1, 4), "year end")
    assert freeze_at((freeze,), BERLIN, utc("2026-12-31T12:00")) == freeze
    assert freeze_at((freeze,), BERLIN, utc("2027-01-05T12:00")) is None


@pytest.mark.parametrize(
    ("at", "days", "over"),
    [
        ("2026-03-23T10:00", 2, "2026-03-25T10:00"),  # Monday to Wednesday
        (
            "2026-03-27T10:00",
            2,
            "2026-03-31T09:00",
        ),  # Friday 11:00 to Tuesday 11:00, summer by then
        ("2026-10-23T10:00", 1, "2026-10-26T11:00"),  # Friday 12:00 to Monday 12:00, winter by then
        ("2026-03-28T10:00", 2, "2026-03-31T22:00"),  # Saturday counts from Monday 00:00
        ("2026-03-23T10:00", 0, "2026-03-23T10:00"),
        ("2026-03-23T10:00", 10, "2026-04-06T09:00"),
    ],
)
def test_working_days_skip_weekends_and_keep_the_time_on_the_wall(
    at: str, days: int, over: str
) -> None:
    assert add_working_days(utc(at), days, BERLIN) == utc(over)


def test_the_weekend_is_the_accounts_not_greenwichs() -> None:
    """Sunday 23:30 in Greenwich is Monday morning in Auckland."""
    at = utc("2026-06-07T23:30")
    assert add_working_days(at, 1, "Pacific/Auckland") == utc("2026-06-08T23:30")
    assert add_working_days(at, 1, "UTC") == utc("2026-06-09T00:00")


def test_notice_in_days_is_working_days_and_a_sandboxs_seconds_just_pass() -> None:
    friday = utc("2026-07-03T10:00")
    assert notice_over_at(friday, Policy(), "UTC") == utc("2026-07-07T10:00")
    play = Policy(notice=timedelta(seconds=20))
    assert notice_over_at(friday, play, "UTC") == friday + timedelta(seconds=20)


def test_the_claim_deadline_is_in_working_days() -> None:
    assert claim_due_at(utc("2026-07-03T10:00"), Policy(), "UTC") == utc("2026-07-17T10:00")


@pytest.mark.parametrize("size", [0, -1, 21, 1000])
def test_no_policy_allows_more_than_twenty_users_a_batch_or_none(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 20"):
        Policy(batch_size=size)


@pytest.mark.parametrize(
    "declared",
    [
        "never",
        ["mon"],
        {"days": [], "from": "09:00", "to": "16:00"},
        {"days": ["mond"], "from": "09:00", "to": "16:00"},
        {"days": ["mon"], "from": "9:00", "to": "16:00"},
        {"days": ["mon"], "from": "09:00", "to": "24:00"},
    ],
)
def test_a_window_that_cannot_be_read_is_refused(declared: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_window(declared)


def test_the_account_overrides_the_category_which_overrides_the_organization() -> None:
    organization = Declared({"soak": "14d", "by_category": {"third-party": {"soak": "30d"}}})
    plain, own = Declared(), Declared({"soak": "21d"})
    assert policy_for(organization, plain).soak == timedelta(days=14)
    assert policy_for(organization, plain, "third-party").soak == timedelta(days=30)
    assert policy_for(organization, own, "third-party").soak == timedelta(days=21)


def test_freezes_of_organization_and_account_add_up() -> None:
    row = {"from": "2026-12-18", "to": "2027-01-04", "reason": "year end"}
    other = {"from": "2026-08-01", "to": "2026-08-02", "reason": "move"}
    policy = policy_for(Declared({"freezes": [row]}), Declared({"freezes": [other]}))
    assert [freeze.reason for freeze in policy.freezes] == ["year end", "move"]


def test_nothing_declared_is_the_reference_policy() -> None:
    policy = policy_for(Declared(), Declared())
    assert (policy.watch, policy.soak, policy.batch_size) == (
        timedelta(days=7),
        timedelta(days=14),
        20,
    )
