"""The bytes of a ZIP whose files are written piece by piece, by whichever worker comes along. Pure.

Each piece is packed on its own and ends on a byte, so that the next one, by another process after
the first was killed, goes on without knowing it. Times and modes are fixed: the same pieces give
the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MOST_BYTES = 2**32 - 1
_LEVEL = 6
_RAW = -15
_VERSION, _DEFLATE = 20, 8
# 1 January 1980, midnight: the first moment that a ZIP can hold.
_TIME, _DATE = 0, 33
_UNIX, _MODE = 3, 0o100644
# What ends a file whose pieces all ended on a byte: an empty last block.
END_OF_FILE = b"\x03\x00"


class TooLarge(Exception):
    """A ZIP without extensions holds 4 GiB at most."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of the ZIP: its name, the CRC-32 of its content, and its sizes in bytes."""

    name: str
    crc: int
    bytes: int
    packed: int


def piece(content: bytes) -> bytes:
    """`content` as a piece of a packed file."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


def header(file: Packed) -> bytes:
    """What stands before the pieces of a file."""
    name = file.name.encode("ascii")
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *_shared(file), len(name), 0) + name


def header_size(name: str) -> int:
    """How many bytes that will be."""
    return 30 + len(name)


def directory(files: list[Packed]) -> bytes:
    """What stands behind all files and says where each begins. TooLarge beyond 4 GiB."""
    made, offset = b"", 0
    ahead = sum(header_size(file.name) + max(file.packed, file.bytes) for file in files)
    if ahead > MOST_BYTES:
        raise TooLarge
    for file in files:
        name = file.name.encode("ascii")
        made += struct.pack(
            "<4s2B5H3I5H2I",
            *(b"PK\x01\x02", _VERSION, _UNIX, *_shared(file), len(name), 0, 0, 0, 0),
            *(_MODE << 16, offset),
        )
        made += name
        offset += header_size(file.name) + file.packed
    count = len(files)
    return made + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(made), offset, 0)


def _shared(file: Packed) -> tuple[int, ...]:
    flags = 0
    return (_VERSION, flags, _DEFLATE, _TIME, _DATE, file.crc, file.packed, file.bytes)
