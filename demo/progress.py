"""How far the demo's past is played: one line in a file beside the clock, empty once it is done.

The supervisor creates it on the first start, `demo.ageing` writes it, every page shows it.
"""

from __future__ import annotations

import os
from pathlib import Path

from inventory.clock import CLOCK_FILE_VARIABLE


def file_in(home: Path) -> Path:
    """The file, in the folder where the demo keeps everything."""
    return home / "ageing"


def line() -> str:
    """What is being played now; empty when nothing is."""
    file = _file()
    return file.read_text().strip() if file is not None and file.exists() else ""


def tell(text: str) -> None:
    """Say what is being played now; "" ends it for good."""
    file = _file()
    if file is None or text == line():
        return
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


def _file() -> Path | None:
    clock = os.environ.get(CLOCK_FILE_VARIABLE)
    return file_in(Path(clock).parent) if clock else None
