"""The rows of the Users table, drawn without a template: fifty of them stand in every answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from inventory.models import IamUser
from inventory.templatetags.charts import spark
from inventory.templatetags.icons import (
    category_label,
    icon,
    protection_badge,
    state_badge,
    verdict_label,
)
from inventory.templatetags.times import when
from migrations_app.models import Departure
from migrations_app.templatetags.screens import privilege_name, rhythm_words
from migrations_app.users.user_rows import Row

register = template.Library()

_SELECT = (
    '<td class="row-select"><input class="check" type="checkbox" name="users" value="{}.{}"'
    ' data-select-row{} aria-label="Select {}" data-key="x" data-key-help="select"></td>'
)
_ROW = (
    "<tr data-row>{}"
    '<th scope="row"><a class="user-name" href="/users/{}/{}/" data-open>{}</a>'
    '<span class="caption">{}{}{}</span></th>'
    '<td data-label="State">{}{}</td>'
    '<td data-label="Owner" class="nowrap">{}</td>'
    '<td data-label="Last used" class="nowrap">{}</td>'
    '<td data-label="13 weeks">{}</td>'
    '<td data-label="Oldest key" class="end num nowrap">{}</td>'
    '<td data-label="MFA">{}</td>'
    '<td data-label="Privilege" class="privilege">{}</td>'
    '<td data-label="Verdict" class="nowrap">{}</td></tr>'
)
_ABSENT = '<span class="caption">{}</span>'


@register.simple_tag
def user_rows(
    rows: Sequence[Row], account_id: str, *, selects: bool, all_selected: bool
) -> SafeString:
    """The rows of the table; the account is told where several are looked at (`account_id` "")."""
    drawn = [_row(row, not account_id, selects, all_selected) for row in rows]
    return mark_safe("".join(drawn))  # noqa: S308 (each was made by format_html)


def _row(row: Row, tells_account: bool, selects: bool, all_selected: bool) -> SafeString:
    departure, user = row.departure, row.departure.user
    flags = format_html(" {}" * len(row.flags), *map(state_badge, row.flags)) if row.flags else ""
    return format_html(
        _ROW,
        _select(departure, all_selected) if selects else "",
        user.account.account_id,
        user.user_id,
        user.user_name,
        # First: the line is cut at its end, and rows of equal names differ in nothing else.
        format_html('<b class="medium">{}</b>, ', user.account.name) if tells_account else "",
        category_label(departure.category or "not-judged"),  # type: ignore[attr-defined]
        f", {row.fact}" if row.fact else "",
        protection_badge(departure.protection)
        if departure.protection
        else state_badge(departure.state),
        flags,
        _owner(departure),
        _last_used(row),
        spark(row.weeks),
        row.key_age or _absent("–"),
        _mfa(row.mfa),
        _privilege(user.privilege, user.may_administer),
        verdict_label(user.verdict, rhythm=rhythm_words(user.rhythm), going_quiet=row.going_quiet)
        if user.judged_at
        else _absent("not judged yet"),
    )


def _select(departure: Departure, all_selected: bool) -> SafeString:
    user = departure.user
    chosen = mark_safe(" checked disabled") if all_selected else ""
    return format_html(_SELECT, user.user_id, departure.version, chosen, user.user_name)


def _owner(departure: Departure) -> str | SafeString:
    user: IamUser = departure.user
    if departure.owner:
        return str(departure.owner)
    if user.suggested_team:
        return format_html(
            '<span class="suggested">{}? <span class="num">{} %</span></span>',
            user.suggested_team,
            user.suggestion_percent or "",
        )
    return _absent("Nobody yet")


def _last_used(row: Row) -> SafeString:
    user = row.departure.user
    if user.last_activity_at:
        return when(user.last_activity_at, stacked=True)
    if user.verdict == "unknown":
        return format_html(
            '<span>unknown</span><span class="d-block caption">{}</span>', row.unknown
        )
    made = user.created_at.astimezone(UTC)
    return format_html(
        '<span>never</span><span class="d-block caption">since <span class="num">{}</span></span>',
        f"{made.day} {made:%b %Y}",
    )


@lru_cache
def _mfa(mfa: str) -> SafeString:
    if mfa == "no":
        return format_html(
            '<span class="tone-danger tone-text medium nowrap">{} No</span>', icon("shield-x")
        )
    return format_html('<span class="muted">{}</span>', "Yes") if mfa == "yes" else _absent("n/a")


@lru_cache
def _privilege(privilege: str, may_administer: bool) -> SafeString:
    if may_administer:
        return format_html(
            '<span class="strong line">{}<span>{}</span></span>',
            icon("bolt"),
            privilege_name(privilege),
        )
    return format_html('<span class="muted">{}</span>', privilege_name(privilege))


@lru_cache
def _absent(words: str) -> SafeString:
    return format_html(_ABSENT, words)
