"""Icons and badges: how a state, a verdict, a category or a protection looks.

The words come from the values themselves; colour and icon of each stand in the tables here and
nowhere else. Icons are drawn from one sprite that stands in the page itself: a sprite in a file of
its own is blocked by Firefox under `default-src 'none'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# So many drawn pieces are kept: the same few stand in every row of every list.
_DRAWN = 512


@dataclass(frozen=True, slots=True)
class Look:
    """How one value is shown: its words, its icon of the sprite, its tone of tokens.css."""

    label: str
    icon: str
    tone: str = ""


STATES = {
    "discovered": Look("Discovered", "circle-dashed", "discovered"),
    "owner-assigned": Look("Owner assigned", "user-check", "owner-assigned"),
    "disabled": Look("Disabled", "ban", "disabled"),
    "soaking": Look("Soaking", "hourglass", "soaking"),
    "deleted": Look("Deleted", "circle-check", "deleted"),
    "protected": Look("Protected", "shield-lock", "protected"),
    # Flags, drawn like a state and shown beside it
    "ready": Look("Ready to delete", "check", "deleted"),
    "hit": Look("Hit", "alert-octagon", "danger"),
    "disputed": Look("Disputed", "message-report", "attention"),
    "on-hold": Look("On hold", "hand-stop", "danger"),
    "restored": Look("Restored", "arrow-back-up", "owner-assigned"),
    "extended": Look("Extended", "calendar-time", "soaking"),
    # A batch and its users
    "draft": Look("Draft", "pencil", "plain"),
    "asked": Look("Waits for approval", "eye", "plain"),
    "approved": Look("Approved", "shield-check", "owner-assigned"),
    "queued": Look("Queued", "clock", "plain"),
    "running": Look("Running", "loader-2", "attention"),
    "paused": Look("Paused", "player-pause", "attention"),
    "done": Look("Done", "check", "done"),
    "failed": Look("Failed", "alert-octagon", "danger"),
    "skipped": Look("Skipped", "player-skip-forward", "plain"),
    "aborted": Look("Aborted", "player-stop", "danger"),
}

# Only what needs a reader's care is tinted: a rare rhythm, and what cannot be told.
VERDICTS = {
    "active": Look("In use", "activity"),
    "going-quiet": Look("Going quiet", "arrows-exchange"),
    "dormant": Look("Dormant", "moon"),
    "never-used": Look("Never used", "circle-x"),
    "unknown": Look("Cannot tell", "alert-triangle", "attention"),
}

CATEGORIES = {
    "human-console": Look("Human, console", "lock-password"),
    "human-programmatic": Look("Human, programmatic", "terminal-2"),
    "ci-cd": Look("CI/CD", "git-branch"),
    "third-party": Look("Third-party", "building-store"),
    "mystery": Look("Mystery", "question-mark"),
    "not-judged": Look("Not judged yet", "clock"),
}

PRIVILEGES = {
    "admin": Look("Admin", "bolt", "danger"),
    "can-become-admin": Look("Can become admin", "bolt", "attention"),
    "write": Look("Write", "pencil"),
    "read": Look("Read", "eye"),
    "none": Look("None", "circle-dashed"),
    "": Look("Not looked at", "question-mark", "attention"),
}

PROTECTIONS = {
    "break-glass": Look("Break-glass", "shield-lock", "protected"),
    "exempt": Look("Exempt", "shield-lock", "protected"),
    "self": Look("Used by IAM Cleanup", "shield-lock", "protected"),
}

SPRITE = Path("static") / "vendor" / "icons.svg"


@lru_cache(maxsize=1)
def sprite_text() -> str:
    """The sprite as it stands in the repository; read once per process."""
    text = (Path(settings.BASE_DIR) / SPRITE).read_text()
    return text.replace("<svg ", '<svg class="icon-sprite" aria-hidden="true" ', 1)


@register.simple_tag
def icon_sprite() -> SafeString:
    """All icons, once per page, for `icon` to point at."""
    return mark_safe(sprite_text())  # noqa: S308 (a file of ours, hashed by a test)


@register.simple_tag
@lru_cache(_DRAWN)
def icon(name: str, tone: str = "", label: str = "", spin: bool = False) -> SafeString:
    """An icon by its Tabler name; decorative unless `label` says what it means."""
    classes = "icon icon-spin" if spin else "icon"
    if tone:
        classes += f" tone-{tone} tone-text"
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="#icon-{}"/></svg>',
            classes,
            label,
            name,
        )
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="#icon-{}"/></svg>', classes, name
    )


def plain_look(value: str) -> Look:
    """A value without a look of its own: its words, and nothing coloured."""
    return Look(value.replace("-", " ").capitalize(), "info-circle", "plain")


@register.simple_tag
@lru_cache(_DRAWN)
def state_badge(state: str, label: str = "", bare: bool = False) -> SafeString:
    """A state, flag or batch status as a badge; `label` replaces its words, `bare` drops the tint.

    A bare badge keeps the colour on its icon only: for long lists where most rows are alike.
    """
    look = STATES.get(str(state)) or plain_look(str(state))
    words = label or look.label
    if bare:
        drawn = icon(look.icon, tone=look.tone, spin=state == "running")
        return format_html('<span class="state state-bare">{}{}</span>', drawn, words)
    drawn = icon(look.icon, spin=state == "running")
    return format_html('<span class="state tone-{}">{}{}</span>', look.tone, drawn, words)


@register.simple_tag
@lru_cache(_DRAWN)
def verdict_label(verdict: str, rhythm: str = "", going_quiet: bool = False) -> SafeString:
    """A verdict in the words of the screens.

    `rhythm` is how an active user is used ("nightly", "weekly"; one that begins with "rare" is
    shown as attention: "rare: quarterly"). `going_quiet` says that a confirmed plan has taken over.
    """
    look = VERDICTS.get(str(verdict)) or plain_look(str(verdict))
    if str(verdict) == "active" and going_quiet:
        look = VERDICTS["going-quiet"]
    elif str(verdict) == "active" and rhythm.lower().startswith("rare"):
        look = Look(rhythm[:1].upper() + rhythm[1:], "alert-triangle", "attention")
    elif str(verdict) == "active" and rhythm:
        look = Look(f"{look.label}, {rhythm}", look.icon)
    tone = f" tone-{look.tone}" if look.tone else ""
    return format_html('<span class="verdict{}">{}{}</span>', tone, icon(look.icon), look.label)


@register.simple_tag
@lru_cache(_DRAWN)
def category_label(category: str, with_icon: bool = False) -> SafeString:
    """A category in words; with its icon where a list is read by category."""
    look = CATEGORIES.get(str(category)) or plain_look(str(category))
    if with_icon:
        return format_html('<span class="line">{}{}</span>', icon(look.icon), look.label)
    return format_html("{}", look.label)


@register.simple_tag
@lru_cache(_DRAWN)
def protection_badge(protection: str) -> SafeString:
    """A protection as a badge; nothing for a user that has none."""
    if not protection:
        return mark_safe("")
    look = PROTECTIONS.get(str(protection)) or plain_look(str(protection))
    drawn = icon(look.icon)
    return format_html('<span class="state tone-{}">{}{}</span>', look.tone, drawn, look.label)


@register.filter
def initials(name: str) -> str:
    """Up to two first letters of a name: "Jonas Weber" is "JW"."""
    words = [word for word in str(name).replace(".", " ").replace("-", " ").split() if word]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()
