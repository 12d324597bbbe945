"""Charts as geometry: what a reader must be able to see, and the sentence that says the same."""

from __future__ import annotations

import pytest

from inventory import charts

QUARTER = [0] * 13


def test_a_quarter_without_calls_is_thirteen_flat_dashes() -> None:
    chart = charts.spark(QUARTER)
    assert (chart.bars, chart.flats.count("M")) == ("", 13)


def test_silence_is_said_in_words() -> None:
    assert charts.spark(QUARTER).sentence == "Calls per week: 0 for 13 weeks"


def test_a_single_call_among_many_can_still_be_seen() -> None:
    chart = charts.spark([1, 1000], width=20, height=18)
    assert f"v{charts.SHORTEST_BAR}" in chart.bars


def test_weeks_that_are_not_known_are_not_drawn_as_silence() -> None:
    chart = charts.spark([])
    assert (chart.flats, chart.sentence) == ("", "Calls per week: not known")


@pytest.mark.parametrize(
    ("left", "total", "share"), [(14, 14, 0.0), (7, 14, 0.5), (0, 14, 1.0), (-2, 14, 1.0)]
)
def test_a_ring_fills_as_its_days_pass(left: int, total: int, share: float) -> None:
    chart = charts.ring(left, total)
    assert chart.dash == pytest.approx(chart.length * share, abs=0.1)


def test_a_ring_never_shows_fewer_than_no_days() -> None:
    assert charts.ring(-2, 14).sentence == "0 of 14 days left"


def test_an_extended_soak_longer_than_its_length_is_an_empty_ring() -> None:
    assert charts.ring(33, 14).dash == 0


def test_something_is_never_drawn_as_nothing_in_a_meter() -> None:
    assert charts.meter(1, 5000).filled == 6


def test_a_meter_of_nothing_is_empty() -> None:
    assert charts.meter(0, 0).filled == 0


REFERENCE = [
    ("discovered", "discovered", 23),
    ("owner-assigned", "owner assigned", 53),
    ("disabled", "disabled", 13),
    ("soaking", "soaking", 57),
    ("deleted", "deleted", 59),
    ("protected", "protected", 1),
]


def test_a_stacked_bar_fills_its_width_and_no_more() -> None:
    chart = charts.stacked_bar(REFERENCE, width=1120)
    assert chart.rects[-1].right == pytest.approx(1120, abs=0.2)


def test_a_stacked_bar_keeps_the_order_of_the_lifecycle() -> None:
    chart = charts.stacked_bar(REFERENCE)
    assert [rect.tone for rect in chart.rects] == [tone for tone, _, _ in REFERENCE]


def test_the_one_protected_user_is_not_lost_in_the_bar() -> None:
    chart = charts.stacked_bar([*REFERENCE[:-1], ("protected", "protected", 1)], width=200)
    assert chart.rects[-1].width >= charts.SHORTEST_SEGMENT


def test_parts_of_nobody_are_left_out() -> None:
    chart = charts.stacked_bar([("soaking", "soaking", 0), ("deleted", "deleted", 2)])
    assert chart.sentence == "2 deleted"


def test_rows_are_compared_on_one_scale() -> None:
    half = charts.stacked_bar([("deleted", "deleted", 42)], width=430, of=84)
    assert half.rects[-1].right == pytest.approx(215, abs=0.2)


def test_a_bar_of_nobody_says_so() -> None:
    assert charts.stacked_bar([]).sentence == "nothing"


def test_every_user_of_a_batch_is_one_segment_of_equal_width() -> None:
    chart = charts.segments(["done"] * 12 + ["running"] + ["queued"] * 7)
    assert (len(chart.rects), len({rect.width for rect in chart.rects})) == (20, 1)


def test_a_failed_user_is_crossed_for_those_who_see_no_colour() -> None:
    chart = charts.segments(["done", "failed", "queued"])
    assert [rect.crossed for rect in chart.rects] == [False, True, False]


def test_the_progress_of_a_batch_is_said_in_words() -> None:
    chart = charts.segments(["done"] * 12 + ["running"] + ["queued"] * 7)
    assert chart.sentence == "12 of 20 done, 1 running, 0 failed"
