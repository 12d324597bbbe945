"""Foreign text for Jira and mail: what cannot be seen is shown, and what looks like a link is none.

`defused` and `defused_html` are for mail, whose readers turn plain text into links by themselves.
"""

from __future__ import annotations

import re

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from migrations_app.announce import hostile

# No client takes U+2060 for a part of a host or a scheme. It stands on both sides of a dot because
# some look at what comes before it and some at the top-level domain after it.
WORD_JOINER = "\u2060"
_LINKING = re.compile(r"(?<=\S)[.@\u3002\uff0e\uff61](?=\S)|:(?=/)|\\(?=\\)")


def visible(text: str, *, lines: bool = False) -> str:
    """The text on one line, with everything that cannot be seen written out, as in `[U+202E]`.

    With `lines`, line breaks stay. Runs of white space become one space.
    """
    if lines:
        return "\n".join(map(hostile.one_line, hostile.plain(text).split("\n")))
    return hostile.one_line(text)


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something was left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def defused(text: str) -> str:
    """Text that reads the same, in which no mail client finds an address or a link."""
    return _LINKING.sub(rf"{WORD_JOINER}\g<0>{WORD_JOINER}", text)


def defused_html(text: str) -> SafeString:
    """The same for the HTML part, where what could join a link is an element of its own too."""
    parts: list[SafeString] = []
    start = 0
    for found in _LINKING.finditer(text):
        parts.append(format_html("{}", text[start : found.start()]))
        joined = f"{WORD_JOINER}{found[0]}{WORD_JOINER}"
        parts.append(format_html("<span>{}</span>", joined))
        start = found.end()
    parts.append(format_html("{}", text[start:]))
    return format_html_join("", "{}", ((part,) for part in parts))


def web_address(url: str) -> str:
    """The URL if it is one that a browser opens and nothing else; "" otherwise."""
    if re.fullmatch(r"https?://[!-~]{1,2000}", url) and not re.search(r"""[<>"'`\\{}|^]""", url):
        return url
    return ""
