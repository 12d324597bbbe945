"""The lock names public hosts only, so that it means the same everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

LOCK = Path(__file__).resolve().parent.parent.parent / "uv.lock"
PUBLIC = {"pypi.org", "files.pythonhosted.org"}


def test_every_address_in_the_lock_is_a_public_one() -> None:
    hosts = {urlsplit(url).netloc for url in re.findall(r'"(https?://[^"]+)"', LOCK.read_text())}
    assert hosts == PUBLIC


def test_every_package_comes_from_the_public_registry() -> None:
    packages = tomllib.loads(LOCK.read_text())["package"]
    strangers = [
        package["name"]
        for package in packages
        if package["source"] not in ({"registry": "https://pypi.org/simple"}, {"virtual": "."})
    ]
    assert strangers == []


def test_no_path_of_a_local_machine_is_in_the_lock() -> None:
    assert not re.findall(r'"(?:file:|/|\.\./)[^"]*"', LOCK.read_text())
