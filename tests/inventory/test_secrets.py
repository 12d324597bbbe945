"""No secret that AWS ever handed out reaches a log line, the database or a page (rule 16)."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.apps import apps
from django.test import Client

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.calls import OPERATIONS, Context, Operation
from demo.aws.errors import AwsError
from inventory.aws.failure import failure
from inventory.models import Account, Alert, IamUser, Person, Role, Sync
from tests import cast
from tests.inventory.syncs import do, production, row, sync

pytestmark = pytest.mark.django_db
PASSWORD = "Correct-horse-battery-9"
EXPLAINED = (
    "The request signature we calculated does not match the signature you provided. The Canonical"
    " String for this request should have been 'POST\n/\n\nhost:iam.amazonaws.com\nx-amz-date:"
    "20250306T135500Z\nx-amz-security-token:{}\n\nhost;x-amz-date;x-amz-security-token\n0123abc'"
)


@pytest.fixture
def account() -> Account:
    return production()


@pytest.fixture
def jonas() -> Person:
    security = cast.team("security")
    cast.organization(security)
    return cast.person("jonas", "Jonas", [Role.ENGINEER, Role.APPROVER], security)


def secrets_of(simulator: Simulator) -> set[str]:
    """Everything secret that was handed out or sent in, and the worker's own base credentials."""
    base = {PRODUCT_CREDENTIALS[f"AWS_{name}"] for name in ("SECRET_ACCESS_KEY", "SESSION_TOKEN")}
    return simulator.secrets | base


def stored() -> Iterable[tuple[str, str]]:
    """Every row of every table as text, with the name of its table."""
    for model in apps.get_models():
        for values in model._default_manager.values():
            yield model.__name__, json.dumps(values, default=str, ensure_ascii=False)


def shown(client: Client, account: Account) -> Iterable[tuple[str, str]]:
    """What the pages and exports about this account say, with their addresses."""
    places = ["/", "/users/", "/users.json", "/users.csv", "/alerts/", "/log/"]
    places += [f"/syncs/{account.account_id}/", f"/settings/accounts/{account.account_id}/"]
    for user in IamUser.objects.filter(user_name__in=["admin2", "marta.ruiz", "lena.koch"]):
        places += [f"/users/{account.account_id}/{user.user_id}/"]
        places += [f"/users/{account.account_id}/{user.user_id}/evidence.json"]
    for place in places:
        answer: Any = client.get(place)
        parts = answer.streaming_content if answer.streaming else [answer.content]
        yield f"{place} {answer.status_code}", b"".join(parts).decode()


def leaks(
    secrets: set[str], logged: str, client: Client, account: Account
) -> list[tuple[str, str]]:
    """Where which secret turned up."""
    texts = [("log", logged), *stored(), *shown(client, account)]
    return [(where, one) for where, text in texts for one in secrets if one in text]


def signed_wrongly(context: Context) -> dict[str, Any]:
    """What AWS answers to a wrong signature: what should have been signed, token and all."""
    message = EXPLAINED.format(context.call.session_token)
    raise AwsError("SignatureDoesNotMatch", message, 403)


@pytest.fixture
def everything(
    simulator: Simulator,
    account: Account,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Simulator:
    """Secrets of every kind exist, two syncs ran, and AWS told our own token back to us."""
    # The levels of botocore and urllib3 stay as production sets them.
    caplog.set_level(logging.DEBUG)
    do(simulator, "CreateAccessKey", UserName="admin2")
    do(simulator, "CreateLoginProfile", UserName="admin2", Password=PASSWORD)
    for service in ("codecommit.amazonaws.com", "bedrock.amazonaws.com"):
        do(
            simulator,
            "CreateServiceSpecificCredential",
            UserName="admin2",
            ServiceName=service,
        )
    assert sync(account).status == Sync.Status.WHOLE
    for name in ("ListMFADevices", "GetAccountSummary"):
        told = Operation(signed_wrongly)
        monkeypatch.setitem(OPERATIONS, ("iam", name), told)
    assert sync(account).status == Sync.Status.PARTIAL
    return simulator


def test_a_sync_leaves_no_secret_anywhere(
    everything: Simulator, account: Account, jonas: Person, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    client.force_login(jonas)
    secrets = secrets_of(everything)
    assert PASSWORD in secrets
    assert len(secrets) >= 8
    found = dict(shown(client, account))
    assert all(place.endswith(" 200") for place in found), list(found)
    # AWS's own words are there, without what must not be.
    assert "x-amz-security-token:(not shown)" in row("admin2").coverage["gaps"]["credentials"]
    assert leaks(secrets, caplog.text, client, account) == []


@pytest.mark.parametrize("place", ["log", "Sync", "IamUser", "/alerts/ 200"])
def test_a_planted_secret_is_found(
    everything: Simulator,
    account: Account,
    jonas: Person,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    client = Client()
    client.force_login(jonas)
    secret = max(everything.secrets, key=len)
    if place == "log":
        logging.getLogger("inventory.refresh.syncing").debug("The token is %s.", secret)
    elif place == "Sync":
        Sync.objects.update(error=f"It was {secret}.")
    elif place == "IamUser":
        IamUser.objects.update(tags={"note": secret})
    else:
        alert = Alert(key="planted", kind="listing", title="Planted", text=secret)
        alert.account, alert.raised_at = account, account.last_whole_at  # type: ignore[assignment]
        alert.save()
    assert place in {where for where, _ in leaks({secret}, caplog.text, client, account)}


def test_botocore_says_nothing_below_a_warning() -> None:
    for name in ("botocore.endpoint", "botocore.auth", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_a_traceback_shows_no_token_of_its_causes_either() -> None:
    token = "IQoJb3JpZ2luX2VjE" + "x/+" * 40
    told: Any = {"Error": {"Code": "SignatureDoesNotMatch", "Message": EXPLAINED.format(token)}}
    error = ClientError(told, "ListUsers")
    failed = failure(error, "ListUsers")
    failed.__cause__ = error
    text = "".join(traceback.format_exception(failed))
    assert "SignatureDoesNotMatch" in text
    assert token not in text
    assert token not in failed.words


@pytest.mark.parametrize(
    "text",
    [
        '"SecretAccessKey": "{}"',
        "aws_secret_access_key = {}",
        "SessionToken={}&",
        "<SessionToken>{}</SessionToken>",
        "X-Amz-Signature={}",
    ],
)
def test_secrets_are_cut_in_every_spelling(text: str) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    told: Any = {"Error": {"Code": "Unknown", "Message": f"Bad request: {text.format(secret)}"}}
    assert secret not in failure(ClientError(told, "ListUsers"), "ListUsers").message
