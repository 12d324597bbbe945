"""Charts in templates: inventory.charts and inventory.timelines make the shapes, templates/charts
draws them."""

from __future__ import annotations

from collections.abc import Sequence

from django import template

from inventory import charts
from inventory.timelines import BurnDown, Evidence

register = template.Library()


@register.inclusion_tag("charts/spark.html")
def spark(
    weeks: Sequence[int],
    width: int = 66,
    height: int = 18,
    tone: str = "quiet",
    unit: str = "Calls per week",
) -> dict[str, object]:
    """Tiny bars, oldest first; `unit` says what they count, its last word what a bar is."""
    return {"chart": charts.spark(weeks, width, height, unit), "tone": tone}


@register.inclusion_tag("charts/ring.html")
def ring(left: int, total: int, size: int = 34, tone: str = "soaking") -> dict[str, object]:
    """Days left of a watch or soak."""
    return {"chart": charts.ring(left, total, size), "tone": tone}


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
