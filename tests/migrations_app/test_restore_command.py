"""`manage.py restore` on the worst day: no broker, no workers, no web; a database and AWS."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.aws.server import served
from inventory.models import LedgerEntry
from migrations_app import aws, changes
from migrations_app.lifecycle import State
from migrations_app.models import Change
from tests import cast, services
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import Stage, everything, of_user, set_stage
from tests.migrations_app.test_half_done import fenced_and_given_back

ROOT = Path(__file__).resolve().parents[2]


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_needs_a_database_and_aws_and_asks_nothing_else(
    transactional_db: None,
    simulator: Simulator,
    pace: Pace,
    test_database: services.TestDatabase,
) -> None:
    stage: Stage = set_stage(simulator)
    shut, fenced, free = (
        stage.user("full.house", give=everything),
        stage.user("fenced.one"),
        stage.user("free.one"),
    )
    before = [stage.holdings(row) for row in (shut, fenced)]
    stage.shut(shut)
    stage.skip(days=2)
    stage.fenced(fenced)
    # Neither a stop nor a restored database holds a restore.
    changes.pull(stage.people.ada, "Something is wrong")
    with served(simulator) as endpoint:
        done = subprocess.run(
            [sys.executable, "manage.py", "restore", cast.ACCOUNT_ID]
            + [row.user.user_id for row in (shut, fenced, free)]
            + ["--as", "sara", "--reason", "Month end"],
            cwd=ROOT,
            env={
                **os.environ,
                **PRODUCT_CREDENTIALS,
                "PRODUCTION_EXTERNAL_ID": EXTERNAL_ID,
                "AWS_ENDPOINT_URL": endpoint,
                "DATABASE_URL": test_database.url,
                "CELERY_BROKER_URL": f"redis://127.0.0.1:{closed_port()}/0",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert "full.house: Restored and read back; its old password does not come back." in done.stdout
    assert "fenced.one: Restored and read back." in done.stdout
    assert "free.one: free.one has access already" in done.stderr
    assert "1 not restored" in done.stderr
    after = [stage.holdings(row) for row in (shut, fenced)]
    assert after[1] == before[1]
    assert after[0].access_keys == before[0].access_keys
    assert after[0].attached_policies == before[0].attached_policies
    for row in (shut, fenced):
        row.refresh_from_db()
        assert row.state == State.OWNER_ASSIGNED
        change = of_user(row, "restore")
        assert (change.status, change.requested_by) == (Change.Status.DONE, stage.people.sara)
        assert change.reason == "Month end"
    asked = LedgerEntry.objects.filter(kind="restore.asked")
    assert {entry.user_id for entry in asked} == {row.user.user_id for row in (shut, fenced)}


@pytest.mark.django_db
def test_what_cannot_come_back_is_printed_with_the_way_to_mend_it(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    row = stage.user("full.house", give=everything)
    stage.shut(row)
    call_command("restore", cast.ACCOUNT_ID, row.user.user_id)
    told = capsys.readouterr().out
    assert "Its 2 access keys become Active again." in told
    assert "aws iam create-login-profile --user-name=full.house" in told


@pytest.mark.django_db
def test_a_batch_is_restored_with_whoever_it_fenced_by_half_and_nobody_else(stage: Stage) -> None:
    half, batch = fenced_and_given_back(stage)
    changes.abort(batch, stage.people.jonas)
    another = stage.user("another.one")
    stage.skip(days=2)
    stage.fenced(another)
    # It was left out of that batch, and fenced by a later one.
    cast.change(another, batch=batch, status="left-out")
    call_command("restore", "--batch", str(batch.number))
    assert not aws.fenced(stage.holdings(half))
    assert aws.fenced(stage.holdings(another))
