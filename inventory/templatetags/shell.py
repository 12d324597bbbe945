"""What the shell asks: which pages exist, and on which one the reader is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django import template
from django.template.context import Context
from django.urls import Resolver404, resolve

register = template.Library()
_SHOWN = 999


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the sidebar: its words, its page, its icon, the count it shows."""

    label: str
    path: str
    icon: str
    count: str = ""
    alarm: bool = False


PAGES = (
    Entry("Overview", "/", "layout-dashboard"),
    Entry("Users", "/users/", "users", "users"),
    Entry("Claims", "/claims/", "user-check", "claims"),
    Entry("Batches", "/batches/", "stack-2", "batches"),
    Entry("Soak", "/soak/", "hourglass", "hits", alarm=True),
    Entry("Plans", "/plans/", "route", "plans"),
)
RECORD = (
    Entry("Log", "/log/", "history"),
    Entry("Settings", "/settings/accounts/", "settings"),
)


@lru_cache(maxsize=64)
def exists(path: str) -> bool:
    """Whether a page answers at this path; the URL map does not change while a process lives."""
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def is_here(entry: Entry, path: str) -> bool:
    """Whether the reader is on this entry's page or below it."""
    if entry.path == "/":
        return path == "/"
    return path.startswith("/" + entry.path.split("/")[1] + "/")


@register.inclusion_tag("shell/nav.html", takes_context=True)
def nav(context: Context, record: bool = False) -> dict[str, object]:
    """The sidebar's entries with their quiet counts; open hits alone are an alarm.

    What would only answer "not yours" to this person is not shown.
    """
    request = context.get("request")
    path = request.path if request is not None else ""
    shell = context.get("shell")
    counts = getattr(shell, "counts", None) or {}
    closed: frozenset[str] = getattr(shell, "closed_pages", frozenset())
    rows = [
        {"entry": entry, "here": is_here(entry, path), "count": counts.get(entry.count)}
        for entry in (RECORD if record else PAGES)
        if exists(entry.path) and entry.path not in closed
    ]
    return {"rows": rows}


@register.filter
def page_exists(path: str) -> bool:
    """Whether a link to `path` leads anywhere."""
    return exists(path)


@register.filter
def up_to_999(count: int) -> str:
    """ "12", or "999+": the shell counts no further."""
    return str(count) if count <= _SHOWN else f"{_SHOWN}+"
