"""Charts in templates: inventory.charts and inventory.timelines make the shapes, templates/charts
draws them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from inventory import charts
from inventory.timelines import BurnDown, Evidence

register = template.Library()

# So many small drawings are kept: most rows of a list show one of a few.
_DRAWN = 1024


@register.simple_tag
def spark(
    weeks: Sequence[int],
    width: int = 66,
    height: int = 18,
    tone: str = "quiet",
    unit: str = "Calls per week",
) -> SafeString:
    """Tiny bars, oldest first; `unit` says what they count, its last word what a bar is."""
    return _spark(tuple(weeks), width, height, tone, unit)


@lru_cache(_DRAWN)
def _spark(weeks: tuple[int, ...], width: int, height: int, tone: str, unit: str) -> SafeString:
    """Without a template, because it stands in every row of long lists."""
    chart = charts.spark(weeks, width, height, unit)
    flats, bars = "", ""
    if chart.flats:
        flats = format_html('<path d="{}" class="fill-line" />', chart.flats)
    if chart.bars:
        bars = format_html('<path d="{}" class="fill tone-{}" />', chart.bars, tone)
    return format_html(
        '<svg class="plot" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">'
        "<title>{2}</title>{3}{4}</svg>",
        width,
        height,
        chart.sentence,
        flats,
        bars,
    )


@register.simple_tag
@lru_cache(_DRAWN)
def ring(left: int, total: int, size: int = 34, tone: str = "soaking") -> SafeString:
    """Days left of a watch or soak."""
    chart = charts.ring(left, total, size)
    done = ""
    if chart.dash:
        done = format_html(
            '<circle cx="{0}" cy="{0}" r="{1}" class="fill-none stroke tone-{2}" stroke-width="{3}"'
            ' stroke-linecap="round" stroke-dasharray="{4} {5}" transform="rotate(-90 {0} {0})" />',
            chart.centre,
            chart.radius,
            tone,
            chart.stroke,
            chart.dash,
            chart.length,
        )
    return format_html(
        '<svg class="plot flex-shrink-0" width="{0}" height="{0}" viewBox="0 0 {0} {0}" role="img">'
        '<title>{1}</title><circle cx="{2}" cy="{2}" r="{3}" class="fill-none stroke-line"'
        ' stroke-width="{4}" />{5}<text x="{2}" y="{2}" dy="4.2" text-anchor="middle"'
        ' class="plot-strong">{6}</text></svg>',
        chart.size,
        chart.sentence,
        chart.centre,
        chart.radius,
        chart.stroke,
        done,
        chart.left,
    )


@register.inclusion_tag("charts/meter.html")
def meter(
    value: int, total: int, width: int = 90, height: int = 6, tone: str = "ink"
) -> dict[str, object]:
    """A bar filled in part; the numbers stand beside it in the page."""
    return {"chart": charts.meter(value, total, width, height), "tone": tone}


@register.inclusion_tag("charts/bar.html")
def stacked_bar(
    parts: Sequence[tuple[str, str, int]],
    width: int = 1120,
    height: int = 8,
    of: int | None = None,
) -> dict[str, object]:
    """Parts (tone, label, count) of a whole, in lifecycle order."""
    return {"chart": charts.stacked_bar(parts, width, height, of)}


@register.inclusion_tag("charts/bar.html")
def segments(statuses: Sequence[str], width: int = 1118, height: int = 14) -> dict[str, object]:
    """One segment per user of a batch: done, running, failed, queued."""
    return {"chart": charts.segments(statuses, width, height)}


@register.inclusion_tag("charts/burn_down.html")
def burn_down(chart: BurnDown) -> dict[str, object]:
    """The burn-down that the view made with `inventory.timelines.burn_down`."""
    return {"chart": chart}


@register.inclusion_tag("charts/evidence.html")
def evidence_lanes(chart: Evidence) -> dict[str, object]:
    """The evidence that the view made with `inventory.timelines.evidence_lanes`."""
    return {"chart": chart}
