"""A verdict in the words of the screens: a headline and the line below it. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from inventory.rhythm import EACH, RARE


def headline(
    value: str,
    now: datetime,
    last_activity_at: datetime | None,
    *,
    created_at: datetime | None = None,
    rhythm: str = "",
    next_expected_at: datetime | None = None,
    missing: tuple[str, ...] = (),
    calls_a_week: int = 0,
    may_go: bool = True,
    may_advise: bool = True,
) -> tuple[str, str]:
    """What the verdict `value` says at `now`, and why in one line.

    `may_go`: nothing known here stands in the way of disabling it. `may_advise`: it still has
    access and may lose it, so that a plan comes first. `calls_a_week`: as event history shows, 0
    where it shows none. A date of this year is told without the year.
    """
    go = " Safe to disable now." if may_go else ""
    first = " Plan a replacement first." if may_advise else ""
    made = f" since it was made on {created_at:%-d %b %Y}" if created_at else ""
    if value == "dormant" and last_activity_at:
        quiet = days(now - last_activity_at)
        return f"Dormant.{go}", f"Nobody has signed in or used a key for {quiet}."
    if value in {"dormant", "never-used"}:
        label = "Dormant" if value == "dormant" else "Never used"
        return f"{label}.{go}", f"No sign-in and no key use{made}."
    if value == "active" and rhythm in RARE:
        last = f", last {day(last_activity_at, now)}" if last_activity_at else ""
        cover = (
            f" Watch or soak must cover {day(next_expected_at, now)}." if next_expected_at else ""
        )
        return f"Rare.{first}", f"Runs each {EACH[rhythm]}{last}.{cover}"
    if value == "active":
        often = f", {rhythm}" if rhythm else ""
        calls = f"{calls_a_week:,} calls a week, last " if calls_a_week else "Last used "
        line = f"{calls}{ago(now - last_activity_at)}." if last_activity_at else ""
        return f"In use{often}.{first}", line
    line = missing[0] if missing else "What was looked at does not prove use or silence."
    return "Cannot tell.", f"{line} Ask the owner."


def day(at: datetime, now: datetime) -> str:
    """A day as "31 Dec", with the year where it is neither within half a year of `now`."""
    near = abs(at - now) < timedelta(days=183)
    return f"{at:%-d %b}" if near else f"{at:%-d %b %Y}"


def ago(since: timedelta) -> str:
    """How long ago: hours below a day, then days."""
    if since >= timedelta(days=1):
        return f"{days(since)} ago"
    hours = int(since.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour ago"
    return "1 hour ago" if hours == 1 else f"{hours} hours ago"


def days(span: timedelta) -> str:
    """Whole days: "1 day", "1,412 days"."""
    return "1 day" if span.days == 1 else f"{span.days:,} days"
