"""The burn-down and the evidence of a user: dates in their place, and nothing claimed unseen."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from inventory.timelines import Forecast, Lane, burn_down, count_ticks, evidence_lanes

START = date(2025, 1, 13)
TODAY = date(2025, 3, 6)
NOT_DELETED = [(START, 205), (date(2025, 2, 5), 185), (date(2025, 2, 19), 146)]
WITH_ACCESS = [(START, 205), (date(2025, 1, 15), 185), (TODAY, 76)]
FORECAST = Forecast(
    low=((date(2025, 4, 16), 0),),
    middle=((date(2025, 4, 2), 62), (date(2025, 4, 23), 0)),
    high=((date(2025, 4, 30), 6), (date(2025, 5, 2), 0)),
)


def test_the_title_says_what_is_left_and_when_zero_is_expected() -> None:
    chart = burn_down(NOT_DELETED, WITH_ACCESS, TODAY, FORECAST)
    assert chart.sentence == (
        "146 of 205 users not deleted, 76 with access, zero expected on 23 April 2025"
    )


def test_without_a_forecast_no_day_is_promised() -> None:
    chart = burn_down(NOT_DELETED, WITH_ACCESS, TODAY)
    assert (chart.expected, chart.range, chart.zero) == ("", "", None)


def test_a_forecast_that_does_not_reach_zero_names_no_day() -> None:
    endless = Forecast(low=FORECAST.low, middle=((date(2025, 5, 2), 20),), high=FORECAST.high)
    assert "expected" not in burn_down(NOT_DELETED, WITH_ACCESS, TODAY, endless).sentence


def test_a_count_holds_until_the_day_it_changes() -> None:
    chart = burn_down(NOT_DELETED, WITH_ACCESS, TODAY)
    assert (chart.not_deleted.count("H"), chart.not_deleted.count("V")) == (3, 2)


def test_the_calendar_reaches_to_the_end_of_the_forecast() -> None:
    assert burn_down(NOT_DELETED, WITH_ACCESS, TODAY, FORECAST).calendar[-1].label == "2 May"


def test_the_first_day_alone_can_be_drawn() -> None:
    chart = burn_down([(TODAY, 206)], [(TODAY, 206)], TODAY)
    assert chart.today_x == chart.plane.left


def test_a_screen_too_narrow_opens_at_the_end_that_is_nearer_to_today() -> None:
    long_past = burn_down([(START, 206)], [(START, 206)], TODAY)
    first_day = burn_down([(TODAY, 206)], [(TODAY, 206)], TODAY)
    assert (long_past.opens_left, first_day.opens_left) == (False, True)


def test_a_line_without_a_count_is_refused() -> None:
    with pytest.raises(ValueError, match="one count of each line"):
        burn_down([], WITH_ACCESS, TODAY)


def test_the_table_holds_both_lines_on_every_day_of_change() -> None:
    chart = burn_down(NOT_DELETED, WITH_ACCESS, TODAY)
    assert chart.rows[1] == (date(2025, 1, 15), 205, 185)


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, [0]),
        (3, [0, 1, 2, 3]),
        (205, [0, 50, 100, 150, 200, 250]),
        (250, [0, 50, 100, 150, 200, 250]),
    ],
)
def test_the_axis_counts_in_round_numbers(most: int, ticks: list[int]) -> None:
    assert count_ticks(most) == ticks


def test_no_count_lies_above_the_highest_line_of_the_grid() -> None:
    chart = burn_down([(START, 228)], [(START, 228)], TODAY)
    assert min(tick.at for tick in chart.count_axis) <= chart.left_y


def test_the_labels_at_the_ends_stand_clear_of_steps_beside_them() -> None:
    """A second account was connected a few days ago: both lines jump up right before today."""
    later = TODAY - timedelta(5)
    left = [(START, 205), (later, 228), (TODAY - timedelta(1), 221)]
    access = [(START, 182), (later, 220), (TODAY, 214)]
    chart = burn_down(left, access, TODAY)
    above, below = chart.ends
    assert above.y < chart.plane.y(228)
    assert below.y - 12 > chart.plane.y(182)


def test_a_label_without_room_below_its_line_stands_between_the_two() -> None:
    chart = burn_down([(START, 205)], [(START, 205), (START + timedelta(2), 3)], TODAY)
    assert chart.plane.y(205) < chart.ends[1].y < chart.access_y


def calls(*days_ago: int) -> tuple[tuple[date, int], ...]:
    return tuple((TODAY - timedelta(days), 5) for days in days_ago)


def test_what_lies_before_the_days_shown_is_left_out() -> None:
    lane = Lane("CloudTrail", "calls per day", "bars", calls(400, 3))
    assert evidence_lanes([lane], TODAY, "").lanes[0].path.count("M") == 1


def test_a_day_without_calls_has_no_bar() -> None:
    lane = Lane("CloudTrail", "calls per day", "bars", ((TODAY, 0),))
    assert evidence_lanes([lane], TODAY, "").lanes[0].path == ""


def test_the_quiet_span_runs_to_today() -> None:
    lane = Lane("CloudTrail", "calls per day", "bars", calls(9))
    chart = evidence_lanes([lane], TODAY, "", quiet_since=TODAY - timedelta(9))
    assert chart.quiet_x is not None
    assert chart.quiet_x + chart.quiet_width == pytest.approx(chart.right, abs=0.1)


def test_a_user_that_is_not_quiet_has_no_tinted_span() -> None:
    lane = Lane("CloudTrail", "calls per day", "bars", calls(0))
    assert evidence_lanes([lane], TODAY, "").quiet_x is None


def test_lanes_stand_below_each_other() -> None:
    lanes = [Lane("CloudTrail", "", "bars", calls(1)), Lane("Report", "", "squares", calls(1))]
    first, second = evidence_lanes(lanes, TODAY, "").lanes
    assert first.line_y < second.title_y
