"""The demo's own secrets: made once, kept in its folder, readable by nobody else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path


def secret_key(home: Path) -> str:
    """What sessions and links are signed with."""
    return _kept(home / "secret_key", lambda: secrets.token_urlsafe(50)).read_text()


def pack_key(home: Path) -> Path:
    """The file of the key that evidence packs are signed with."""
    return _kept(home / "pack_key.pem", _new_key)


def _new_key() -> str:
    from inventory.pack.signing import new_private_key  # noqa: PLC0415 - only a first start needs it

    return new_private_key()


def _kept(file: Path, make: Callable[[], str]) -> Path:
    if not file.exists() or not file.stat().st_size:
        file.touch(mode=0o600)
        file.write_text(make())
    return file
