"""Charts as geometry: numbers in, the shapes of an SVG out. Pure; templates/charts draws them.

Every length is in SVG units and rounded to a tenth. A shape names its tone (static/css/tokens.css),
never a colour, so that a chart follows the theme and prints. Each chart carries the sentence it
proves; the template makes it the chart's title.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

GAP = 2
SHORTEST_SEGMENT = 2
SHORTEST_BAR = 3


@dataclass(frozen=True, slots=True)
class Rect:
    """One rectangle; `crossed` also draws a cross over it, for those who see no colour."""

    x: float
    width: float
    radius: float
    tone: str
    crossed: bool = False

    @property
    def right(self) -> float:
        return round(self.x + self.width, 1)


@dataclass(frozen=True, slots=True)
class Spark:
    """Tiny bars: one path of bars, one of the flat dashes that stand for zero."""

    width: int
    height: int
    bars: str
    flats: str
    sentence: str


def spark(
    counts: Sequence[int], width: int = 66, height: int = 18, unit: str = "Calls per week"
) -> Spark:
    """Bars for `counts`, oldest first; a zero is a flat dash, so that no use is seen as such."""
    most = max(counts, default=0) or 1
    step = width / max(len(counts), 1)
    bar = round(step - 1.6, 1)
    bars, flats = [], []
    for index, count in enumerate(counts):
        x = round(index * step, 1)
        if count == 0:
            flats.append(f"M{x} {height - 2}h{bar}v2h-{bar}z")
        else:
            tall = round(max(SHORTEST_BAR, height * count / most), 1)
            bars.append(f"M{x} {round(height - tall, 1)}h{bar}v{tall}h-{bar}z")
    return Spark(width, height, "".join(bars), "".join(flats), spark_sentence(counts, unit))


def spark_sentence(counts: Sequence[int], unit: str) -> str:
    """What the bars say: "Calls per week: 0 for 13 weeks", or the numbers, oldest first."""
    span = unit.rsplit(" ", 1)[-1]
    if not counts:
        return f"{unit}: not known"
    if not any(counts):
        return f"{unit}: 0 for {len(counts)} {span}s"
    return f"{unit}, oldest first: {', '.join(str(count) for count in counts)}"


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring that fills as its days pass, with the days left inside."""

    size: int
    centre: float
    radius: float
    stroke: float
    dash: float
    length: float
    left: int
    sentence: str


def ring(left: int, total: int, size: int = 34) -> Ring:
    """A ring for `left` of `total` days; none left counts as full."""
    stroke = round(size / 10, 1)
    radius = (size - stroke) / 2
    length = 2 * math.pi * radius
    passed = min(max(total - left, 0), total) / total if total > 0 else 1.0
    return Ring(
        size=size,
        centre=size / 2,
        radius=round(radius, 1),
        stroke=stroke,
        dash=round(length * passed, 1),
        length=round(length, 1),
        left=max(left, 0),
        sentence=f"{max(left, 0)} of {total} days left",
    )


@dataclass(frozen=True, slots=True)
class Meter:
    """A bar filled in part."""

    width: int
    height: int
    filled: float
    radius: float


def meter(value: int, total: int, width: int = 90, height: int = 6) -> Meter:
    """`value` of `total`; something is never drawn as nothing."""
    share = min(value / total, 1.0) if total > 0 else 0.0
    filled = max(float(height), round(width * share, 1)) if value > 0 else 0.0
    return Meter(width, height, filled, height / 2)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of rectangles with gaps between."""

    width: int
    height: int
    rects: tuple[Rect, ...]
    sentence: str


def stacked_bar(
    parts: Sequence[tuple[str, str, int]], width: int = 1120, height: int = 8, of: int | None = None
) -> Bar:
    """Parts (tone, label, count) in their order, zeros left out.

    `of` is the count that would fill the whole width: give the largest total to compare rows.
    A part that is there is at least two units wide.
    """
    seen = [part for part in parts if part[2] > 0]
    total = sum(count for _, _, count in seen)
    full = max(of or total, 1)
    room = width * min(total / full, 1.0) - GAP * max(len(seen) - 1, 0)
    widths = shares([count for _, _, count in seen], max(room, 0.0))
    rects, x = [], 0.0
    for (tone, _, _), wide in zip(seen, widths, strict=True):
        rects.append(Rect(round(x, 1), round(wide, 1), min(3.0, round(wide / 2, 1)), tone))
        x += wide + GAP
    sentence = ", ".join(f"{count} {label}" for _, label, count in seen) or "nothing"
    return Bar(width, height, tuple(rects), sentence)


def shares(counts: Sequence[int], room: float) -> list[float]:
    """Widths in proportion to `counts` that fill `room`, none below the shortest segment."""
    small = {
        index
        for index, count in enumerate(counts)
        if sum(counts) and room * count / sum(counts) < SHORTEST_SEGMENT
    }
    rest = max(sum(count for index, count in enumerate(counts) if index not in small), 1)
    left = max(room - SHORTEST_SEGMENT * len(small), 0.0)
    return [
        float(SHORTEST_SEGMENT) if index in small else left * count / rest
        for index, count in enumerate(counts)
    ]


SEGMENT_TONES = {
    "done": "done",
    "running": "attention",
    "failed": "danger",
    "queued": "plain",
}


def segments(statuses: Sequence[str], width: int = 1118, height: int = 14) -> Bar:
    """One equal segment per status, in the order given; a failed one is crossed as well."""
    number = max(len(statuses), 1)
    wide = (width - GAP * (number - 1)) / number
    rects = tuple(
        Rect(
            x=round(index * (wide + GAP), 1),
            width=round(wide, 1),
            # Drawn stretched to its place: a rounder end would look like an egg.
            radius=min(3.0, round(wide / 4, 1)),
            tone=SEGMENT_TONES.get(status, "plain"),
            crossed=status == "failed",
        )
        for index, status in enumerate(statuses)
    )
    done, running, failed = (statuses.count(name) for name in ("done", "running", "failed"))
    sentence = f"{done} of {len(statuses)} done, {running} running, {failed} failed"
    return Bar(width, height, rects, sentence)
