"""A ZIP that a stranger sent cannot fill the disk, climb out of its folder or hide anything."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from inventory.pack.zip_file import BadZip, PackZip
from tests.inventory.pack.made import zipped


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BadZip) as fault:
        read(path)
    return str(fault.value)


def read(path: Path) -> None:
    with PackZip(path) as pack:
        for name in pack.names():
            list(pack.pieces(name))


@pytest.mark.parametrize(
    "name",
    [
        "../up.txt",
        "/etc/passwd",
        "a/b.txt",
        "..",
        ".hidden",
        "C:x",
        "a\\b",
        "a\x1b[2J",
        "",
        " a",
        "ä.txt",
        "folder/",
    ],
)
def test_only_a_plain_file_name_may_stand_in_it(tmp_path: Path, name: str) -> None:
    said = refused(tmp_path / "x.zip", zipped({name: b"x"}))
    assert "is no name for a file of a pack" in said
    assert "\x1b" not in said


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a.txt", "A.TXT"])
def test_one_file_stands_there_once(tmp_path: Path, again: str) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("a.txt", "x")
        made.writestr(again, "y")
    assert "stands there twice" in refused(tmp_path / "x.zip", held.getvalue())


def directory(content: bytes, field: int, value: int, size: str = "<I") -> bytes:
    """The ZIP with another value in its directory's first entry, at `field`."""
    at = content.index(b"PK\x01\x02") + field
    return content[:at] + struct.pack(size, value) + content[at + struct.calcsize(size) :]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    small = zipped({"a.txt": b"x" * 1000})
    assert "claims to unpack to more" in refused(
        tmp_path / "x.zip", directory(small, 24, 3_000_000_000)
    )


def test_many_large_files_together_are_refused(tmp_path: Path) -> None:
    noise = random.Random(7).randbytes(2_100_000)
    content = zipped({f"f{number}.txt": noise for number in range(3)})
    at = content.index(b"PK\x01\x02")
    while at >= 0:
        content = content[: at + 24] + struct.pack("<I", 2**31 - 1) + content[at + 28 :]
        at = content.find(b"PK\x01\x02", at + 1)
    assert "a pack has 4 GiB at most" in refused(tmp_path / "x.zip", content)


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    content = zipped({"a.txt": b"x" * 99, "b.txt": b"y" * 99})
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content = content[: second + 42] + struct.pack("<I", 0) + content[second + 46 :]
    assert "does not stand right after" in refused(tmp_path / "x.zip", content)


def test_nothing_hides_between_or_behind_the_files(tmp_path: Path) -> None:
    content = zipped({"a.txt": b"x"})
    at = content.index(b"PK\x01\x02")
    hidden = content[:at] + b"hidden" + content[at:]
    # The directory begins six bytes later now.
    hidden = hidden[:-6] + struct.pack("<I", at + 6) + hidden[-2:]
    assert "between or after" in refused(tmp_path / "x.zip", hidden)
    commented = content[:-2] + struct.pack("<H", 4) + b"note"
    assert "between or after" in refused(tmp_path / "x.zip", commented)
    assert refused(tmp_path / "x.zip", b"MZ program" + content)


def test_encrypted_or_strangely_packed_files_are_refused(tmp_path: Path) -> None:
    content = zipped({"a.txt": b"x"})
    assert "is encrypted" in refused(tmp_path / "x.zip", directory(content, 8, 1, "<H"))
    assert "packed in a way" in refused(tmp_path / "x.zip", directory(content, 10, 12, "<H"))


def test_a_file_that_is_not_what_its_checksum_says_is_damaged(tmp_path: Path) -> None:
    content = zipped({"a.txt": b"x" * 1000})
    assert "a.txt is damaged" in refused(tmp_path / "x.zip", directory(content, 16, 1))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", bytes(4096)])
def test_what_is_no_zip_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    assert "cannot be read as a ZIP" in refused(tmp_path / "x.zip", content)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadZip, match="No such file"):
        PackZip(tmp_path / "none.zip")


def test_more_files_than_a_pack_has_are_refused(tmp_path: Path) -> None:
    content = zipped({f"f{number}.txt": b"" for number in range(61)})
    assert "60 at most" in refused(tmp_path / "x.zip", content)


def test_lines_come_without_their_ends_however_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({"a.txt": b"one\ntwo\n\nlast"}))
    with PackZip(path) as pack:
        assert list(pack.lines("a.txt")) == [b"one", b"two", b"", b"last"]
