"""How long something takes or took, as people read it."""

from __future__ import annotations

from datetime import timedelta


def duration(value: timedelta | None) -> str:
    """ "3 min 12 s", "14 days", "2 h 5 min": the two largest units; empty for None."""
    if value is None:
        return ""
    seconds = int(value.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s".removesuffix(" 0 s")
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min".removesuffix(" 0 min")
    days = seconds // 86400
    return "1 day" if days == 1 else f"{days:,} days"
