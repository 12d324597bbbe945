"""What a drawing says to whoever hears the page."""

from __future__ import annotations

from datetime import date, timedelta

from django.template import Context, Template

from inventory import timelines
from inventory.timelines import Lane

TODAY = date(2025, 3, 6)


def drawn(tag: str, **context: object) -> str:
    return Template("{% load charts %}{% " + tag + " %}").render(Context(context))


def test_a_meter_is_not_read_out_beside_its_numbers() -> None:
    assert 'aria-hidden="true"' in drawn("meter 12 20")
    assert "<title>" not in drawn("meter 12 20")


def test_a_chart_is_one_sentence_and_not_all_words_of_its_axes() -> None:
    lane = Lane("CloudTrail", "calls per day", "bars", ((TODAY - timedelta(days=3), 4),))
    chart = timelines.evidence_lanes([lane], TODAY, "Last use 3 Mar", quiet_since=None)

    title, _, words = drawn("evidence_lanes chart", chart=chart).partition("</title>")

    assert title.endswith("<title>Last use 3 Mar")
    assert words.lstrip().startswith('<g aria-hidden="true">')
    assert words.index("<text") < words.index("</g></svg>")
