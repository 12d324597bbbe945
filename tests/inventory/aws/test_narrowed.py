"""Narrowed sessions share their clients and nothing else: each call is signed by who makes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import NoCredentialsError

from inventory.aws import session as sessions
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

POLICY = {"Version": "2012-10-17"}
Signed = list[tuple[str, str]]


@pytest.fixture
def narrowed(iam: IAMClient, account: Account) -> Callable[[], AwsSession]:
    return lambda: open_session(account, "actor", session_policy=POLICY)


def watch(session: AwsSession) -> Signed:
    """The key id and the token that each request to IAM carries, in order."""
    signed: Signed = []

    def sent(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        told = {name: as_text(value) for name, value in request.headers.items()}
        scope = told["Authorization"].partition("Credential=")[2]
        signed.append((scope.partition("/")[0], told["X-Amz-Security-Token"]))
        return None

    client: Any = session.client("iam")
    client.meta.events.register_first("before-send.iam", sent)
    return signed


def as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def keys_of(session: AwsSession) -> tuple[str, str]:
    assert session._keys is not None
    return str(session._keys.access_key), str(session._keys.token)


def test_a_client_is_made_once_for_all_of_them(
    narrowed: Callable[[], AwsSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    really = botocore.session.Session.create_client

    def create_client(core: Any, service: str, *args: Any, **how: Any) -> Any:
        made.append(service)
        return really(core, service, *args, **how)

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    for _ in range(3):
        narrowed().client("iam").list_users()
    assert made.count("iam") == 1


def test_each_call_is_signed_with_the_keys_of_its_session(
    narrowed: Callable[[], AwsSession],
) -> None:
    one, other = narrowed(), narrowed()
    signed = watch(one)
    for session in (one, other, one):
        session.client("iam").list_users()
    assert keys_of(one) != keys_of(other)
    assert signed == [keys_of(one), keys_of(other), keys_of(one)]


def test_calls_of_many_threads_are_never_signed_by_another(
    narrowed: Callable[[], AwsSession],
) -> None:
    opened = [narrowed() for _ in range(6)]
    signed = watch(opened[0])
    together = threading.Barrier(len(opened))
    own: dict[int, Signed] = {}

    def work(number: int) -> None:
        together.wait()
        for _ in range(5):
            opened[number].client("iam").list_users()
        own[number] = [keys_of(opened[number])] * 5

    with ThreadPoolExecutor(len(opened)) as pool:
        list(pool.map(work, range(len(opened))))
    assert sorted(signed) == sorted(key for keys in own.values() for key in keys)


def test_a_call_outside_of_a_session_has_no_keys_and_is_not_sent(
    narrowed: Callable[[], AwsSession],
) -> None:
    session = narrowed()
    signed = watch(session)
    bare = sessions._shared_client("actor", "iam", session.home_region)
    with pytest.raises(NoCredentialsError):
        bare.list_users()
    assert signed == []


def test_each_counts_and_paces_its_own_calls(narrowed: Callable[[], AwsSession]) -> None:
    one, other = narrowed(), narrowed()
    paced: list[str] = []
    one.pace("iam", lambda: paced.append("one"))
    other.pace("iam", lambda: paced.append("other"))
    one.client("iam").list_users()
    one.client("iam").list_users()
    other.client("iam").list_users()
    assert paced == ["one", "one", "other"]
    assert one.take_counts() == {"ListUsers": 2}
    assert other.take_counts() == {"ListUsers": 1}


def test_a_failed_call_leaves_nobodys_keys_behind(narrowed: Callable[[], AwsSession]) -> None:
    session = narrowed()
    client = session.client("iam")
    with pytest.raises(client.exceptions.NoSuchEntityException):
        client.get_user(UserName="nobody")
    with pytest.raises(NoCredentialsError):
        sessions._shared_client("actor", "iam", session.home_region).list_users()
