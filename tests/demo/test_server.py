"""The served account as a process: it keeps what it answered, and says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.processes import DidNotStart
from tests.demo.cast import client
from tests.processes import SimulatedAccount, free_port

SIZE = 20


def account(home: Path, seed: int = 5) -> SimulatedAccount:
    return SimulatedAccount(home, free_port(), seed, SIZE)


@pytest.mark.slow
def test_a_killed_account_comes_back_with_all_it_answered(tmp_path: Path) -> None:
    served = account(tmp_path)
    served.start()
    made = client("iam", endpoint=served.url).create_user(UserName="kept")["User"]
    assert served.child is not None
    served.child.end(0)
    served.start()
    found = client("iam", endpoint=served.url).get_user(UserName="kept")["User"]
    served.stop()
    assert found["UserId"] == made["UserId"]
    assert found["CreateDate"] == made["CreateDate"]


@pytest.mark.slow
def test_another_seed_on_kept_state_does_not_start(tmp_path: Path) -> None:
    first = account(tmp_path)
    first.start()
    first.stop()
    with pytest.raises(DidNotStart, match="seed 5 and size 20"):
        account(tmp_path, seed=6).start()
