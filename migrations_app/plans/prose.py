"""The words around a plan's files: what was looked at, how to test, how to go back. Pure.

Markdown that also holds when a name is made of Markdown: what AWS or a person named stands in code
spans, on one line, and can neither end them nor turn the writing round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from shlex import quote

from migrations_app.plans.facts import GeneratedFile, PlanFacts


def one_line(text: str) -> str:
    """A text without line ends and without signs that are not seen."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def plain(text: str) -> str:
    """A text outside of code, in which no sign means anything to Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]()#!|<>~&])", r"\\\1", one_line(text))


def code(text: str) -> str:
    """A text as a code span that it cannot end; `(empty)` where nothing is left of it."""
    shown = one_line(text)
    if not shown:
        return "(empty)"
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    room = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{room}{shown}{room}{fence}"


def fenced(lines: Iterable[str], language: str = "sh") -> str:
    """Lines as a code block."""
    held = [one_line(line) if "\n" in line or "\r" in line else line for line in lines]
    longest = max((len(run) for line in held for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *held, fence])


def word(text: str) -> str:
    """A text as one word of a shell, in which every sign of it is seen.

    What is not seen, or turns the writing round, stands as in bash's `$'\\u202e'`: the same text.
    """
    if text.isprintable():
        return quote(text)
    told = "".join(_escaped(one) for one in text)
    return f"$'{told}'"


def _escaped(one: str) -> str:
    if one in "\\'":
        return f"\\{one}"
    if one.isprintable():
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def day(at: datetime) -> str:
    """`6 Mar 2025`."""
    return f"{at.day} {at:%b %Y}"


def header(facts: PlanFacts) -> tuple[str, str]:
    """Two lines for the head of every file: whom it replaces, and what it rests on."""
    days = (facts.evidence_to - facts.evidence_from).days
    user = f"{facts.user_name} ({facts.user_id}) of account {facts.account_id}"
    since = f"{days} days of CloudTrail to {day(facts.evidence_to)}"
    return (
        one_line(f"Replaces the IAM user {user}."),
        f"Generated on {day(facts.generated_at)} from {since}. Read it before you apply it.",
    )


def page(path: str, title: str, *parts: str) -> GeneratedFile:
    """A Markdown file: a title and its paragraphs, lists and blocks."""
    text = "\n\n".join([f"# {plain(title)}", *(part for part in parts if part)])
    return GeneratedFile(path, f"{text}\n", "markdown")


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def steps(lines: Iterable[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))
