"""Secrets come from a variable or from the file it names, and go nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from iamcleanup.play import RefusesToStart
from iamcleanup.settings import secret

NAME = "IAMCLEANUP_SLACK_TOKEN"


def test_a_secret_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " xoxb-1 ")
    assert secret(NAME) == "xoxb-1"


def test_a_secret_comes_from_the_file_its_variable_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("xoxb-2\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "token"))
    assert secret(NAME) == "xoxb-2"


def test_without_either_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert secret(NAME) == ""


def test_both_at_once_refuse_to_start_without_telling_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("xoxb-2\n")
    monkeypatch.setenv(NAME, "xoxb-1")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "token"))
    with pytest.raises(RefusesToStart, match="both set") as caught:
        secret(NAME)
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_refuses_to_start(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "token"))
    with pytest.raises(RefusesToStart, match="cannot be read"):
        secret(NAME)
