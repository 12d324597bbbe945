"""How a message looks in Slack: Block Kit, in as many parts as its limits ask for.

Texts stand in `rich_text`, whose text elements are never read as markup, so a name cannot mention
anybody, link anywhere or change how a line looks. The list of users is never cut: what does not
fit goes on in further parts of the same thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from migrations_app.announce.hostile import one_line, plain
from migrations_app.announce.message import Line, Link, Message

Block = dict[str, Any]

MOST_BLOCKS = 50
HEADER = 150
BUTTON = 75
URL = 3000
# Slack's limit is 3,000 UTF-16 units; a character may take two.
TEXT = 1300
# For all blocks of one message together. Slack documents no number; it answers
# msg_blocks_too_long from about 12,000 on, and counts more than the texts.
WHOLE = 9000
# Well inside that for usual entries: where a part ends must not hang on their wording, which may
# be another at the next try, when the parts that have arrived are left out.
ENTRIES = 20
# For the notification and for screen readers. Slack advises 4,000, escaping included.
FALLBACK = 3900


@dataclass(frozen=True, slots=True)
class Part:
    """One posting in Slack. `text` is what notifications and screen readers get, escaped."""

    key: str
    text: str
    blocks: tuple[Block, ...]


def parts(message: Message) -> tuple[Part, ...]:
    """The postings this message becomes; part 1 opens with title, text and button.

    The same message gives the same parts with the same keys, so that a later try can tell which
    of them have arrived.
    """
    pages = list(_pages(message))
    title = one_line(message.title)
    found = []
    for number, pieces in enumerate(pages, 1):
        blocks = tuple(_merged(pieces))
        of = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
        if number > 1:
            blocks = (_section([_text(title + of, bold=True)]), *blocks)
        text = readable(blocks) if number > 1 else f"{title}{of}\n{readable(blocks[1:])}"
        found.append(Part(f"{message.key}:{number}", _fallback(text), blocks))
    return tuple(found)


def rendered(message: Message) -> str:
    """What is sent, as text to read: for the record, and for the demo's inbox."""
    return "\n\n---\n\n".join(readable(part.blocks) for part in parts(message))


def readable(blocks: Sequence[Block]) -> str:
    """Blocks as the text a reader of the channel sees."""
    return "\n".join(filter(None, map(_read, blocks)))


def _pages(message: Message) -> Iterator[list[Block]]:
    """The pieces of a message, shared out so that each page stays inside Slack's limits."""
    page: list[Block] = []
    size = entries = 0
    for piece in _pieces(message):
        weight = len(json.dumps(piece, ensure_ascii=False).encode("utf-16-le")) // 2
        entry = piece["type"] == "rich_text_section"
        # Two places are left: for the line that opens a further part, and for the list.
        full = len(page) >= MOST_BLOCKS - 2 or (entry and entries == ENTRIES)
        if page and (full or size + weight > WHOLE):
            yield page
            page, size, entries = [], 0, 0
        page.append(piece)
        size += weight
        entries += entry
    yield page


def _pieces(message: Message) -> Iterator[Block]:
    """Blocks, and for each user the sections of its entry in a list."""
    title = one_line(message.title) or "IAM Cleanup"
    yield {"type": "header", "text": _plain_text(_cut(title, HEADER))}
    if len(title) > HEADER:
        yield from (_section([_text(piece, bold=True)]) for piece in _pieces_of(title))
    for paragraph in message.paragraphs:
        yield from (_section([_text(piece)]) for piece in _pieces_of(plain(paragraph).strip()))
    if message.button and _is_web(message.button.url):
        yield _button(message.button)
    for link in message.links:
        if one_line(link.text) or _is_web(link.url):
            yield _section([_link(link.text, link.url)])
    for line in message.users:
        yield from _entry(line)


def _entry(line: Line) -> Iterator[Block]:
    name, account, said = one_line(line.name), one_line(line.account), one_line(line.text)
    account = _cut(account, HEADER)
    first, *rest = _pieces_of(said) or [""]
    after = (f" · {account}" if account else "") + (f" · {first}" if first else "")
    elements = [_link(_cut(name, TEXT) or "?", line.url, bold=True)]
    yield _entry_of(elements + ([_text(after)] if after else []))
    yield from (_entry_of([_text(piece)]) for piece in rest)


def _merged(pieces: Sequence[Block]) -> Iterator[Block]:
    """Pieces as blocks: entries that follow each other become one list."""
    for entries, group in groupby(pieces, lambda piece: piece["type"] == "rich_text_section"):
        if entries:
            items = {"type": "rich_text_list", "style": "bullet", "elements": list(group)}
            yield {"type": "rich_text", "elements": [items]}
        else:
            yield from group


def _entry_of(elements: list[Block]) -> Block:
    return {"type": "rich_text_section", "elements": elements}


def _section(elements: list[Block]) -> Block:
    return {"type": "rich_text", "elements": [_entry_of(elements)]}


def _button(button: Link) -> Block:
    text = _plain_text(_cut(one_line(button.text), BUTTON) or "Open")
    # A button with a URL needs an action id too: Slack reports clicks, and nobody listens.
    element = {"type": "button", "text": text, "url": button.url, "action_id": "open"}
    return {"type": "actions", "elements": [element | {"style": "primary"}]}


def _plain_text(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _text(text: str, *, bold: bool = False) -> Block:
    return {"type": "text", "text": text} | ({"style": {"bold": True}} if bold else {})


def _link(text: str, url: str, *, bold: bool = False) -> Block:
    """A link where there is an address of the web; else the text alone."""
    shown = _text(_cut(one_line(text), TEXT) or url[:TEXT], bold=bold)
    return {**shown, "type": "link", "url": url} if _is_web(url) else shown


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= URL and url == one_line(url)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _pieces_of(text: str) -> list[str]:
    """The text in pieces that fit, parted at a line end or a space where there is one."""
    found = []
    while len(text) > TEXT:
        at = max(text.rfind("\n", 1, TEXT), text.rfind(" ", 1, TEXT))
        at = at if at > TEXT // 2 else TEXT
        found.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [piece for piece in [*found, text] if piece]


def _fallback(text: str) -> str:
    """Escaped as Slack asks, whole lines up to the limit; the blocks hold the whole."""
    found: list[str] = []
    left = FALLBACK
    for line in text.splitlines():
        escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        left -= len(escaped) + 1
        if left < 0:
            return "\n".join([*found, "…"])
        found.append(escaped)
    return "\n".join(found)


def _read(block: Block) -> str:
    match block["type"]:
        case "actions":
            return "\n".join(f"[{e['text']['text']}] {e['url']}" for e in block["elements"])
        case "rich_text" | "rich_text_section":
            return "".join(map(_read, block["elements"]))
        case "rich_text_list":
            return "\n".join(f"• {_read(entry)}" for entry in block["elements"])
        case "link":
            return f"{block['text']} <{block['url']}>"
    return str(block["text"]["text"] if block["type"] == "header" else block["text"])
