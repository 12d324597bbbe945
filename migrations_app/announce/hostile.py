"""Text from AWS and from people, made harmless before any channel adds its own escaping.

A user name, a tag or a note may hold what turns the direction of a line, hides in it, or breaks
it. None of that can be seen, so none of it is missed.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (zero width, direction), half of a pair, private use: nothing a reader sees.
UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co"))
# Fillers that are letters to Unicode and nothing to the eye.
BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")
LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


def plain(text: str) -> str:
    """The text with nothing in it that cannot be seen; its lines stay."""
    lines = LINE_ENDS.sub("\n", text).replace("\t", " ")
    return "".join(char for char in lines if char == "\n" or _is_seen(char))


def one_line(text: str) -> str:
    """The text on one line, with single spaces: for a title, a name, a header."""
    return " ".join(plain(text).split())


def _is_seen(char: str) -> bool:
    return char not in BLANK and unicodedata.category(char) not in UNSEEN
