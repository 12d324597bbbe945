"""The documents of shared policies follow what AWS last told, account by account."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.aws.account_details import SharedPolicy
from inventory.models import PolicyText
from inventory.refresh.policy_texts import keep
from tests import cast

pytestmark = pytest.mark.django_db
DEPLOY = "arn:aws:iam::123456789012:policy/deploy"


def kept(account: Any) -> dict[tuple[str, str, str], Any]:
    rows = PolicyText.objects.filter(account=account)
    return {(row.arn, row.group, row.name): row.document for row in rows}


def test_what_is_told_is_kept_changed_and_forgotten() -> None:
    account = cast.account()
    keep(account, [SharedPolicy(DEPLOY, "", "deploy", {"v": 1}), SharedPolicy("", "ci", "logs", 1)])
    assert kept(account) == {(DEPLOY, "", "deploy"): {"v": 1}, ("", "ci", "logs"): 1}

    keep(account, [SharedPolicy(DEPLOY, "", "deploy", {"v": 2})])
    assert kept(account) == {(DEPLOY, "", "deploy"): {"v": 2}}


def test_a_second_run_changes_nothing() -> None:
    account, told = cast.account(), [SharedPolicy(DEPLOY, "", "deploy", {"v": 1})]
    keep(account, told)
    before = list(PolicyText.objects.values())
    keep(account, told)
    assert list(PolicyText.objects.values()) == before


def test_a_document_that_aws_did_not_give_is_none_and_not_an_empty_one() -> None:
    account = cast.account()
    keep(account, [SharedPolicy(DEPLOY, "", "deploy", None)])
    assert kept(account) == {(DEPLOY, "", "deploy"): None}


def test_another_account_keeps_its_own() -> None:
    here, there = cast.account(), cast.account("999988887777", "other")
    keep(here, [SharedPolicy(DEPLOY, "", "deploy", {"v": 1})])
    keep(there, [SharedPolicy(DEPLOY, "", "deploy", {"v": 2})])
    keep(there, [])
    assert kept(here) == {(DEPLOY, "", "deploy"): {"v": 1}}
    assert kept(there) == {}
