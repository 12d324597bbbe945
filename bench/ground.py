"""What a measurement stands on: a fresh database, the product set up, a simulated account."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ACCOUNT = "123456789012"
# Where nothing may differ from run to run, the clock starts here.
MONDAY = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


def environment(home: Path, now: datetime | None = None) -> dict[str, str]:
    """What the product needs to find the simulated account; its clock shows `now` (aware) or real
    time."""
    clock = home / "clock"
    ahead = (now - datetime.now(UTC)).total_seconds() if now else 0
    clock.write_text(str(int(ahead)))
    return {
        **PRODUCT_CREDENTIALS,
        "IAMCLEANUP_TEST": "1",
        "DJANGO_SETTINGS_MODULE": "iamcleanup.settings",
        "IAMCLEANUP_SANDBOX_ACCOUNTS": ACCOUNT,
        "DEMO_EXTERNAL_ID": EXTERNAL_ID,
        "IAMCLEANUP_CLOCK_FILE": str(clock),
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    }


@contextmanager
def product(name: str, now: datetime | None = None) -> Iterator[Callable[[], None]]:
    """Django set up on a fresh database, made for this measurement and dropped after it.

    What is given empties it again, and sets the clock back to `now`.
    """
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(environment(Path(home), now))
        from tests import services  # noqa: PLC0415

        services.choose()
        import django  # noqa: PLC0415

        django.setup()
        from django.core.cache import cache  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        from inventory.aws.session import forget_sessions  # noqa: PLC0415

        database = services.TestDatabase(os.environ["DATABASE_URL"], name)

        def migrate(url: str) -> None:
            connection.close()
            connection.settings_dict["NAME"] = url.rpartition("/")[2]
            call_command("migrate", verbosity=0, interactive=False)
            connection.close()

        def renew() -> None:
            connection.close()
            environment(Path(home), now)
            cache.clear()
            database.renew()
            connection.settings_dict["NAME"] = database.name

        database.make_template(migrate)
        renew()
        # For the processes that a measurement starts.
        os.environ["DATABASE_URL"] = database.url
        try:
            yield renew
        finally:
            # Its clients lead to an account that is gone by now.
            forget_sessions()
            connection.close()
            database.drop()


@contextmanager
def account(seed: int, size: int, *more: str) -> Iterator[str]:
    """The simulated account as a process of its own; its address, which AWS_ENDPOINT_URL names."""
    command = [sys.executable, "-m", "demo.aws", "--port", "0"]
    command += ["--seed", str(seed), "--size", str(size), *more]
    command += ["--clock-file", os.environ["IAMCLEANUP_CLOCK_FILE"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            endpoint = line.split()[-1]
            os.environ["AWS_ENDPOINT_URL"] = endpoint
            yield endpoint
        finally:
            os.environ.pop("AWS_ENDPOINT_URL", None)
            child.terminate()
