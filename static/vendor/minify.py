"""Makes the scripts that pages link out of those that people read.

    cd <an empty folder>; cp <here>/package.json <here>/package-lock.json .
    npm ci --ignore-scripts
    python <here>/minify.py node_modules

reads static/js/src/*.js and writes static/js/*.js without comments, blanks and long names, as
terser does it, and scripts.json with the SHA-256 of both. Run it after a script was changed;
tests/ground/test_static.py tells when.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MADE = HERE.parent / "js"
SOURCE = MADE / "src"
RECORD = HERE / "scripts.json"
_OPTIONS = ("--ecma", "2020", "--toplevel", "--mangle", "--compress", "ecma=2020,passes=2")


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write(modules: Path) -> None:
    """Make every script anew, and write down of what."""
    told = {}
    for source in sorted(SOURCE.glob("*.js")):
        made = MADE / source.name
        subprocess.run(  # noqa: S603 (a tool of the lock, on files of ours)
            [modules / ".bin" / "terser", source, *_OPTIONS, "--output", made], check=True
        )
        told[source.name] = {"source": digest(source), "made": digest(made)}
        sys.stdout.write(f"{source.name}: {source.stat().st_size:,} to {made.stat().st_size:,}\n")
    RECORD.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: minify.py NODE_MODULES")
    write(Path(sys.argv[1]))
