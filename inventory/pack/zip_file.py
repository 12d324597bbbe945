"""Reading a ZIP that a stranger sent: nothing is written to disk, and nothing grows without bound.

A pack of ours is plain: files side by side, one after the other without a gap, each stored once,
under a name that is one file in one folder. Whatever else a ZIP can be is refused before any of it
is unpacked.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from inventory.pack.layout import SAFE_NAME

MOST_FILES = 60
# A ZIP without extensions cannot hold more anyway.
MOST_BYTES = 2**32 - 1
# Deflate cannot do better than about 1,032 to 1; whoever says so lies about the size.
_BEST_RATIO = 1040
_LOCAL_HEADER = 30
_END = 22
_ENCRYPTED = 0x1
_CHUNK = 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024


class BadZip(Exception):
    """What is wrong with the file, in a sentence."""


class PackZip:
    """The files of a ZIP by name, each read as a stream; BadZip for whatever is not plain."""

    def __init__(self, path: Path) -> None:
        try:
            # Ours to close, also where somebody stopped in the middle of a file of it.
            self._file = path.open("rb")
        except OSError as error:
            raise BadZip(f"{path} cannot be read: {error}") from error
        try:
            self._zip = zipfile.ZipFile(self._file)
            self.files = self._plain()
        except (OSError, zipfile.BadZipFile, struct.error, UnicodeDecodeError) as error:
            self._file.close()
            raise BadZip(f"{path} cannot be read as a ZIP: {error}") from error
        except BadZip:
            self._file.close()
            raise

    def __enter__(self) -> PackZip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def names(self) -> list[str]:
        """Every file, in the order in which it stands there."""
        return list(self.files)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file, a mebibyte at a time; its checksum is compared on the way."""
        read = 0
        try:
            with self._zip.open(self.files[name]) as file:
                while piece := file.read(_CHUNK):
                    read += len(piece)
                    yield piece
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise BadZip(f"{name} is damaged: {error}") from error
        if read != self.files[name].file_size:
            raise BadZip(f"{name} is damaged: it is shorter than the ZIP says.")

    def content(self, name: str, most: int = 8 * 1024 * 1024) -> bytes:
        """A small file whole; BadZip for one that is longer than `most` bytes."""
        if self.files[name].file_size > most:
            raise BadZip(f"{name} is longer than it may be ({most:,} bytes).")
        return b"".join(self.pieces(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text file without their ends; BadZip for a line without end."""
        left = b""
        for piece in self.pieces(name):
            *whole, left = (left + piece).split(b"\n")
            yield from whole
            if len(left) > _LONGEST_LINE:
                raise BadZip(f"{name} holds a line that does not end.")
        if left:
            yield left

    def _plain(self) -> dict[str, zipfile.ZipInfo]:
        entries = self._zip.infolist()
        if len(entries) > MOST_FILES:
            raise BadZip(f"It holds {len(entries)} files; a pack has {MOST_FILES} at most.")
        total, expected = 0, 0
        found: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._may_stand(entry, {name.lower() for name in found})
            if entry.header_offset != expected:
                raise BadZip(f"{entry.filename} does not stand right after the file before it.")
            expected += _LOCAL_HEADER + len(entry.filename) + entry.compress_size
            total += entry.file_size
            found[entry.filename] = entry
        if total > MOST_BYTES:
            raise BadZip(f"Unpacked it would take {total:,} bytes; a pack has 4 GiB at most.")
        if self._zip.start_dir != expected or self._zip.comment:
            raise BadZip("It holds something between or after its files.")
        return found

    @staticmethod
    def _may_stand(entry: zipfile.ZipInfo, seen: set[str]) -> None:
        name = entry.filename
        # As Python's own words: a name may hold what a terminal would act upon.
        if not SAFE_NAME.fullmatch(name) or entry.orig_filename != name:
            raise BadZip(f"{entry.orig_filename!r} is no name for a file of a pack.")
        if name.lower() in seen:
            raise BadZip(f"{name} stands there twice.")
        if entry.flag_bits & _ENCRYPTED:
            raise BadZip(f"{name} is encrypted.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadZip(f"{name} is packed in a way that packs are not.")
        if entry.file_size > entry.compress_size * _BEST_RATIO + _END:
            raise BadZip(f"{name} claims to unpack to more than can be packed.")
