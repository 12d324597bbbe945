"""What our own scripts weigh: as they lie there, and compressed as WhiteNoise serves them."""

from __future__ import annotations

from pathlib import Path

from bench import ground

_OWN = ground.ROOT / "static" / "js"


def scripts(static_root: Path) -> dict[str, dict[str, int]]:
    """By file its bytes: plain, gzip and Brotli; `static_root` is where they were collected."""
    told = {}
    for file in sorted(_OWN.glob("*.js")):
        collected = static_root / "js" / file.name
        told[file.name] = {
            "plain": file.stat().st_size,
            "gzip": _size(collected, ".gz"),
            "brotli": _size(collected, ".br"),
        }
    return told


def _size(file: Path, kind: str) -> int:
    """A file that gains nothing from it is not compressed."""
    packed = file.with_name(file.name + kind)
    return (packed if packed.exists() else file).stat().st_size
