"""What an approval binds to, value by value: whatever is left out of it could change unseen."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from inventory import ledger
from inventory.aws.holdings import MfaDevice, UserHoldings
from migrations_app.changes import facts
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch
from tests import cast as cast_
from tests.migrations_app.stage import Stage, everything, of_user
from tests.migrations_app.test_aws_plan import ACCOUNT, ADA, AT, BARE, DENY, VIRTUAL, fenced


def test_the_holdings_that_are_hashed_whole() -> None:
    shuffled = replace(
        ADA,
        access_keys=ADA.access_keys[::-1],
        service_credentials=ADA.service_credentials[::-1],
        mfa=ADA.mfa[::-1],
        groups=ADA.groups[::-1],
        attached_policies=ADA.attached_policies[::-1],
        inline_policies={"b": {"Version": 1}, "a": {}},
        boundary="arn:x",
    )
    assert facts.held(shuffled) == {
        "access keys": [["AKIA1", "Active"], ["AKIA2", "Inactive"]],
        "console password": True,
        "service-specific credentials": [
            ["ACCA1", "codecommit.amazonaws.com", "Active"],
            ["ACCA2", "bedrock.amazonaws.com", "Active"],
        ],
        "SSH public keys": [["APKA1", "Active"]],
        "signing certificates": [["CERT1", "Active"]],
        "MFA devices": sorted([VIRTUAL, f"{ACCOUNT}:u2f/user/ada/key-1", "GAHT12345678"]),
        "groups": ["developers", "ops"],
        "inline policies": {"a": ledger.digest({}), "b": ledger.digest({"Version": 1})},
        "managed policies": [f"{ACCOUNT}:policy/z", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
        "boundary": "arn:x",
    }


CHANGED: list[tuple[str, dict[str, Any]]] = [
    ("access keys", {"access_keys": ADA.access_keys[:1]}),
    ("access keys", {"access_keys": (replace(ADA.access_keys[0], status="Inactive"),
                                     ADA.access_keys[1])}),
    ("console password", {"has_login_profile": False}),
    ("service-specific credentials", {"service_credentials": ()}),
    ("SSH public keys", {"ssh_keys": (replace(ADA.ssh_keys[0], status="Inactive"),)}),
    ("signing certificates", {"certificates": ()}),
    ("MFA devices", {"mfa": (*ADA.mfa, MfaDevice("GAHTNEW", "hardware", AT))}),
    ("groups", {"groups": ("developers",)}),
    ("inline policies", {"inline_policies": {"a": {}, "b": {"Version": 2}}}),
    ("managed policies", {"attached_policies": ()}),
    ("boundary", {"boundary": "arn:new"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change"), CHANGED)
def test_a_change_of_one_kind_is_told_as_that_kind(kind: str, change: dict[str, Any]) -> None:
    now = facts.held(replace(ADA, **change))
    assert facts.differences(facts.held(ADA), now) == [kind]


def test_what_is_equal_differs_in_nothing() -> None:
    assert facts.differences(facts.held(ADA), facts.held(replace(ADA))) == []


def test_a_kind_that_is_missing_now_differs() -> None:
    assert facts.differences({"groups": ["a"]}, {}) == ["groups"]


@pytest.mark.parametrize(
    ("move", "method", "expected"),
    [
        (MoveName.DISABLE, "fence", [("AttachUserPolicy", "now"), ("UpdateAccessKey", "shut")]),
        (MoveName.DISABLE, "shut", [("AttachUserPolicy", "now"), ("UpdateAccessKey", "now")]),
        (MoveName.SOAK, "fence", [("UpdateAccessKey", "now")]),
        (
            MoveName.DELETE,
            "fence",
            [("DeleteAccessKey", "now"), ("DeleteUser", "now")],
        ),
    ],
)
def test_every_call_is_planned_with_when_it_is_sent(
    move: MoveName, method: str, expected: list[tuple[str, str]]
) -> None:
    held = replace(BARE, access_keys=ADA.access_keys[:1])
    assert [(call.operation, when) for call, when in facts.planned(held, move, method)] == expected


def test_a_call_as_it_is_shown_and_hashed() -> None:
    ((call, when), *_) = facts.planned(ADA, MoveName.DELETE, "fence")
    assert facts.call_as_values(call, when) == {
        "step": "access keys",
        "operation": "DeleteAccessKey",
        "target": "AKIA1",
        "params": {"UserName": "ada", "AccessKeyId": "AKIA1"},
        "undo": "never",
        "loses": "",
        "final": True,
        "when": "now",
    }


@pytest.mark.parametrize(
    ("by", "holdings", "expected"),
    [
        ("policy", fenced(ADA), ADA.attached_policies),
        ("policy", ADA, ADA.attached_policies),
        ("", fenced(ADA), (*ADA.attached_policies, DENY)),
        ("boundary", fenced(ADA), (*ADA.attached_policies, DENY)),
    ],
)
def test_only_a_fence_of_ours_is_thought_away(
    by: str, holdings: UserHoldings, expected: tuple[str, ...]
) -> None:
    assert facts.without_our_fence(holdings, by).attached_policies == expected


BATCH: dict[str, Any] = {
    "account": SimpleNamespace(account_id="123456789012"),
    "move": "disable",
    "method": "fence",
    "urgent": False,
}


def digest(items: list[str], **other: Any) -> str:
    return facts.batch_digest(cast(Batch, SimpleNamespace(**{**BATCH, **other})), items)


def test_a_batch_is_its_own_facts_and_its_items_in_any_order() -> None:
    assert digest(["a", "b"]) == digest(["b", "a"])
    assert digest(["a", "b"]) == ledger.digest(
        {
            "account": "123456789012",
            "move": "disable",
            "method": "fence",
            "urgent": False,
            "items": ["a", "b"],
        }
    )
    others = [
        digest(["a"]),
        digest(["a", "b"], move="delete"),
        digest(["a", "b"], method="shut"),
        digest(["a", "b"], urgent=True),
        digest(["a", "b"], account=SimpleNamespace(account_id="210987654321")),
    ]
    assert len({digest(["a", "b"]), *others}) == 6


@pytest.mark.django_db
def test_the_facts_of_an_item_whole(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure])
    change = of_user(departure, "disable")
    held = stage.holdings(departure)
    kept = json.loads(json.dumps(change.facts))
    calls = kept.pop("calls")
    assert kept == {
        "account": held.account_id,
        "user_id": departure.user.user_id,
        "user_name": "full.house",
        "path": held.path,
        "move": "disable",
        "method": "fence",
        "owner": stage.people.payments.key,
        "protection": "",
        "watch": 7 * 86400.0,
        "soak": 14 * 86400.0,
        "holdings": json.loads(json.dumps(facts.held(held))),
    }
    assert [call["when"] for call in calls] == ["now", *["shut"] * (len(calls) - 1)]
    assert change.digest == ledger.digest(change.facts)
    assert facts.frozen_items(batch) == [change.digest]
    assert batch.digest == facts.batch_digest(batch, [change.digest])


@pytest.mark.django_db
def test_who_is_shut_at_once_is_watched_for_no_time(stage: Stage) -> None:
    departure = stage.user()
    stage.started("disable", [departure], method="shut")
    told = of_user(departure, "disable").facts
    assert (told["watch"], told["method"]) == (0.0, "shut")


@pytest.mark.django_db
def test_who_was_left_out_of_what_was_asked_is_no_item(stage: Stage) -> None:
    going, staying = stage.user("a.first"), stage.user("b.second", owner=cast_.team("orphans"))
    batch = stage.asked("disable", [going, staying])
    assert facts.frozen_items(batch) == [of_user(going, "disable").digest]


@pytest.mark.django_db
def test_the_shut_that_follows_is_no_item_of_its_own() -> None:
    everybody = cast_.cast()
    batch = cast_.batch(everybody.account, everybody.jonas)
    row = cast_.departure("ci-pay-old", "disabled")
    fence = cast_.change(row, batch=batch, status="done", digest="f" * 64)
    cast_.change(row, "soak", batch=batch, status="queued", digest="f" * 64, follows=fence)
    assert facts.frozen_items(batch) == ["f" * 64]
