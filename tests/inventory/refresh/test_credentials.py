"""Live credentials become rows: all of them, of the right user, and only where they changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.aws import quirks
from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.calls import OPERATIONS, Context, Operation
from demo.aws.iam import service_credentials
from demo.aws.state import ServiceCredential, Use
from inventory.models import Account, Credential, Sync
from inventory.signals import account_synced
from tests.inventory.syncs import do, fault, move, production, recreate, row, step, sync

pytestmark = pytest.mark.django_db
SERVICE = "newthing.amazonaws.com"


@pytest.fixture
def account() -> Account:
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


def held(user_name: str, kind: str = "access-key") -> set[str]:
    live = row(user_name).credentials.filter(kind=kind, gone_at=None)
    return set(live.values_list("credential_id", flat=True))


def give(simulator: Simulator, user_name: str, service: str) -> str:
    """A service-specific credential, as if the service had always had them."""
    user = simulator.account.user(user_name)
    made = ServiceCredential(f"ACCA{service[:8].upper()}", service, "x", user.created_at)
    user.service_credentials[made.id] = made
    return made.id


def before_call(
    monkeypatch: pytest.MonkeyPatch, operation: str, happens: Callable[[], object]
) -> None:
    """Let something happen in the account right before its first answer to `operation`."""
    really = OPERATIONS["iam", operation]
    left = [happens]

    def handler(context: Context) -> dict[str, Any] | None:
        if left:
            left.pop()()
        return really.handler(context)

    monkeypatch.setitem(OPERATIONS, ("iam", operation), Operation(handler))


def test_every_service_that_aws_documents_is_swept(simulator: Simulator, account: Account) -> None:
    sync(account)
    for service in service_credentials.SERVICES:
        made = do(
            simulator,
            "CreateServiceSpecificCredential",
            UserName="admin2",
            ServiceName=service,
            CredentialAgeDays=30,
        )["result"]["ServiceSpecificCredential"]
        assert made["ServiceName"] == service
    sync(account)
    found = row("admin2").credentials.filter(kind="service-specific")
    assert set(found.values_list("service", flat=True)) == set(service_credentials.SERVICES)
    assert not found.filter(expires_at=None).exists()


def test_a_sweep_is_read_to_its_last_page(simulator: Simulator, account: Account) -> None:
    sync(account)
    for name in ("admin2", "old-deploy", "marta.ruiz"):
        for _ in range(2):
            do(
                simulator,
                "CreateServiceSpecificCredential",
                UserName=name,
                ServiceName="bedrock.amazonaws.com",
            )
    fault(simulator, "short-pages", "ListServiceSpecificCredentials", size=1)
    sync(account)
    assert Credential.objects.filter(kind="service-specific", gone_at=None).count() == 6


def test_a_service_nobody_knew_is_found_with_its_first_user_and_swept_for_ever_after(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = (*service_credentials.SERVICES, SERVICE)
    monkeypatch.setattr(service_credentials, "SERVICES", known)
    first = give(simulator, "admin2", SERVICE)
    sync(account)
    assert held("admin2", "service-specific") == {first}
    second = give(simulator, "old-deploy", SERVICE)
    assert sync(account).status == Sync.Status.WHOLE
    assert held("old-deploy", "service-specific") == {second}


def test_a_service_that_a_partition_does_not_have_is_no_gap(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = service_credentials.SERVICES[:2]
    monkeypatch.setattr(service_credentials, "SERVICES", fewer)
    assert sync(account).status == Sync.Status.WHOLE


def test_a_key_of_any_number_and_status_is_kept(simulator: Simulator, account: Account) -> None:
    user = simulator.account.user("admin2")
    stage = quirks.Stage(simulator.account, 7, simulator.born_at)
    for status in ("Inactive", "Expired", "Active", "Active"):
        quirks.add_key(stage, user, user.created_at + timedelta(days=len(user.keys)), status)
    sync(account)
    assert held("admin2") == set(user.keys)
    kept = row("admin2").credentials.values_list("credential_id", "status")
    assert dict(kept) == {key.id: key.status for key in user.keys.values()}


def test_a_login_profile_that_cannot_be_read_is_a_gap_and_not_no_password(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    fault(simulator, "error", "GetLoginProfile", match={"UserName": "marta.ruiz"})
    assert sync(account).status == Sync.Status.PARTIAL
    marta = row("marta.ruiz")
    assert marta.has_console_password
    assert "GetLoginProfile: ServiceFailure" in marta.coverage["gaps"]["credentials"]
    assert marta.verdict == "unknown"


def test_the_last_sign_in_outlives_the_password(simulator: Simulator, account: Account) -> None:
    sync(account)
    used_at = row("marta.ruiz").password_last_used_at
    assert used_at is not None
    do(simulator, "DeleteLoginProfile", UserName="marta.ruiz")
    move(hours=5)
    sync(account)
    marta = row("marta.ruiz")
    assert (marta.has_console_password, marta.password_created_at) == (False, None)
    assert marta.password_last_used_at == used_at


def test_mfa_is_told_apart_by_kind(simulator: Simulator, account: Account) -> None:
    sync(account)
    kinds = {name: {one["kind"] for one in row(name).mfa} for name in ("hal.token", "fay.passkey")}
    assert kinds == {"hal.token": {"hardware"}, "fay.passkey": {"fido"}}


def test_a_second_sync_of_an_unchanged_account_writes_no_credential(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    with CaptureQueriesContext(connection) as asked:
        sync(account)
    statements = [query["sql"] for query in asked if '"inventory_credential"' in query["sql"]]
    assert statements
    assert not [sql for sql in statements if not sql.startswith("SELECT")]


def test_only_the_credential_that_changed_is_written(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    act(simulator, {"act": "data", "user": "lena.koch"})
    with CaptureQueriesContext(connection) as asked:
        sync(account)
    writes = [
        query["sql"]
        for query in asked
        if '"inventory_credential"' in query["sql"] and not query["sql"].startswith("SELECT")
    ]
    assert len(writes) == 1
    assert writes[0].startswith('UPDATE "inventory_credential"')


def test_the_step_reads_no_evidence_of_others(simulator: Simulator, account: Account) -> None:
    from inventory import refresh
    from inventory.aws.session import open_session
    from inventory.refresh.credentials import read_credentials
    from inventory.refresh.run import claim

    sync(account)
    run = claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    run.session = open_session(account, "reader")
    account.users.update(coverage={"sync": run.sync.pk, "gaps": {}})
    with CaptureQueriesContext(connection) as asked:
        assert read_credentials(run)
    assert not [query for query in asked if "inventory_activity" in query["sql"]]
    assert not [query for query in asked if "inventory_trailcoverage" in query["sql"]]


def test_nobody_is_asked_for_again_where_nothing_is_new(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = simulator.counts.copy()
    sync(account)
    made = simulator.counts - before
    assert "GetUser" not in made
    assert made["ListUsers"] == 1
    users = len(simulator.truth)
    for operation in (
        "ListAccessKeys",
        "GetLoginProfile",
        "ListMFADevices",
        "ListSSHPublicKeys",
        "ListSigningCertificates",
    ):
        assert made[operation] == users
    assert made["GetAccessKeyLastUsed"] == Credential.objects.filter(kind="access-key").count()
    assert made["ListServiceSpecificCredentials"] == len(service_credentials.SERVICES)


def test_what_a_new_user_of_the_name_holds_is_never_put_on_the_old_row(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    old_keys = held("admin2")
    assert old_keys

    def happens() -> None:
        recreate(simulator, "admin2")
        do(simulator, "CreateAccessKey", UserName="admin2")

    before_call(monkeypatch, "ListAccessKeys", happens)
    done = sync(account)
    old = row("admin2")
    assert held("admin2") == old_keys
    assert "The name is another user's now" in old.coverage["gaps"]["credentials"]
    assert old.verdict == "unknown"
    assert done.status == Sync.Status.PARTIAL
    sync(account)
    new = account.users.exclude(pk=old.pk).get(user_name="admin2")
    assert new.credentials.count() == 1


def test_a_new_user_without_credentials_does_not_empty_the_old_row(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    keys = held("admin2")
    before_call(monkeypatch, "ListAccessKeys", lambda: recreate(simulator, "admin2"))
    sync(account)
    assert held("admin2") == keys
    assert "credentials" in row("admin2").coverage["gaps"]


def test_names_that_swapped_while_they_were_read_are_found_out(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    keys = {name: held(name) for name in ("admin2", "old-deploy")}

    def happens() -> None:
        for now, then in (("admin2", "x"), ("old-deploy", "admin2"), ("x", "old-deploy")):
            do(simulator, "UpdateUser", UserName=now, NewUserName=then)

    before_call(monkeypatch, "ListAccessKeys", happens)
    sync(account)
    assert {name: held(name) for name in keys} == keys
    assert all("credentials" in row(name).coverage["gaps"] for name in keys)


def test_a_user_made_between_two_listings_has_a_gap_and_not_no_permissions(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = OPERATIONS["iam", "GetAccountAuthorizationDetails"]

    def without_lena(context: Context) -> dict[str, Any] | None:
        told = really.handler(context)
        assert told is not None
        users = [one for one in told["UserDetailList"] if one["UserName"] != "lena.koch"]
        return told | {"UserDetailList": users}

    key = ("iam", "GetAccountAuthorizationDetails")
    monkeypatch.setitem(OPERATIONS, key, Operation(without_lena))
    done = sync(account)
    lena = row("lena.koch")
    assert "do not show this user yet" in lena.coverage["gaps"]["policies"]
    assert done.error == "1 of 24 users could not be read whole."
    assert row("admin2").coverage["gaps"] == {}


def test_a_later_use_in_the_report_counts_where_it_is_surely_that_key(
    simulator: Simulator, account: Account
) -> None:
    simulator.advance()
    user = simulator.account.user("lena.koch")
    (key,) = user.keys.values()
    assert key.last_used is not None
    later = Use(key.last_used.at + timedelta(hours=1), "sqs", "eu-west-1")
    earlier, key.last_used = key.last_used, later
    do(simulator, "GenerateCredentialReport")
    key.last_used = earlier
    sync(account)
    kept = Credential.objects.get(credential_id=key.id)
    assert (kept.last_used_at, kept.last_used_service) == (later.at, "sqs")


def test_keys_of_the_same_second_take_nothing_from_the_report(
    simulator: Simulator, account: Account
) -> None:
    user = simulator.account.user("admin2")
    (key,) = user.keys.values()
    stage = quirks.Stage(simulator.account, 7, simulator.born_at)
    twin = quirks.add_key(stage, user, key.created_at)
    twin.last_used = Use(simulator.now() - timedelta(hours=1), "s3", "N/A")
    do(simulator, "GenerateCredentialReport")
    twin.last_used = None
    sync(account)
    assert Credential.objects.get(credential_id=twin.id).last_used_at is None


def test_what_changed_since_the_report_is_told_as_that(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    move(minutes=30)
    do(simulator, "DeleteLoginProfile", UserName="marta.ruiz")
    key = next(iter(simulator.account.user("admin2").keys))
    do(simulator, "UpdateAccessKey", UserName="admin2", AccessKeyId=key, Status="Inactive")
    do(simulator, "CreateAccessKey", UserName="lena.koch")
    done = sync(account)
    (password,) = row("marta.ruiz").coverage["report_notes"]
    assert password["explained"]
    assert password["text"].startswith("It had a console password in the credential report of")
    (off,) = row("admin2").coverage["report_notes"]
    assert f"{key[:4]}…{key[-4:]} was active" in off["text"]
    # Made after the report: its age is the answer, and nothing differs.
    assert "report_notes" not in row("lena.koch").coverage
    assert "2 not as in the credential report" in step(done, "credentials")["detail"]
    assert done.status == Sync.Status.WHOLE
    move(hours=5)
    sync(account)
    assert "report_notes" not in row("marta.ruiz").coverage


def test_an_old_password_that_the_report_denies_is_not_explained(
    simulator: Simulator, account: Account
) -> None:
    user = simulator.account.user("marta.ruiz")
    login, user.login = user.login, None
    devices, user.mfa = user.mfa, {}
    do(simulator, "GenerateCredentialReport")
    user.login, user.mfa = login, devices
    sync(account)
    (note, *_) = row("marta.ruiz").coverage["report_notes"]
    assert "It has a console password older than the credential report" in note["text"]
    assert not note["explained"]
