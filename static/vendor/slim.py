"""Takes out of Tabler's style sheet what no page of ours can match.

    python static/vendor/slim.py

reads tabler/tabler.min.css and writes tabler/tabler.slim.css, which the pages link: rules whose
classes stand in no template, tag or script are left out, then variables that nothing reads. Run it
after a template began to use another class of Tabler's; tests/ground/test_static.py tells when.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WHOLE, SLIM = HERE / "tabler" / "tabler.min.css", HERE / "tabler" / "tabler.slim.css"
# Where the name of a class can come from.
_NAMED_IN = ("templates/**/*.html", "*/templatetags/*.py", "static/js/src/*.js")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_CLASS = re.compile(r"\.(-?[A-Za-z_](?:[\w-]|\\.)*)")
# What need not be there (`:not`), or need not all be there (`:is`, `:where`), for a rule to match.
_OPTIONAL = re.compile(r":(?:not|is|where)\([^()]*(?:\([^()]*\)[^()]*)*\)")
_PIECE = re.compile(
    r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^)]*\)|[{};]|.""", re.DOTALL
)
_VARIABLE = re.compile(r"(--[\w-]+)\s*:")
_READ = re.compile(r"var\(\s*(--[\w-]+)")
_GROUPS = ("@media", "@supports", "@layer", "@container")


def words() -> frozenset[str]:
    """Every word of what could name a class."""
    texts = (path.read_text() for pattern in _NAMED_IN for path in ROOT.glob(pattern))
    return frozenset(word for text in texts for word in _WORD.findall(text))


def statements(css: str) -> Iterator[tuple[str, str | None]]:
    """What stands at the top of `css`: each rule as head and body, each other with None."""
    head, body, depth = "", "", 0
    for piece in _PIECE.findall(css):
        if piece.startswith("/*"):
            if not depth and piece.startswith("/*!"):
                yield piece, None
            continue
        depth -= piece == "}"
        if depth:
            body += piece
        elif piece == "}":
            yield head, body
            head = body = ""
        elif piece == ";":
            yield f"{head};", None
            head = ""
        elif piece != "{":
            head += piece
        depth += piece == "{"


def matched(selectors: str, known: frozenset[str]) -> str:
    """Those of `selectors` all of whose classes are `known`."""
    parts = re.split(r",(?![^()]*\))", selectors)
    return ",".join(
        part for part in parts if known.issuperset(_CLASS.findall(_OPTIONAL.sub("", part)))
    )


def rules(css: str, known: frozenset[str]) -> str:
    """`css` without the rules that match nothing `known`."""
    kept = []
    for head, body in statements(css):
        if body is None:
            kept.append(head)
        elif head.startswith(_GROUPS):
            if inside := rules(body, known):
                kept.append(f"{head}{{{inside}}}")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        elif chosen := matched(head, known):
            kept.append(f"{chosen}{{{body}}}")
    return "".join(kept)


def without_variables(css: str, own: Iterable[str]) -> str:
    """`css` without the variables that neither it nor one of `own` texts reads."""
    read_elsewhere = {name for text in own for name in _READ.findall(text)}
    before = ""
    while css != before:
        before, read = css, read_elsewhere.union(_READ.findall(css))
        unread = set(_VARIABLE.findall(css)) - read
        if not unread:
            break
        names = "|".join(sorted(map(re.escape, unread), key=len, reverse=True))
        value = r"""(?:"[^"]*"|'[^']*'|url\([^)]*\)|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^;{}"'()])*"""
        css = re.sub(rf"(?<=[{{;])(?:{names})\s*:{value}(?:;|(?=}}))", "", css)
    return css


def without_keyframes(css: str, own: Iterable[str]) -> str:
    """`css` without the movements that nothing names."""
    kept = []
    for head, body in statements(css):
        name = head.removeprefix("@keyframes ").strip()
        told = f"{name}(?![\\w-])"
        if head.startswith("@keyframes") and not any(
            re.search(rf"animation[\w-]*:[^;}}]*{told}", text) for text in (css, *own)
        ):
            continue
        kept.append(head if body is None else f"{head}{{{body}}}")
    return "".join(kept)


def slim(css: str) -> str:
    """`css` without what no page of ours can match or read."""
    own = [path.read_text() for path in (ROOT / "static" / "css").glob("*.css")]
    told = without_variables(without_keyframes(rules(css, words()), own), own)
    # What lost its last variable.
    return re.sub(r"(?<=[};])[^{};@]+\{\}", "", told) + "\n"


def write() -> Path:
    """Make the slim file anew; its path."""
    SLIM.write_text(slim(WHOLE.read_text()))
    return SLIM


def note() -> None:
    """Write what the slim file is now into the manifest."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    [entry] = [one for one in manifest if ROOT / one["file"] == SLIM]
    entry["sha256"] = hashlib.sha256(SLIM.read_bytes()).hexdigest()
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    write()
    note()
    sys.stdout.write(f"{WHOLE.stat().st_size:,} bytes, slim {SLIM.stat().st_size:,}\n")
