"""The policy in `iamcleanup.yaml`, of the organization and of one account, in canonical words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from inventory.organization.document import Section
from inventory.policy import DAY, MAX_BATCH_SIZE, TIMES, WINDOWS, parse_duration, parse_window

CATEGORIES = ("human-console", "human-programmatic", "ci-cd", "third-party", "mystery")
DEFAULT_POLICY: dict[str, Any] = {
    "dormant_after": "90d",
    "quiet": "14d",
    "watch": "7d",
    "soak": "14d",
    "settle": "1d",
    "notice": "2d",
    "claim_deadline": "10d",
    "evidence_max_age": "1d",
    "batch_size": MAX_BATCH_SIZE,
    "disable_window": {"days": ["mon", "tue", "wed", "thu"], "from": "09:00", "to": "16:00"},
    "delete_window": {"days": ["tue", "wed", "thu"], "from": "09:00", "to": "16:00"},
    "freezes": [],
    "by_category": {},
}
# These may be shorter than a day anywhere: less old evidence and no watch at all are stricter or
# chosen ways, not haste. A soak or a notice of seconds is play.
_MAY_BE_SHORT = frozenset({"evidence_max_age"})


def organization_policy(document: Section, play: bool) -> tuple[dict[str, Any], dict[str, int]]:
    """The whole policy of the organization with its defaults, and the lines of what is declared."""
    section = document.section("policy", "the policy")
    if section is None:
        return dict(DEFAULT_POLICY), {}
    categories: dict[str, Any] = {}
    by_category = section.section("by_category", "by_category")
    if by_category:
        for category in CATEGORIES:
            one = by_category.section(category, f"the policy of {category}")
            if one:
                categories[category] = _policy(one, play=play, batch=False)
        by_category.close()
    found = {**DEFAULT_POLICY, **_policy(section, play=play, batch=True), "by_category": categories}
    return found, {key: section.line_of(key) for key in DEFAULT_POLICY if section.has(key)}


def account_policy(account: Section, play: bool) -> dict[str, Any]:
    """What an account overrides."""
    section = account.section("policy", "the policy of an account")
    return _policy(section, play=play, batch=True) if section else {}


def _policy(section: Section, *, play: bool, batch: bool) -> dict[str, Any]:
    """What a section declares, in canonical words. `batch`: it may speak of whole batches."""
    found: dict[str, Any] = {}
    for key in TIMES:
        length = section.parsed(key, parse_duration)
        if length is None:
            continue
        if not play and _too_short(key, length):
            section.wrong(
                section.line_of(key), f"“{key}” is shorter than a day, which only a sandbox may be."
            )
        found[key] = _canonical(length)
    if batch:
        if section.has("batch_size"):
            found["batch_size"] = section.whole(
                "batch_size", MAX_BATCH_SIZE, low=1, high=MAX_BATCH_SIZE
            )
        for key in WINDOWS:
            window = _window(section, key, play)
            if window:
                found[key] = window
        if section.has("freezes"):
            found["freezes"] = [_freeze(one) for one in section.sections("freezes", "a freeze")]
    section.close()
    return found


def _too_short(key: str, length: timedelta) -> bool:
    if key == "watch" and not length:
        return False
    return length < DAY and key not in _MAY_BE_SHORT


def _canonical(length: timedelta) -> str:
    """The shortest way to write a duration, so that 24h and 1d are the same."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _window(section: Section, key: str, play: bool) -> str | dict[str, Any] | None:
    if not section.has(key):
        return None
    if section.is_text(key, "always"):
        if not play:
            section.wrong(section.line_of(key), "Only a sandbox may have a window “always”.")
        return "always"
    window = section.section(key, f"{key}")
    if window is None:
        return None
    found = {
        "days": list(window.texts("days", like="mon|tue|wed|thu|fri|sat|sun", what="day")),
        "from": window.needed("from"),
        "to": window.needed("to"),
    }
    window.close()
    try:
        parse_window(found)
    except ValueError as error:
        section.wrong(section.line_of(key), str(error))
    return found


def _freeze(section: Section) -> dict[str, str]:
    start, end = section.date("from"), section.date("to")
    if not (section.has("from") and section.has("to")):
        section.wrong(section.line, "A freeze needs “from” and “to”.")
    elif start and end and end < start:
        section.wrong(section.line, "A freeze ends before it starts.")
    found = {"from": str(start), "to": str(end), "reason": section.text("reason")}
    section.close()
    return found
