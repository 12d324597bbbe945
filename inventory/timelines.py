"""Charts along a calendar: the burn-down of an account and the evidence of one IAM user.

Pure, like inventory.charts: dates and counts in, the shapes of an SVG out, every length rounded to
a tenth of a unit. Each chart also keeps its numbers as rows, for the table that can stand in its
place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

Point = tuple[date, int]

# About as wide as "146 still have access" is drawn.
LABEL_WIDTH = 140


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, and where its line runs."""

    at: float
    label: str
    anchor: str = "middle"
    is_zero: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """Words inside a chart."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Plane:
    """The drawing area and its two scales."""

    left: float
    right: float
    top: float
    bottom: float
    first: date
    last: date
    most: int = 1

    def x(self, day: date) -> float:
        span = max((self.last - self.first).days, 1)
        return round(self.left + (self.right - self.left) * (day - self.first).days / span, 1)

    def y(self, count: float) -> float:
        return round(self.bottom - (self.bottom - self.top) * count / self.most, 1)

    def line(self, points: Iterable[tuple[date, float]]) -> str:
        return "M" + "L".join(f"{self.x(day)} {self.y(count)}" for day, count in points)

    def steps(self, points: Sequence[Point], until: date) -> str:
        """Counts hold until they change, so the line runs level and then drops."""
        (first, count), *rest = points
        path = f"M{self.x(first)} {self.y(count)}"
        for day, count in rest:
            path += f"H{self.x(day)}V{self.y(count)}"
        return f"{path}H{self.x(until)}"


def short_day(day: date) -> str:
    """ "6 Mar": the axis says no year, the chart's sentence does."""
    return f"{day.day} {day:%b}"


def calendar_ticks(plane: Plane, number: int) -> tuple[Tick, ...]:
    """`number` + 1 dates, evenly spread from the left edge to the right one."""
    span = (plane.last - plane.first).days
    days = sorted({plane.first + timedelta(round(span * n / number)) for n in range(number + 1)})
    return tuple(Tick(plane.x(day), short_day(day), anchor(plane, day)) for day in days)


def anchor(plane: Plane, day: date) -> str:
    """Which end of a label stands at its date, so that it does not leave the chart."""
    if plane.x(day) - plane.left < 20:
        return "start"
    return "end" if plane.right - plane.x(day) < 20 else "middle"


def count_ticks(most: int) -> list[int]:
    """Round numbers from 0 to the first that is not below `most`, five steps at most."""
    step = next(
        step * factor
        for factor in (1, 10, 100, 1_000, 10_000, 100_000)
        for step in (1, 2, 5)
        if step * factor * 5 >= most
    )
    return list(range(0, most + step, step))


def _at(course: tuple[Point, ...], day: date) -> int:
    """What a course says of a day: its last point until then."""
    return next((count for on, count in reversed(course) if on <= day), course[0][1])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected to be left on coming days: the middle, and the range around it."""

    low: tuple[Point, ...]
    middle: tuple[Point, ...]
    high: tuple[Point, ...]

    @property
    def rows(self) -> tuple[tuple[date, int, int, int], ...]:
        """(day, low, middle, high) by the days of the slow course, for the table."""
        return tuple(
            (day, _at(self.low, day), _at(self.middle, day), high) for day, high in self.high
        )

    @property
    def zero_on(self) -> date | None:
        """The day the middle reaches zero, if it does."""
        return next((day for day, count in self.middle if count == 0), None)

    @property
    def earliest_on(self) -> date | None:
        """The day the hopeful course reaches zero, if it does."""
        return next((day for day, count in self.low if count == 0), None)

    @property
    def latest_on(self) -> date | None:
        """The day the slow course reaches zero, if it does."""
        return next((day for day, count in self.high if count == 0), None)


@dataclass(frozen=True, slots=True)
class BurnDown:
    """Two step lines: users not deleted, and users who still have access."""

    width: int
    height: int
    plane: Plane
    count_axis: tuple[Tick, ...]
    calendar: tuple[Tick, ...]
    not_deleted: str
    with_access: str
    with_access_area: str
    today_x: float
    ends: tuple[Label, Label]
    left_y: float
    access_y: float
    expected: str
    range: str
    zero: Label | None
    sentence: str
    rows: tuple[tuple[date, int, int], ...]

    @property
    def opens_left(self) -> bool:
        """Whether today is nearer to the left end, where a screen too narrow for it all opens."""
        return self.today_x < self.width / 2


def burn_down(
    not_deleted: Sequence[Point],
    with_access: Sequence[Point],
    today: date,
    forecast: Forecast | None = None,
    *,
    width: int = 732,
    height: int = 290,
) -> BurnDown:
    """The burn-down up to `today`, with a forecast where the pace is known.

    The series hold a point for each day on which the count changed, oldest first; both need one at
    least (ValueError), and neither counts a protected user: zero means zero.
    """
    if not not_deleted or not with_access:
        raise ValueError("A burn-down needs one count of each line at least.")
    ticks = count_ticks(max(count for _, count in [*not_deleted, *with_access]))
    first = min(not_deleted[0][0], with_access[0][0])
    # Without a forecast a little of the days to come still shows, so that "Today" has room.
    soon = today + (today - first) // 8
    end = max([soon, *(day for day, _ in (forecast.high if forecast else ()))])
    plane = Plane(
        left=34,
        right=width - 14,
        # Below the word "Today", which a line that has not fallen yet would otherwise cross.
        top=46,
        bottom=height - 30,
        first=first,
        last=max(end, first + timedelta(14)),
        most=max(ticks[-1], 1),
    )
    area = plane.steps(with_access, today)
    return BurnDown(
        width=width,
        height=height,
        plane=plane,
        count_axis=tuple(Tick(plane.y(n), str(n), is_zero=n == 0) for n in ticks),
        calendar=calendar_ticks(plane, number=5),
        not_deleted=plane.steps(not_deleted, today),
        with_access=area,
        with_access_area=f"{area}V{plane.y(0)}H{plane.x(with_access[0][0])}Z",
        today_x=plane.x(today),
        ends=end_labels(plane, today, not_deleted, with_access),
        left_y=plane.y(not_deleted[-1][1]),
        access_y=plane.y(with_access[-1][1]),
        expected=expected_path(plane, today, not_deleted[-1][1], forecast),
        range=range_path(plane, today, not_deleted[-1][1], forecast),
        zero=zero_label(plane, forecast),
        sentence=burn_down_sentence(not_deleted, with_access, forecast),
        rows=joined(not_deleted, with_access),
    )


def end_labels(
    plane: Plane, today: date, not_deleted: Sequence[Point], with_access: Sequence[Point]
) -> tuple[Label, Label]:
    """The two counts of today: one above its line, one below, clear of every step beside them."""
    x = plane.x(today)
    beside, side = (x - 8, "end") if x - plane.left > LABEL_WIDTH else (x + 8, "start")
    # At the beginning of its level part, as long as the words end before "Today".
    begin = plane.x(not_deleted[-1][0]) + 8
    above, end = (begin, "start") if x - begin > LABEL_WIDTH else (beside, side)
    top = plane.y(max(_counts_along(plane, not_deleted, above, end))) - 9
    access = _counts_along(plane, with_access, beside, side)
    below = plane.y(min(access)) + 20
    if below > plane.bottom - 6:
        # No room left above the calendar; between the two lines there may be.
        between = plane.y(max(access)) - 9
        left = min(_counts_along(plane, not_deleted, beside, side))
        below = between if between - plane.y(left) > 30 else plane.bottom - 6
    return (
        Label(round(above, 1), round(top, 1), f"{not_deleted[-1][1]} not deleted", end),
        Label(round(beside, 1), round(below, 1), f"{with_access[-1][1]} still have access", side),
    )


def _counts_along(plane: Plane, points: Sequence[Point], x: float, side: str) -> list[int]:
    """The counts of a step line above or below a label that begins or ends at `x`."""
    begin, end = (x - LABEL_WIDTH, x) if side == "end" else (x, x + LABEL_WIDTH)
    until = [*(plane.x(day) for day, _ in points[1:]), plane.right]
    along = [
        count
        for (day, count), over in zip(points, until, strict=True)
        if plane.x(day) <= end and over >= begin
    ]
    return along or [points[-1][1]]


def expected_path(plane: Plane, today: date, left: int, forecast: Forecast | None) -> str:
    """The dashed line from today's count; empty without a forecast."""
    return plane.line([(today, left), *forecast.middle]) if forecast else ""


def range_path(plane: Plane, today: date, left: int, forecast: Forecast | None) -> str:
    """The grey range between the hopeful and the slow course; empty without a forecast."""
    if forecast is None:
        return ""
    outline = [(today, left), *forecast.high, *reversed(forecast.low)]
    return plane.line(outline) + "Z"


def zero_label(plane: Plane, forecast: Forecast | None) -> Label | None:
    """The day on which nothing is left, where the forecast reaches it."""
    day = forecast.zero_on if forecast else None
    if day is None:
        return None
    text = f"{day:%a} {short_day(day)}"
    return Label(plane.x(day), plane.y(0), text, anchor(plane, day))


def burn_down_sentence(
    not_deleted: Sequence[Point], with_access: Sequence[Point], forecast: Forecast | None
) -> str:
    """The chart in words, for its title."""
    text = (
        f"{not_deleted[-1][1]} of {max(count for _, count in not_deleted)} users not deleted, "
        f"{with_access[-1][1]} with access"
    )
    day = forecast.zero_on if forecast else None
    return f"{text}, zero expected on {day.day} {day:%B %Y}" if day else text


def joined(
    not_deleted: Sequence[Point], with_access: Sequence[Point]
) -> tuple[tuple[date, int, int], ...]:
    """Both lines day by day of change: (day, not deleted, with access)."""
    left, access = dict(not_deleted), dict(with_access)
    rows: list[tuple[date, int, int]] = []
    now_left, now_access = not_deleted[0][1], with_access[0][1]
    for day in sorted({*left, *access}):
        now_left, now_access = left.get(day, now_left), access.get(day, now_access)
        rows.append((day, now_left, now_access))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Lane:
    """One source of evidence: what it is called, and what it saw on which day.

    `kind` is "bars" for counts per day, "squares" or "diamonds" for single sightings.
    """

    title: str
    note: str
    kind: str
    marks: tuple[Point, ...]
    tone: str = "quiet"


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """A lane with its place and its marks as one path."""

    title: str
    note: str
    tone: str
    title_y: float
    note_y: float
    line_y: float
    path: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Lanes above each other over one calendar; the quiet span is tinted."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    lanes: tuple[DrawnLane, ...]
    calendar: tuple[Tick, ...]
    quiet_x: float | None
    quiet_width: float
    sentence: str
    rows: tuple[tuple[str, date, int], ...]


LANE_HEIGHTS = {"bars": 62, "squares": 42, "diamonds": 42}
LANES_TOP = 14
LABELS_WIDTH = 128


def evidence_lanes(
    lanes: Sequence[Lane],
    today: date,
    sentence: str,
    *,
    quiet_since: date | None = None,
    days: int = 90,
    width: int = 736,
) -> Evidence:
    """The evidence of the last `days` days; marks before that are left out.

    `quiet_since` is the day since when nothing was seen of the old credentials.
    """
    first = today - timedelta(days)
    plane = Plane(LABELS_WIDTH, width - 10, 0, 1, first, today)
    drawn, top = [], LANES_TOP
    for lane in lanes:
        shown = [(day, count) for day, count in lane.marks if first <= day <= today]
        drawn.append(draw_lane(plane, lane, shown, top))
        top += LANE_HEIGHTS[lane.kind]
    quiet_x = plane.x(max(quiet_since, first)) if quiet_since else None
    return Evidence(
        width=width,
        height=top + 28,
        left=plane.left,
        right=plane.right,
        bottom=float(top),
        lanes=tuple(drawn),
        calendar=calendar_ticks(plane, number=4),
        quiet_x=quiet_x,
        quiet_width=round(plane.right - quiet_x, 1) if quiet_x is not None else 0.0,
        sentence=sentence,
        rows=tuple((lane.title, *mark) for lane in lanes for mark in lane.marks if mark[1]),
    )


def draw_lane(plane: Plane, lane: Lane, marks: Sequence[Point], top: float) -> DrawnLane:
    """One lane whose upper edge is at `top`."""
    height = LANE_HEIGHTS[lane.kind]
    middle = top + height / 2
    most = max((count for _, count in marks), default=0) or 1
    shapes = []
    for day, count in marks:
        if count <= 0:
            continue
        x = plane.x(day)
        if lane.kind == "bars":
            tall = round(max(2.0, (height - 14) * count / most), 1)
            shapes.append(
                f"M{round(x - 2.6, 1)} {round(top + height - 6 - tall, 1)}h5.2v{tall}h-5.2z"
            )
        elif lane.kind == "squares":
            shapes.append(f"M{round(x - 4, 1)} {middle - 4}h8v8h-8z")
        else:
            shapes.append(f"M{x} {middle - 5}l5 5-5 5-5-5z")
    return DrawnLane(
        title=lane.title,
        note=lane.note,
        tone=lane.tone,
        title_y=middle - 2,
        note_y=middle + 13,
        line_y=top + height,
        path="".join(shapes),
    )
