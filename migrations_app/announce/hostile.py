"""Text from AWS and from people, made harmless before any channel adds its own escaping.

A user name, a tag or a note may hold what turns the direction of a line, hides in it, or breaks
it. What cannot be seen is shown as its number, so that two names that differ also look different.
"""

from __future__ import annotations

import re

from inventory.names import is_unseen

LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


def plain(text: str) -> str:
    """The text with what cannot be seen written out, as in `[U+202E]`; its lines stay."""
    lines = LINE_ENDS.sub("\n", text).replace("\t", " ")
    return "".join(map(_shown, lines))


def one_line(text: str) -> str:
    """The text on one line, with single spaces: for a title, a name, a header."""
    return " ".join(plain(text).split())


def _shown(char: str) -> str:
    return f"[U+{ord(char):04X}]" if is_unseen(char) and char != "\n" else char
