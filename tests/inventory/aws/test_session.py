"""Sessions open in the declared account with the declared role, or say why not."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from django.conf import settings

from inventory.aws import session as sessions
from inventory.aws.session import AwsFailure, open_session, own_identity
from inventory.models import Account

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every call that leaves, in order: (operation, parameters)."""
    seen: Calls = []
    _spy(monkeypatch, lambda operation, arguments: seen.append((operation, dict(arguments))))
    return seen


def _spy(monkeypatch: pytest.MonkeyPatch, told: Callable[[str, dict[str, Any]], None]) -> None:
    really = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        told(operation, arguments)
        return really(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)


def _refuse(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def test_a_reader_assumes_its_role_with_the_external_id(
    iam: IAMClient, account: Account, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODUCTION_EXTERNAL_ID", "acme-42")
    account.external_id = "env:PRODUCTION_EXTERNAL_ID"
    session = open_session(account, "reader")
    assumed = dict(calls)["AssumeRole"]
    assert assumed["RoleArn"] == account.reader_role
    assert assumed["ExternalId"] == "acme-42"
    assert ":assumed-role/IamCleanupReader/" in session.identity().arn


def test_an_external_id_that_is_not_set_is_named(
    iam: IAMClient, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRODUCTION_EXTERNAL_ID", raising=False)
    account.external_id = "env:PRODUCTION_EXTERNAL_ID"
    with pytest.raises(AwsFailure, match="PRODUCTION_EXTERNAL_ID") as refused:
        open_session(account, "reader")
    assert refused.value.code == "NoExternalId"


def test_without_a_reader_role_the_ambient_credentials_read(
    iam: IAMClient, account: Account, calls: Calls
) -> None:
    account.reader_role = ""
    open_session(account, "reader").client("iam").list_users()
    assert "AssumeRole" not in dict(calls)


def test_without_a_deleter_role_nothing_can_be_deleted(iam: IAMClient, account: Account) -> None:
    with pytest.raises(AwsFailure, match="No deleter role") as refused:
        open_session(account, "deleter")
    assert refused.value.code == "NoRole"


def test_credentials_of_another_account_are_refused(iam: IAMClient, account: Account) -> None:
    account.account_id = "210987654321"
    with pytest.raises(AwsFailure, match="belong to account 123456789012") as refused:
        open_session(account, "reader")
    assert refused.value.code == "WrongAccount"


def test_a_role_that_may_not_be_assumed_is_told_in_the_words_of_aws(
    iam: IAMClient, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "AssumeRole":
            raise _refuse("AccessDenied", "not authorized to perform: sts:AssumeRole", operation)

    _spy(monkeypatch, refuse)
    with pytest.raises(AwsFailure, match="sts:AssumeRole") as refused:
        open_session(account, "reader")
    assert refused.value.denied
    assert not refused.value.retryable


def test_a_source_identity_is_passed_in_the_alphabet_of_sts(
    iam: IAMClient, account: Account, calls: Calls
) -> None:
    open_session(account, "actor", source_identity="Mei Tanaka")
    assert dict(calls)["AssumeRole"]["SourceIdentity"] == "Mei-Tanaka"


def test_a_trust_policy_that_takes_no_source_identity_is_asked_once_without(
    iam: IAMClient, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def refuse(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "AssumeRole":
            asked.append("SourceIdentity" in arguments)
            if asked[-1]:
                message = "not authorized to perform: sts:SetSourceIdentity on resource"
                raise _refuse("AccessDenied", message, operation)

    _spy(monkeypatch, refuse)
    open_session(account, "actor", source_identity="mei")
    assert asked == [True, False]


def test_a_session_policy_that_sts_would_not_take_is_refused_before_it_is_sent(
    iam: IAMClient, account: Account, calls: Calls
) -> None:
    with pytest.raises(AwsFailure, match="2048") as refused:
        open_session(account, "actor", session_policy={"Statement": "x" * 2048})
    assert refused.value.code == "PolicyTooLong"
    assert calls == []


def test_a_session_policy_is_passed_compact(iam: IAMClient, account: Account, calls: Calls) -> None:
    open_session(account, "actor", session_policy={"Version": "2012-10-17"})
    assert dict(calls)["AssumeRole"]["Policy"] == '{"Version":"2012-10-17"}'


def test_credentials_are_renewed_before_they_end(
    iam: IAMClient, account: Account, calls: Calls
) -> None:
    from datetime import timedelta

    from inventory import clock

    session = open_session(account, "reader")
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(minutes=58))
    session.client("iam").list_users()
    assert [operation for operation, _ in calls].count("AssumeRole") == 2


def test_a_write_is_never_sent_again_by_the_sdk(iam: IAMClient, account: Account) -> None:
    client = open_session(account, "actor").client("iam")
    retries = vars(client.meta.config)["retries"]
    assert retries == {"mode": "standard", "total_max_attempts": 1}


def test_clients_are_made_once(iam: IAMClient, account: Account) -> None:
    session = open_session(account, "reader")
    assert session.client("iam") is session.client("iam")
    assert session.client("cloudtrail", "eu-west-1").meta.region_name == "eu-west-1"


def test_own_identity_is_that_of_the_base_credentials(iam: IAMClient) -> None:
    assert own_identity().account_id == "123456789012"


def test_the_user_agent_names_this_version() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert f"iam-cleanup/{project['version']}" == sessions.USER_AGENT


def test_an_answer_that_never_came_is_a_connection_failure() -> None:
    from botocore.exceptions import ReadTimeoutError

    told = sessions.failure(ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), "ListUsers")
    assert (told.code, told.retryable) == ("Connection", True)
