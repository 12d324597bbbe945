"""Instructions of a plan as HTML: the little Markdown that `plans/prose.py` writes, and no more.

Headings, lists, code blocks, code spans and bold. Whatever else stands there is text: it bears
names from AWS, so everything is escaped and nothing becomes a link or a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_FENCE = re.compile(r"(`{3,})\w*")
_HEADING = re.compile(r"#{1,4} (.+)")
_ITEM = re.compile(r"(-|\d+\.) (.+)")
_INLINE = re.compile(
    r"\\(?P<sign>[\\`*_{}\[\]()#!|<>~&])"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\*\*(?P<bold>.+?)\*\*"
)


@register.filter
def instructions(text: str) -> SafeString:
    """The text below its title, which the page has already."""
    blocks = list(_blocks(text.splitlines()))
    return format_html_join("", "{}", ((one,) for one in blocks))


def _blocks(lines: list[str]) -> Iterator[SafeString]:
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        if fence := _FENCE.fullmatch(line):
            end = next((n for n in range(at, len(lines)) if lines[n] == fence[1]), len(lines))
            yield format_html('<pre class="code" tabindex="0">{}</pre>', "\n".join(lines[at:end]))
            at = end + 1
        elif heading := _HEADING.fullmatch(line):
            if at > 1:
                yield format_html("<h3>{}</h3>", _inline(heading[1]))
        elif item := _ITEM.fullmatch(line):
            kind = "ul" if item[1] == "-" else "ol"
            items = [item[2]]
            while at < len(lines) and (more := _ITEM.fullmatch(lines[at].rstrip())):
                if (more[1] == "-") != (kind == "ul"):
                    break
                items.append(more[2])
                at += 1
            inner = format_html_join("", "<li>{}</li>", ((_inline(one),) for one in items))
            yield format_html("<{0}>{1}</{0}>", mark_safe(kind), inner)  # noqa: S308 (ul or ol)
        elif line:
            yield format_html("<p>{}</p>", _inline(line))


def _inline(text: str) -> SafeString:
    parts: list[SafeString | str] = []
    at = 0
    for found in _INLINE.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found["sign"]:
            parts.append(found["sign"])
        elif found["code"]:
            parts.append(format_html('<code class="mono">{}</code>', _spaced(found["code"])))
        else:
            parts.append(format_html("<b>{}</b>", _inline(found["bold"])))
    parts.append(text[at:])
    return format_html_join("", "{}", ((one,) for one in parts))


def _spaced(code: str) -> str:
    """A code span that begins or ends with a backtick has a space around it."""
    room = code.startswith(" ") and code.endswith(" ") and code.strip()
    return code[1:-1] if room else code
