"""What a read-back and a proof believe, how long they ask, and what they say when patience ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import UserHoldings
from inventory.aws.session import AwsSession
from migrations_app import aws
from tests.migrations_app.scripted import GONE, NAME, USER_ID, Still, user, writing
from tests.migrations_app.test_aws_plan import ADA, DENY


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Still:
    still = Still()
    monkeypatch.setattr(aws, "time", still)
    return still


def looking(*seen: UserHoldings) -> Callable[[], UserHoldings]:
    script = list(seen)
    return lambda: script.pop(0) if len(script) > 1 else script[0]


def is_fenced(holdings: UserHoldings) -> bool:
    return bool(aws.fenced(holdings))


FENCED = replace(ADA, attached_policies=(DENY,))


def test_a_stale_answer_is_asked_again(still: Still) -> None:
    assert aws.read_back(looking(ADA, ADA, FENCED), is_fenced, "ada is fenced") == FENCED
    assert still.slept == [0.2, 0.4]


def test_patience_ends_and_the_failure_may_be_tried_again(still: Still) -> None:
    began = still.now
    with pytest.raises(AwsFailure) as caught:
        aws.read_back(looking(ADA), is_fenced, "ada is fenced")
    assert (caught.value.code, caught.value.retryable) == ("NotProven", True)
    assert caught.value.message == "AWS does not show yet that ada is fenced."
    assert still.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0, 4.0]
    assert 16 < still.now - began <= 20


@pytest.mark.parametrize(("took", "looks"), [(19.8, 2), (19.801, 1)])
def test_nobody_looks_past_the_end_of_patience(still: Still, took: float, looks: int) -> None:
    still.now = 0.0
    seen: list[float] = []

    def look() -> UserHoldings:
        still.now += took if not seen else 0.0
        seen.append(still.now)
        return ADA

    with pytest.raises(AwsFailure, match="NotProven"):
        aws.read_back(look, is_fenced, "ada is fenced")
    assert len(seen) == looks


@pytest.mark.parametrize(("took", "looks"), [(19.8, 2), (19.801, 1)])
def test_nobody_asks_for_a_deleted_user_past_the_end_of_patience(
    still: Still, took: float, looks: int
) -> None:
    still.now = 0.0
    _, scripted = writing()
    really = scripted.client

    def client(service: str) -> Any:
        still.now += took if "get_user" not in scripted.said else 0.0
        return really(service)

    scripted.client = client  # type: ignore[method-assign]
    with pytest.raises(AwsFailure, match="still shows"):
        aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=True)
    assert scripted.said.count("get_user") == looks


def listed(*ids: str) -> dict[str, Any]:
    users = [
        {"UserId": one, "UserName": one.lower(), "Arn": ADA.arn, "Path": "/", "CreateDate": None}
        for one in ids
    ]
    return {"Users": users, "IsTruncated": False}


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (GONE, "NoSuchEntity"),
        (user("AIDAOTHER"), "another user: AIDAOTHER"),
        (user(), ""),
    ],
)
def test_get_user_says_who_is_gone(seen: Any, told: str) -> None:
    _, scripted = writing(get_user=seen)
    assert aws.gone_by_get_user(cast(AwsSession, scripted), NAME, USER_ID) == told


@pytest.mark.parametrize("seen", [GONE, user("AIDAOTHER")])
def test_our_answered_delete_and_get_user_are_proof(still: Still, seen: Any) -> None:
    _, scripted = writing(get_user=seen)
    proof = aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=True)
    assert proof.by == "DeleteUser"
    assert proof.get_user in ("NoSuchEntity", "another user: AIDAOTHER")
    assert "list_users" not in scripted.said


def test_without_an_answer_the_complete_listing_is_proof(still: Still) -> None:
    _, scripted = writing(get_user=GONE, list_users=listed("AIDABOB", "AIDACAT"))
    proof = aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=False)
    assert proof == aws.Proof("NoSuchEntity", "ListUsers")


@pytest.mark.parametrize("ids", [(), (USER_ID,), ("AIDABOB", USER_ID)])
def test_a_listing_of_nobody_or_with_the_user_is_no_proof(
    still: Still, ids: tuple[str, ...]
) -> None:
    _, scripted = writing(get_user=GONE, list_users=listed(*ids))
    with pytest.raises(AwsFailure) as caught:
        aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=False)
    failed = caught.value
    assert (failed.code, failed.operation, failed.retryable) == ("NotProven", "GetUser", True)
    assert failed.message == "AWS still shows ada (AIDAADA)."
    assert still.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0, 4.0]


def test_a_user_that_is_still_shown_is_asked_for_until_it_is_gone(still: Still) -> None:
    _, scripted = writing(get_user=[user(), user(), GONE])
    proof = aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=True)
    assert proof == aws.Proof("NoSuchEntity", "DeleteUser")
    assert still.slept == [0.2, 0.4]


def test_no_answer_is_believed_while_get_user_shows_the_user(still: Still) -> None:
    _, scripted = writing(list_users=listed("AIDABOB"))
    with pytest.raises(AwsFailure, match="still shows"):
        aws.prove_deleted(cast(AwsSession, scripted), NAME, USER_ID, answered=True)
