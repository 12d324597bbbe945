"""One CloudTrail log file as a stream: gzip bytes in, records out, whatever its size.

Memory stays bounded: a chunk of bytes and one record at a time, also where a few bytes unpack to a
great many.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

# CloudTrail cuts an event at 256 KB; four times that is no record any more.
LONGEST_RECORD = 1_000_000
_PIECE = 65_536
_BEGIN = re.compile(r'\s*\{\s*"Records"\s*:\s*\[')
_NEXT = re.compile(r"[\s,]*")
_BEGUN_END = re.compile(r"\s*\]\s*")
_END = re.compile(r"\s*\]\s*\}\s*")


class UnreadableLog(Exception):
    """The bytes are no whole log file; what came before the fault was given already."""


def records(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The records of a gzipped log file, `{"Records": [...]}`, as they come. UnreadableLog."""
    return parsed(_text(_unpacked(chunks)))


def parsed(pieces: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The records in text that comes in pieces, cut anywhere. UnreadableLog."""
    decode = json.JSONDecoder().raw_decode
    source = iter(pieces)
    buffer, position = _opened(source)
    while True:
        position = _NEXT.match(buffer, position).end()  # type: ignore[union-attr]
        if buffer.startswith("]", position):
            break
        record: Any = None
        # Only an object shows by itself that it is whole.
        if buffer.startswith("{", position):
            try:
                record, position = decode(buffer, position)
            except json.JSONDecodeError:
                record = None
            except RecursionError as error:
                raise UnreadableLog("A record is nested too deep.") from error
        elif position < len(buffer):
            raise UnreadableLog("The log file holds something that is no record.")
        if record is not None:
            yield record
            continue
        buffer, position = _more(source, buffer[position:]), 0
    _closed(source, buffer[position:])


def _opened(source: Iterator[str]) -> tuple[str, int]:
    buffer = ""
    while True:
        begin = _BEGIN.match(buffer)
        if begin:
            return buffer, begin.end()
        if len(buffer) > 1000:
            raise UnreadableLog("The file does not begin like a CloudTrail log.")
        buffer = _more(source, buffer)


def _more(source: Iterator[str], buffer: str) -> str:
    if len(buffer) > LONGEST_RECORD:
        raise UnreadableLog("A record of the log file cannot be read.")
    for piece in source:
        if piece:
            return buffer + piece
    raise UnreadableLog("The log file ends in the middle.")


def _closed(source: Iterator[str], rest: str) -> None:
    while not _END.fullmatch(rest):
        if len(rest) > 1000 or not _BEGUN_END.fullmatch(rest):
            raise UnreadableLog("The log file goes on behind its end.")
        rest = _more(source, rest)
    if any(piece.strip() for piece in source):
        raise UnreadableLog("The log file goes on behind its end.")


def _text(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnreadableLog("The log file is no UTF-8 text.") from error


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if unzip.eof:
                    # A gzip file may hold several members, one behind the other.
                    unzip = zlib.decompressobj(wbits=31)
                yield unzip.decompress(data, _PIECE)
                data = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
        if not unzip.eof:
            yield unzip.flush()
    except zlib.error as error:
        raise UnreadableLog("The log file is no whole gzip file.") from error
    if not unzip.eof:
        raise UnreadableLog("The log file is cut off.")
