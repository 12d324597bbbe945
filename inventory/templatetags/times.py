"""Times as people read them: UTC, with the year only where it is not this year.

Relative times always stand with the absolute one. The browser keeps the relative part fresh and
adds the reader's local time to the tooltip; without a script both are as old as the page.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from inventory import clock
from inventory.durations import duration

register = template.Library()
register.filter(duration)

# So many moments are kept as text: the same ones stand in page after page.
_TOLD = 8192

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def day_text(value: date, now: datetime, weekday: bool = True) -> str:
    """ "Wed 12 Mar", or "Wed 12 Mar 2024" where the year is not the present one."""
    text = f"{value:%a} " if weekday else ""
    text += f"{value.day} {value:%b}"
    return text if value.year == now.year else f"{text} {value.year}"


def moment_text(value: datetime, now: datetime) -> str:
    """ "6 Mar 14:22", in UTC."""
    return _told(value, now.year)[2]


def relative_text(value: datetime, now: datetime) -> str:
    """How long ago or how far ahead: "3 min ago", "2 h ago", "yesterday", "in 6 days"."""
    gap = now - value
    size = abs(gap)
    if size < _MINUTE:
        return "just now" if gap >= timedelta() else "in a moment"
    if size < _HOUR:
        words = f"{size // _MINUTE} min"
    elif size < _DAY:
        words = f"{size // _HOUR} h"
    elif size < 2 * _DAY:
        return "yesterday" if gap > timedelta() else "tomorrow"
    else:
        words = f"{size // _DAY:,} days"
    return f"{words} ago" if gap > timedelta() else f"in {words}"


def due_text(value: datetime, zone: str, now: datetime, *, beside: bool = True) -> str:
    """A window or due date as pages and messages tell it: "Tue 1 Dec, 01:30 CET (00:30 UTC)"."""
    local = value.astimezone(ZoneInfo(zone))
    text = f"{day_text(local.date(), now)}, {local:%H:%M}"
    if local.utcoffset():
        return f"{text} {local:%Z}" + (f" ({value.astimezone(UTC):%H:%M} UTC)" if beside else "")
    return f"{text} UTC"


@register.filter
def this_year(text: object) -> str:
    """Words that were kept with the year of each day, without that of the present one."""
    return re.sub(rf"\b(\d{{1,2}} [A-Z][a-z]{{2}}) {clock.now().year}\b", r"\1", str(text))


@lru_cache(_TOLD)
def _told(value: datetime, year: int) -> tuple[str, str, str]:
    """A moment for the machine, whole for the tooltip, and as it is read in that year."""
    in_utc = value.astimezone(UTC)
    day = f"{in_utc.day} {in_utc:%b}"
    if in_utc.year != year:
        day += f" {in_utc.year}"
    return _stamp(value), _full(value), f"{day} {in_utc:%H:%M}"


@lru_cache(_TOLD)
def _stamp(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@lru_cache(_TOLD)
def _full(value: datetime) -> str:
    return f"{value.astimezone(UTC):%a %-d %b %Y %H:%M:%S} UTC"


@register.simple_tag
def time(value: datetime | None, absent: str = "never", seconds: bool = False) -> SafeString:
    """ "6 Mar 14:22" in UTC, the full time in the tooltip; `absent` where there is none.

    With `seconds` where somebody compares it with CloudTrail.
    """
    if value is None:
        return format_html('<span class="muted">{}</span>', absent)
    return _drawn_time(value, clock.now().year, seconds)


@lru_cache(_TOLD)
def _drawn_time(value: datetime, year: int, seconds: bool) -> SafeString:
    stamp, full, text = _told(value, year)
    if seconds:
        text += f"{value.astimezone(UTC):%S}".rjust(3, ":")
    return format_html('<time class="num" datetime="{}" title="{}">{}</time>', stamp, full, text)


@register.simple_tag
def when(value: datetime | None, absent: str = "never", stacked: bool = False) -> SafeString:
    """ "7 days ago 27 Feb 15:51"; `stacked` puts the absolute time on a line of its own."""
    if value is None:
        return format_html('<span class="muted">{}</span>', absent)
    now = clock.now()
    return _drawn_when(value, relative_text(value, now), now.year, stacked)


@lru_cache(_TOLD)
def _drawn_when(value: datetime, relative: str, year: int, stacked: bool) -> SafeString:
    stamp, full, moment = _told(value, year)
    return format_html(
        '<time class="when num{}" datetime="{}" title="{}"><span data-relative>{}</span> '
        '<span class="when-absolute">{}</span></time>',
        " when-stacked" if stacked else "",
        stamp,
        full,
        relative,
        moment,
    )


@register.simple_tag
def ago(value: datetime | None, absent: str = "never") -> SafeString:
    """ "14 min ago" alone, the absolute time in the tooltip: only where space forbids both."""
    if value is None:
        return format_html("{}", absent)
    return format_html(
        '<time class="num" datetime="{}" title="{}" data-relative>{}</time>',
        _stamp(value),
        _full(value),
        relative_text(value, clock.now()),
    )


@register.simple_tag
def day(
    value: date | datetime | None, zone: str = "UTC", absent: str = "not set", weekday: bool = True
) -> SafeString:
    """ "Wed 12 Mar", or "12 Mar" without `weekday`; a moment falls on the day it has in `zone`."""
    if value is None:
        return format_html('<span class="muted">{}</span>', absent)
    if isinstance(value, datetime):
        shown = value.astimezone(ZoneInfo(zone)).date()
        stamp, full = _stamp(value), _full(value)
    else:
        shown, stamp, full = value, value.isoformat(), f"{value:%a} {value.day} {value:%b %Y}"
    return format_html(
        '<time class="num nowrap" datetime="{}" title="{}">{}</time>',
        stamp,
        full,
        day_text(shown, clock.now(), weekday),
    )


@register.simple_tag
def due(
    value: datetime | None, zone: str = "UTC", absent: str = "not set", *, beside: bool = True
) -> SafeString:
    """A window or due date in the account's zone: "Tue 11 Mar, 14:00 CET (13:00 UTC)".

    Without UTC `beside` it where there is no room, as in a button.
    """
    if value is None:
        return format_html('<span class="muted">{}</span>', absent)
    return format_html(
        '<time class="num" datetime="{}" title="{}">{}</time>',
        _stamp(value),
        _full(value),
        due_text(value, zone, clock.now(), beside=beside),
    )


@register.simple_tag
def server_now() -> SafeString:
    """The product's time for the browser: the demo's clock runs ahead of the reader's."""
    return mark_safe(_stamp(clock.now()))  # noqa: S308 (digits, dashes and colons only)


@register.simple_tag
def printed_at() -> str:
    """The product's time with its year, for what is read on paper long after."""
    return f"{clock.now():%-d %B %Y, %H:%M} UTC"
