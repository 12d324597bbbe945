"""Names that people type and others read: all of one can be seen, and none of it turns the writing
round, so that two names that differ also look different. Pure.
"""

from __future__ import annotations

import unicodedata

# Control, format (zero width, direction), half of a pair, private use: nothing a reader sees.
UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co"))
# Fillers that are letters or marks to Unicode and nothing to the eye.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def is_unseen(sign: str) -> bool:
    """Whether a reader sees nothing where this sign stands."""
    return sign in BLANK or unicodedata.category(sign) in UNSEEN


def wrong_name(name: str) -> str:
    """What is wrong with a name and what to do, as a sentence; "" where nothing is."""
    for sign in name:
        # Neither is a line end or a blank of a width of its own.
        if is_unseen(sign) or not sign.isprintable():
            return (
                f"This name holds a sign that nobody sees or that turns the writing round "
                f"(U+{ord(sign):04X}). Type the name anew without it."
            )
    return ""


def without_unseen(name: str) -> str:
    """A name from elsewhere, as far as it can be seen."""
    return "".join(sign for sign in name if not wrong_name(sign)).strip()
