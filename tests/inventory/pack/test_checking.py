"""Whoever checks a pack is told the first thing that is wrong, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inventory.pack import layout, signing
from inventory.pack.checking import BadPack, Pinned, check, pinned_key
from tests.inventory.pack import made as pack
from tests.inventory.pack.made import Files

PIN = Pinned(pack.FINGERPRINT)


def refused(path: Path, pin: Pinned | None = PIN, head: tuple[int, str] | None = None) -> str:
    with pytest.raises(BadPack) as fault:
        check(path, pin, head)
    return str(fault.value)


def test_a_pack_as_it_was_made_is_whole(tmp_path: Path) -> None:
    found = check(pack.made(tmp_path), PIN)
    assert found.signed_by == pack.FINGERPRINT
    assert found.pinned
    assert (found.walk.first, found.walk.last, found.walk.withheld) == (1, 5, 1)
    assert (found.deletions, found.approvals) == (1, 1)


def test_the_key_itself_is_as_good_as_its_fingerprint(tmp_path: Path) -> None:
    pin = pinned_key(signing.public_pem(pack.KEY).encode())
    assert check(pack.made(tmp_path), pin).pinned


def test_without_a_key_of_ones_own_nothing_is_pinned(tmp_path: Path) -> None:
    assert not check(pack.made(tmp_path)).pinned


@pytest.mark.parametrize("name", sorted({*pack.sealed(pack.files())}))
def test_one_changed_byte_in_any_file_is_found_and_that_file_is_named(
    tmp_path: Path, name: str
) -> None:
    def change(content: Files) -> None:
        data = bytearray(content[name])
        data[len(data) // 2] ^= 1
        content[name] = bytes(data)

    said = refused(pack.made(tmp_path, change))
    # Whether list or signature was changed, only that they do not fit can be told.
    wanted = {layout.SUMS: layout.SUMS, layout.SIGNATURE: layout.SUMS, layout.PUBLIC_KEY: "key"}
    assert wanted.get(name, f"{name} is not what was signed.") in said


@pytest.mark.parametrize("name", sorted({*pack.sealed(pack.files())}))
def test_a_removed_file_is_named(tmp_path: Path, name: str) -> None:
    assert f"{name} is missing" in refused(pack.made(tmp_path, lambda content: content.pop(name)))


def test_an_added_file_is_named(tmp_path: Path) -> None:
    path = pack.made(tmp_path, lambda content: content.update({"extra.txt": b"x"}))
    assert refused(path).startswith("extra.txt was added")


def test_a_pack_that_somebody_else_signed_anew_is_not_by_your_key(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(pack.sealed(pack.files(), key=pack.ANOTHER)))
    assert "another key than yours" in refused(path)


def test_your_key_beside_another_ones_signature_does_not_fit(tmp_path: Path) -> None:
    theirs = pack.sealed(pack.files(), key=pack.ANOTHER)
    theirs[layout.PUBLIC_KEY] = signing.public_pem(pack.KEY).encode()
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(theirs))
    assert "is not what was signed" in refused(path)


def test_an_unsigned_pack_is_whole_but_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(pack.sealed(pack.files(), key=None)))
    assert check(path).signed_by == ""
    assert "nobody signed" in refused(path)


def edited(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Files], None]:
    """A change of the ledger by somebody who can sign."""

    def apply(content: Files) -> None:
        rows = [json.loads(line) for line in content[layout.LEDGER].splitlines()]
        change(rows)
        content[layout.LEDGER] = pack.lines(rows)

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(1), "entry 2 is missing"),
        (lambda rows: rows[1]["data"].update(users=[]), "entry 2 was changed after"),
        (lambda rows: rows[1].update(at="2026-03-05T10:00:02.000000+00:00"), "entry 2 was changed"),
        (lambda rows: rows[1].pop("kind"), "entry 2 lacks 'kind'"),
        (lambda rows: rows[2].update(previous_hash="0" * 64), "entry 3 does not follow"),
        (lambda rows: rows[4].update(hash="0" * 64), ""),
        (lambda rows: rows.insert(2, dict(rows[2])), "entry 4 is missing"),
        (lambda rows: rows[1].update(seq="2"), "line 2 is no entry"),
        (lambda rows: rows.__delitem__(slice(3, None)), "named entry 4, which is not in"),
    ],
    ids=["cut", "words", "time", "column", "link", "last", "twice", "number", "tail"],
)
def test_a_ledger_that_is_no_chain_is_named_even_if_signed(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], said: str
) -> None:
    path = pack.made(tmp_path, before=edited(change))
    if said:
        assert said in refused(path)
    else:
        # A withheld entry is held by the one after it; after the last one by the manifest alone.
        assert check(path, PIN).walk.head == "0" * 64


def test_a_ledger_cut_behind_the_manifests_back_is_found(tmp_path: Path) -> None:
    content = pack.files()
    whole = content[layout.LEDGER].splitlines(keepends=True)
    last = json.loads(whole[-1])
    content[layout.LEDGER] = b"".join(whole[:-1])
    told = {"last": 5, "entries": 5, "ends_with": last["hash"]}
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(pack.sealed(content, **told)))
    assert "holds entries 1 to 4; manifest.json says 1 to 5" in refused(path)


def test_the_announced_head_must_be_in_the_pack(tmp_path: Path) -> None:
    path, hashes = pack.made(tmp_path), [entry["hash"] for entry in pack.entries()]
    assert check(path, PIN, (3, hashes[2])).pinned
    assert "entry 3 is not the one that was announced" in refused(path, PIN, (3, hashes[1]))
    assert "You named entry 9" in refused(path, PIN, (9, hashes[0]))


def rewritten(name: str, **columns: Any) -> Callable[[Files], None]:
    def apply(content: Files) -> None:
        row = json.loads(content[name]) | columns
        content[name] = pack.lines([row])

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rewritten(layout.DELETIONS, user_id="AIDA2"), "which is about another user"),
        (rewritten(layout.DELETIONS, entry=1), "with another hash"),
        (rewritten(layout.DELETIONS, entry=3), "names entry 3, as deletions.jsonl, line 1, does"),
        (rewritten(layout.DELETIONS, entry=9), "named entry 9, which is not in"),
        (rewritten(layout.DELETIONS, approver=pack.ASKED), "approved by one person"),
        (rewritten(layout.APPROVALS, batch=8), "which is about another batch"),
        (rewritten(layout.APPROVALS, approver="c" * 64), "which somebody else did"),
        (rewritten(layout.APPROVALS, requester=pack.APPROVED), "approved by one person"),
    ],
)
def test_what_is_said_of_deletions_and_approvals_must_stand_in_the_ledger(
    tmp_path: Path, change: Callable[[Files], None], said: str
) -> None:
    assert said in refused(pack.made(tmp_path, before=change))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no manifest"),
        (b"[]", "is no manifest"),
        (b'{"format": "something/2"}', "does not know: 'something/2'"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    files = pack.sealed(pack.files(), key=None)
    files[layout.MANIFEST] = content
    summed = {name: data for name, data in files.items() if name != layout.SUMS}
    sums = layout.sums({name: pack.sha256(data) for name, data in summed.items()}).encode()
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(summed | {layout.SUMS: sums}))
    assert said in refused(path, None)


@pytest.mark.parametrize("name", [layout.LEDGER, layout.DELETIONS, layout.APPROVALS])
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"seq": true, "hash": 1, "previous_hash": null}',
        b'{"seq": 1, "hash": "\\u001b[2J", "previous_hash": "x"}',
        b'{"requester": "", "approver": 1, "entry": "x", "user_id": 1, "batch": 1}',
        b'{"requester": [], "approver": 1, "entry": null, "user_id": {}, "batch": []}',
    ],
    ids=range(10),
)
def test_whatever_a_line_is_it_is_refused_in_words(tmp_path: Path, name: str, line: bytes) -> None:
    files = pack.sealed(pack.files())
    files[name] = line + b"\n"
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(resigned(files)))
    said = refused(path)
    assert said
    assert "\x1b" not in said


def resigned(files: Files) -> Files:
    """The files with hashes and signature that fit whatever they hold."""
    kept = {name: data for name, data in files.items() if name not in layout.UNSUMMED}
    manifest = json.loads(kept.pop(layout.MANIFEST))
    manifest["files"] = [{"name": name, "sha256": pack.sha256(data)} for name, data in kept.items()]
    kept[layout.MANIFEST] = json.dumps(manifest).encode()
    sums = layout.sums({name: pack.sha256(data) for name, data in kept.items()}).encode()
    key = signing.public_pem(pack.KEY).encode()
    signed = {layout.SIGNATURE: pack.KEY.sign(sums), layout.PUBLIC_KEY: key}
    return {**kept, layout.SUMS: sums, **signed}


def test_an_entry_with_half_a_character_is_no_entry(tmp_path: Path) -> None:
    path = pack.made(tmp_path, before=edited(lambda rows: rows[1].update(kind="\ud800")))
    assert "entry 2 was changed" in refused(path)
