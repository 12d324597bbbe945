"""The cards of the soak board, drawn without a template: a column for each day has five of them."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from inventory.templatetags.charts import ring
from inventory.templatetags.icons import icon
from inventory.templatetags.times import day
from migrations_app.soak.board import Card

register = template.Library()

_CARD = (
    '<a class="card board-card{}" href="{}">{}'
    '<span class="grow cut"><span class="d-block mono strong cut">{}</span>'
    '<span class="d-block detail cut">{}{}</span></span></a>'
)


@register.simple_tag
def board_cards(cards: Iterable[Card]) -> SafeString:
    """One card below the other, each a link to its hit or its user."""
    drawn = [_card(card) for card in cards]
    return mark_safe("".join(drawn))  # noqa: S308 (each was made by format_html)


def _card(card: Card) -> SafeString:
    departure, user = card.departure, card.departure.user
    return format_html(
        _CARD,
        " is-hit" if card.called else "",
        reverse("hit", args=[card.hit.pk])
        if card.hit
        else f"/users/{user.account.account_id}/{user.user_id}/",
        _round(card),
        user.user_name,
        departure.owner,
        _fact(card),
    )


def _round(card: Card) -> SafeString:
    if card.called:
        return format_html('<span class="board-round tone-danger">{}</span>', icon("player-pause"))
    if card.ready:
        return format_html('<span class="board-round tone-deleted">{}</span>', icon("check"))
    return ring(card.days_left, card.days_total, tone=card.tone)


def _fact(card: Card) -> SafeString | str:
    """What is most worth knowing of it, behind the name of its team."""
    departure = card.departure
    if card.hit:
        attempts = f"{card.hit.count} attempt{'' if card.hit.count == 1 else 's'}"
        return format_html(', <b class="tone-danger tone-text">{}</b>', attempts)
    if card.called:
        return format_html(', <b class="tone-danger tone-text">{}</b>', "called")
    if card.flag == "extended":
        why = f", {departure.not_before_reason}" if departure.not_before_reason else ""
        return format_html(
            ", {}{}", day(departure.not_before, departure.user.account.time_zone), why
        )
    if card.flag or card.unheard:
        return format_html(", <b>{}</b>", card.flag or card.unheard)
    if card.batch:
        return f", in batch #{card.batch}"
    return ", called, answered" if card.answered else ""
