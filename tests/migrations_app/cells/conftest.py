"""The arena of killed processes, and sessions that outlive a cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.aws.account import Simulator
from inventory.aws import session as sessions
from inventory.aws.session import AwsSession
from migrations_app.changes import forward, restoring
from tests.migrations_app.cells.arena import Arena, Worker, store
from tests.migrations_app.stage import set_stage
from tests.processes import ends_unless_asked_for
from tests.services import TestDatabase


@pytest.fixture(scope="session")
def _cell_worker(
    tmp_path_factory: pytest.TempPathFactory, test_database: TestDatabase, django_db_setup: None
) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("cells"), test_database.url)
    yield worker
    worker.stop()


@pytest.fixture
def arena(
    simulator: Simulator, transactional_db: None, _clean_redis: None, _cell_worker: Worker
) -> Arena:
    """The stage with a real worker on it; what the test writes is committed."""
    _cell_worker.server.simulator = simulator
    stage = set_stage(simulator)
    ends_unless_asked_for("arena", _cell_worker.rest)
    _cell_worker.start()
    return Arena(stage, _cell_worker, store())


@pytest.fixture
def _kept_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One session for each role and policy: what is disturbed here is not the signing in."""
    kept: dict[Any, AwsSession] = {}
    opened = sessions.open_session

    def open_session(account: Any, role: Any, **how: Any) -> AwsSession:
        key = (role, str(how))
        if key not in kept:
            kept[key] = opened(account, role, **how)
        return kept[key]

    for user in (forward, restoring):
        monkeypatch.setattr(user, "open_session", open_session)
