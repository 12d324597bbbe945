"""The database of a crowd: filled once and kept; every measurement leaves it as it was."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ground

if TYPE_CHECKING:
    from tests.services import TestDatabase

USERS, ACCOUNTS = 100_000, 50


@contextmanager
def product(users: int = USERS, accounts: int = ACCOUNTS) -> Iterator[None]:
    """Django set up on the crowd, with the clock at MONDAY; whatever is written is rolled back.

    Once per process: Django is set up but once. `on` puts another crowd in its place.
    """
    with standing() as url, on(url, users, accounts):
        yield


@contextmanager
def standing(more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Django set up with the clock at MONDAY; gives the URL that databases are named after.

    `more` are further variables of the environment, such as other settings.
    """
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(ground.environment(Path(home), ground.MONDAY) | dict(more or {}))
        from tests import services  # noqa: PLC0415

        services.choose()
        import django  # noqa: PLC0415

        django.setup()
        yield os.environ["DATABASE_URL"]


@contextmanager
def on(url: str, users: int, accounts: int) -> Iterator[None]:
    """Django's connection in a transaction on the crowd, which is rolled back afterwards."""
    from django.core.cache import cache  # noqa: PLC0415
    from django.db import connection, transaction  # noqa: PLC0415

    database = template(url, users, accounts)
    connection.close()
    connection.settings_dict["NAME"] = database.template
    cache.clear()
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        connection.close()
        cache.clear()


def template(url: str, users: int, accounts: int) -> TestDatabase:
    """The crowd's database beside `url`, filled where it is not there; older ones are dropped."""
    from tests.services import TestDatabase  # noqa: PLC0415

    server, _, name = url.rpartition("/")
    # No beginning that the templates of the tests share: they drop what is older than they are.
    database = TestDatabase(f"{server}/crowd_{users}_{accounts}_{name}", "")
    of_schema, database.template = database.template, f"{database.template}_{_code_digest()}"
    database.template_url = database.template_url.replace(of_schema, database.template)
    database.make_template(lambda made: _fill(made, users, accounts))
    return database


def _code_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file != Path(__file__):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:6]


def _fill(url: str, users: int, accounts: int) -> None:
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    connection.close()
    connection.settings_dict["NAME"] = url.rpartition("/")[2]
    call_command("migrate", verbosity=0, interactive=False)
    from bench.crowd.filling import fill  # noqa: PLC0415

    began = time.monotonic()
    fill(users, accounts, ground.MONDAY)
    connection.close()
    sys.stderr.write(f"Filled {users:,} users in {time.monotonic() - began:.0f} s\n")
