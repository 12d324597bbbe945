"""Words of single screens: a state of the lifecycle card, a value of a filter, a reason's text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from inventory import clock
from inventory.models import IamUser, Team
from inventory.rhythm import RARE
from inventory.templatetags.icons import (
    CATEGORIES,
    PRIVILEGES,
    STATES,
    VERDICTS,
    Look,
    icon,
    plain_look,
)
from inventory.templatetags.times import ago, when
from migrations_app.batch_plan import cut_keys
from migrations_app.models import Change
from migrations_app.replacement.plan_list import LOOKS
from migrations_app.users.facets import Choice, label_of
from migrations_app.users.filters import Filters

register = template.Library()
register.filter("cut_keys", cut_keys)

_LOOKS: dict[str, dict[str, Look]] = {
    "state": STATES,
    "verdict": VERDICTS,
    "category": CATEGORIES,
    "privilege": PRIVILEGES,
}


@register.simple_tag
def lifecycle_name(state: str, plain: bool = False) -> SafeString:
    """A state's words, with its icon unless `plain`."""
    look = STATES.get(state) or plain_look(state)
    if plain:
        return format_html("{}", look.label)
    return format_html("{}{}", icon(look.icon), look.label)


@register.simple_tag
def privilege_name(privilege: str) -> str:
    """The words of how far a user's rights reach."""
    return (PRIVILEGES.get(privilege) or plain_look(privilege)).label


@register.simple_tag
def privilege_badge(privilege: str) -> SafeString:
    """How far a user's rights reach, tinted where that is far or not known."""
    look = PRIVILEGES.get(privilege) or plain_look(privilege)
    if not look.tone:
        return format_html('<span class="state state-outline">{}</span>', look.label)
    return format_html(
        '<span class="state tone-{}">{}{}</span>', look.tone, icon(look.icon), look.label
    )


@register.simple_tag
def state_icon(state: str) -> SafeString:
    """The icon of a state alone; its words stand beside it."""
    return icon((STATES.get(state) or plain_look(state)).icon)


@register.simple_tag
def stacked_day(at: datetime, zone: str = "UTC") -> SafeString:
    """ "Thu" over "13 Mar", in the account's zone, for a narrow column of dates."""
    local = at.astimezone(ZoneInfo(zone))
    year = "" if local.year == clock.now().year else f" {local.year}"
    return format_html(
        '<time datetime="{}" title="{}">{}<br>{}</time>',
        at.isoformat(timespec="seconds"),
        f"{at:%a %-d %b %Y %H:%M} UTC",
        f"{local:%a}",
        f"{local:%-d %b}{year}",
    )


@register.simple_tag
def last_used(user: IamUser, stacked: bool = False, short: bool = False) -> SafeString:
    """When a user was last used; "unknown" instead of "never" where nobody could tell (rule 5).

    `stacked` as `when` has it; `short` has no room for the absolute time.
    """
    at, absent = user.last_activity_at, "unknown" if user.verdict == "unknown" else "never"
    return ago(at, absent) if short else when(at, absent, stacked)


@register.simple_tag
def facet_label(facet: str, choice: Choice) -> str:
    """What one value of a filter is called on the screens."""
    if words := label_of(facet, choice.value):
        return words
    look = _LOOKS.get(facet, {}).get(choice.value)
    return look.label if look else choice.label[:1].upper() + choice.label[1:]


@register.simple_tag
def team_options(teams: Iterable[Team], chosen: Collection[str] = ()) -> SafeString:
    """Teams to choose from, those with a key of `chosen` chosen; hundreds of them on many pages."""
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        (
            (team.key, mark_safe(" selected") if team.key in chosen else "", team.name)
            for team in teams
        ),
    )


@register.simple_tag
def chip_off(filters: Filters, facet: str) -> str:
    """The query string without one filter."""
    return filters.without(facet).query()


@register.simple_tag
def plan_icon(target: str) -> SafeString:
    """The icon of a plan's target."""
    return icon(LOOKS[target][0])


@register.filter
def rhythm_words(rhythm: str) -> str:
    """A rhythm for `verdict_label`, which tints what runs seldom: "rare: quarterly"."""
    return f"rare: {rhythm}" if rhythm in RARE else rhythm


@register.filter
def reason_text(reason: object) -> str:
    """A kept reason is a sentence, or a row with the sentence under `text`."""
    if isinstance(reason, dict):
        return str(reason.get("text", ""))
    return str(reason)


@register.simple_tag
def reason_words(reason: object, team: Team) -> str | SafeString:
    """A reason as a lead reads it: a declared pattern in words, itself in the tooltip."""
    text = reason_text(reason)
    _, matches, pattern = text.partition("Name matches ")
    if not matches:
        return text
    begins = re.fullmatch(r"\^([A-Za-z0-9_-]+)", pattern)
    words = f"Name begins with {begins[1]}" if begins else f"Name fits what {team} calls its users"
    return format_html('<span title="{}">{}</span>', pattern, words)


# In which part of a user's page a warning of a batch is proven, and what the link there says.
_PROOFS = {
    "admin": ("permissions", "See permissions"),
    "rights": ("permissions", "See permissions"),
    "quarantined": ("permissions", "See permissions"),
    "reference": ("references", "See who names it"),
    "reference-unread": ("references", "See what was read"),
    "rare": ("evidence", "See timeline"),
    "no-mfa": ("credentials", "See credentials"),
    "break-glass": ("credentials", "See credentials"),
    "unclaimed": ("owner", "See owner"),
    "category": ("history", "See history"),
    "overruled": ("history", "See history"),
}


@register.simple_tag
def proof(change: Change, code: str, *, named: bool = False) -> SafeString:
    """A link from a warning to where the reader sees for themselves; else to the user's calls.

    Where one warning is about several users, the link is the name of the user.
    """
    user = change.departure.user
    part, words = _PROOFS.get(code, ("", "See calls"))
    page = reverse("user", args=[user.account.account_id, user.user_id]) if part else ""
    place = part or f"change-{change.pk}"
    if named:
        html = '<a class="link mono" href="{}#{}" title="{}">{}</a>'
        return format_html(html, page, place, words, user.user_name)
    return format_html(
        '<a class="link nowrap" href="{}#{}">{}<span class="visually-hidden"> of {}</span></a>',
        page,
        place,
        words,
        user.user_name,
    )
