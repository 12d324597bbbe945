"""A moto account with one reader role, for what moto tells truly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

    from inventory.models import Account

ACCOUNT_ID = "123456789012"


@pytest.fixture
def iam() -> Iterator[IAMClient]:
    """The account as its administrator sees it."""
    with mock_aws():
        yield boto3.client("iam")


@pytest.fixture
def account() -> Account:
    """Unsaved: opening a session needs no row."""
    from inventory.models import Account

    return Account(
        account_id=ACCOUNT_ID,
        name="production",
        reader_role=f"arn:aws:iam::{ACCOUNT_ID}:role/IamCleanupReader",
        actor_role=f"arn:aws:iam::{ACCOUNT_ID}:role/IamCleanupActor",
    )
