"""Copies the third-party files we serve, and says what they are.

Run by hand after a version changed, never at run time:

    cd <an empty folder>; cp <here>/package.json <here>/package-lock.json .
    npm ci --ignore-scripts
    python <here>/vendor.py node_modules

It copies the files named in package.json, draws the icons named in icons.txt into one sprite,
keeps each licence beside them, takes out of Tabler's style sheet what no page uses (slim.py), and
writes manifest.json: version, licence and SHA-256 of every file. The files are committed;
tests/ground/test_static.py hashes them again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import slim

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The map it points to is not shipped, and the manifest storage refuses a link that leads nowhere.
SOURCE_MAP = re.compile(rb"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$")
ICON_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
EMPTY_FRAME = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>')


def icon_sprite(icons: Path, names: list[str]) -> str:
    """One SVG with a symbol per name, ids `icon-<name>`; FileNotFoundError for an unknown name."""
    symbols = []
    for name in names:
        body = ICON_BODY.search((icons / f"{name}.svg").read_text())
        if body is None:
            raise ValueError(f"{name}.svg is not an SVG drawing.")
        shapes = " ".join(EMPTY_FRAME.sub("", body.group(1)).split())
        symbols.append(f'<symbol id="icon-{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def copy_package(modules: Path, name: str, entry: dict[str, Any]) -> list[Path]:
    """Copy one package's files and its licence; the paths written."""
    written = []
    for source, target in entry.get("files", {}).items():
        path = ROOT / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOURCE_MAP.sub(b"\n", (modules / name / source).read_bytes()))
        written.append(path)
    if "slim" in entry:
        written.append(slim.write())
    if "sprite" in entry:
        path = ROOT / entry["sprite"]
        names = (HERE / "icons.txt").read_text().split()
        path.write_text(icon_sprite(modules / name / "icons" / "outline", names))
        written.append(path)
    return written


def keep_licence(modules: Path, name: str, entry: dict[str, Any]) -> Path:
    """Copy the licence text; a package without one names the sister package that carries it."""
    source = modules / entry.get("licence_from", name) / entry["licence_file"]
    path = HERE / "licences" / f"{name.lstrip('@').replace('/', '-')}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(source.read_bytes())
    return path


def main(modules: Path) -> None:
    """Copy everything named in package.json and write the manifest."""
    wanted = json.loads((HERE / "package.json").read_text())
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    manifest = []
    for name, entry in wanted["vendored"].items():
        licence = keep_licence(modules, name, entry)
        for path in [*copy_package(modules, name, entry), licence]:
            manifest.append(
                {
                    "file": str(path.relative_to(ROOT)),
                    "package": name,
                    "version": locked[f"node_modules/{name}"]["version"],
                    "licence": locked[f"node_modules/{name}"]["license"],
                    "licence_file": str(licence.relative_to(ROOT)),
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    sys.stdout.write(f"{len(manifest)} files written.\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: vendor.py NODE_MODULES")
    main(Path(sys.argv[1]))
