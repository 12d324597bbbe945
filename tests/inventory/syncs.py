"""Syncs of the simulated account from asking to their end, for tests of reading."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.faults import Fault
from demo.aws.state import User
from inventory import clock, refresh
from inventory.models import Account, IamUser, Sync
from tests import cast

ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"


def production() -> Account:
    """`production` as it is declared, never read yet."""
    return cast.account(
        reader_role=f"{ROLE}Reader",
        external_id="env:PRODUCTION_EXTERNAL_ID",
        enabled_regions=[],
        last_whole_at=None,
    )


def sync(account: Account) -> Sync:
    """A sync of `account` from asking to its end; `account` is as it left it."""
    asked = refresh.ask_sync(account, None)
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    account.refresh_from_db()
    return asked


def step(of: Sync, key: str) -> dict[str, Any]:
    return next(one for one in of.steps if one["key"] == key)


def fault(simulator: Simulator, kind: str, operation: str, **how: Any) -> None:
    """It strikes until faults are cleared, unless `how` says otherwise."""
    simulator.faults.add(Fault(kind, operation, **{"count": None, **how}))


def do(simulator: Simulator, operation: str, **params: Any) -> dict[str, Any]:
    """An administrator's call, by hand."""
    return act(simulator, {"act": "api", "operation": operation, "params": params})


def row(user_name: str) -> IamUser:
    """The present user of that name, as it is stored."""
    return IamUser.objects.get(user_name=user_name, gone_at=None)


def move(**by: float) -> None:
    """Let time pass for product and account alike."""
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(**by))


def recreate(simulator: Simulator, user_name: str) -> User:
    """The user of that name goes and another one is made under it, as by hand in the console."""
    act(simulator, {"act": "delete-in-console", "user": user_name})
    do(simulator, "CreateUser", UserName=user_name)
    return simulator.account.user(user_name)
