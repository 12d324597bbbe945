"""`manage.py ledger verify-pack` and `pack-key`: without database or settings, with exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from inventory.pack import signing
from inventory.pack.__main__ import FAULT, UNVOUCHED, WHOLE, WRONG, main
from tests.inventory.pack import made as pack

ROOT = Path(__file__).resolve().parents[3]


def test_it_runs_with_nothing_but_the_pack(tmp_path: Path) -> None:
    path = pack.made(tmp_path)
    command = [sys.executable, str(ROOT / "manage.py"), "ledger", "verify-pack", str(path)]
    command += ["--key", pack.FINGERPRINT]
    ran = subprocess.run(command, env={}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == WHOLE, ran.stderr
    assert "entries 1 to 5 are one chain" in ran.stdout
    assert "Words of 1 of the 5 entries were withheld" in ran.stdout


def test_each_end_has_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(pack.made(tmp_path))
    key = tmp_path / "key.pem"
    key.write_text(signing.public_pem(pack.KEY))
    assert main([path, "--key", str(key)]) == WHOLE
    assert main([path, "--key", pack.FINGERPRINT.upper()]) == WHOLE
    assert main([path]) == UNVOUCHED
    assert "That key came with the pack" in capsys.readouterr().out
    assert main([path, "--key", "0" * 64]) == FAULT
    assert "another key than yours" in capsys.readouterr().err


def test_an_unsigned_pack_passes_only_where_one_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(pack.zipped(pack.sealed(pack.files(), key=None)))
    assert main([str(path)]) == UNVOUCHED
    assert "NOT SIGNED" in capsys.readouterr().out
    assert main([str(path), "--unsigned"]) == WHOLE


@pytest.mark.parametrize(
    "more", [["--key", "nowhere.pem"], ["--key", __file__], ["--head", "7"], ["--other"]]
)
def test_a_wrong_command_line_is_no_verdict(tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(pack.made(tmp_path)), *more])
    assert ended.value.code == WRONG


def test_the_public_key_is_printed_to_be_pinned(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("ledger", "pack-key", "--new")
    new = capsys.readouterr().out
    settings.IAMCLEANUP_PACK_KEY = new
    call_command("ledger", "pack-key")
    said = capsys.readouterr().out
    public = signing.private_key(new).public_key()
    assert f"Fingerprint: {signing.fingerprint(public)}" in said
    assert "PRIVATE" not in said
    # As an environment holds it: the base64 alone, on one line.
    settings.IAMCLEANUP_PACK_KEY = "".join(new.splitlines()[1:-1])
    call_command("ledger", "pack-key")
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PRIVATE KEY-----\nsecret words"])
def test_without_a_key_it_says_what_to_do_and_nothing_of_what_was_there(
    settings: Settings, key: str
) -> None:
    settings.IAMCLEANUP_PACK_KEY = key
    with pytest.raises(CommandError) as refused:
        call_command("ledger", "pack-key")
    assert "key" in str(refused.value)
    assert "secret words" not in str(refused.value)
