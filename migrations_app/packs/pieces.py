"""The pieces of a pack in the database: written in order, read back in order."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from migrations_app.models import EvidencePack, PackPart
from migrations_app.packs import zipping
from migrations_app.packs.zipping import Packed

# The header of a file is known last and stands first.
_HEADER = 0
_DIRECTORY = 32_000


def begin(pack: EvidencePack, name: str) -> dict[str, Any]:
    """A new file of the pack, after those it has."""
    made = {"name": name, "number": len(pack.files), "parts": 0}
    made |= {"rows": 0, "bytes": 0, "packed": 0, "crc": 0}
    pack.files.append(made)
    return made


def named(pack: EvidencePack, name: str) -> dict[str, Any]:
    """The file of that name, begun where it is not there yet."""
    found = next((one for one in pack.files if one["name"] == name), None)
    return begin(pack, name) if found is None else found


def add(pack: EvidencePack, name: str, content: bytes, rows: int = 0) -> None:
    """Put `content` behind what the file holds, in the caller's transaction. TooLarge."""
    file = named(pack, name)
    file["rows"] += rows
    if not content:
        return
    file["crc"] = zlib.crc32(content, file["crc"])
    file["bytes"] += len(content)
    _put(pack, file, zipping.piece(content))
    if file["bytes"] > zipping.MOST_BYTES:
        raise zipping.TooLarge


def end(pack: EvidencePack, name: str) -> None:
    """Nothing more comes."""
    _put(pack, named(pack, name), zipping.END_OF_FILE)


def write(pack: EvidencePack, name: str, content: bytes) -> None:
    """A whole file in one piece."""
    add(pack, name, content)
    end(pack, name)


def _put(pack: EvidencePack, file: dict[str, Any], data: bytes) -> None:
    file["parts"] += 1
    file["packed"] += len(data)
    PackPart.objects.create(pack=pack, file=file["number"], number=file["parts"], data=data)


def content(pack: EvidencePack, name: str) -> Iterator[bytes]:
    """What a file holds, unpacked piece by piece."""
    unpack = zlib.decompressobj(-15)
    for data in _data(pack, file=named(pack, name)["number"], number__gt=_HEADER):
        yield unpack.decompress(data)
    yield unpack.flush()


def close(pack: EvidencePack) -> int:
    """Headers and directory: the ZIP is whole. How many bytes it has. TooLarge."""
    files = [_packed(file) for file in pack.files]
    directory = zipping.directory(files)
    made = [
        PackPart(pack=pack, file=number, number=_HEADER, data=zipping.header(file))
        for number, file in enumerate(files)
    ]
    made.append(PackPart(pack=pack, file=_DIRECTORY, number=_HEADER, data=directory))
    PackPart.objects.bulk_create(made)
    heads = sum(zipping.header_size(file.name) + file.packed for file in files)
    return heads + len(directory)


def _packed(file: dict[str, Any]) -> Packed:
    return Packed(file["name"], file["crc"], file["bytes"], file["packed"])


def zip_of(pack: EvidencePack) -> Iterator[bytes]:
    """The whole ZIP, one part in memory at a time."""
    return _data(pack)


def _data(pack: EvidencePack, **which: Any) -> Iterator[bytes]:
    rows = PackPart.objects.filter(pack=pack, **which).order_by("file", "number")
    # One part at a time: a cursor of the server would first copy all of them aside.
    for pk in list(rows.values_list("pk", flat=True)):
        yield bytes(PackPart.objects.values_list("data", flat=True).get(pk=pk))
