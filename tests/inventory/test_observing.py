"""A sync says what changed in AWS since the last one, once, and nothing of what it did not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.faults import Fault
from demo.aws.state import AccessKey, User
from inventory import clock, refresh
from inventory.aws.holdings import read_user
from inventory.aws.session import open_session
from inventory.models import Account, IamUser, LastKnown, Observation, Sync
from inventory.observation_words import told
from inventory.refresh import observing, syncing
from inventory.refresh import run as runs
from inventory.signals import account_synced, changes_observed
from tests.inventory.syncs import production

pytestmark = pytest.mark.django_db
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
_STATEMENT = '{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}'
POLICY = f'{{"Version":"2012-10-17","Statement":[{_STATEMENT}]}}'
OTHER = POLICY.replace("GetObject", "PutObject")


@pytest.fixture
def account() -> Account:
    """`production` as it is declared, never read yet."""
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])
    monkeypatch.setattr(changes_observed, "receivers", [])
    yield
    for signal in (account_synced, changes_observed):
        signal.sender_receivers_cache.clear()


def sync(account: Account) -> Sync:
    """A sync of `account` from asking to its end, six hours after the last."""
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(hours=6))
    asked = refresh.ask_sync(account, None)
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def do(simulator: Simulator, operation: str, **params: Any) -> Any:
    return act(simulator, {"act": "api", "operation": operation, "params": params})["result"]


def seen(of: Sync) -> list[str]:
    """What a sync saw, as sentences."""
    rows = Observation.objects.filter(sync=of).order_by("pk").select_related("user")
    return [f"{row.user or 'root'}: {told(row.kind, row.params)}" for row in rows]


def kinds(of: Sync) -> list[str]:
    return list(Observation.objects.filter(sync=of).order_by("kind").values_list("kind", flat=True))


def bare(simulator: Simulator, name: str = "ci-bare") -> User:
    """A user that holds nothing."""
    do(simulator, "CreateUser", UserName=name)
    return simulator.account.user(name)


def test_the_first_sync_says_only_how_many_users_there_are(
    simulator: Simulator, account: Account
) -> None:
    assert seen(sync(account)) == [
        f"root: {len(simulator.truth)} users found; from here on, what changes is told"
    ]


def test_a_second_sync_with_nothing_changed_says_nothing_and_writes_next_to_nothing(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    known = list(LastKnown.objects.exclude(user=None).order_by("pk").values())
    again = sync(account)
    assert seen(again) == []
    assert list(LastKnown.objects.exclude(user=None).order_by("pk").values()) == known
    with CaptureQueriesContext(connection) as asked:
        observing.observe(again)
    written = [one["sql"] for one in asked if one["sql"].startswith(("INSERT", "UPDATE"))]
    # When the account was looked at last, and of no user anything.
    assert len(written) == 1


def test_everything_given_to_a_user_is_told_once(simulator: Simulator, account: Account) -> None:
    name = bare(simulator).name
    sync(account)
    do(simulator, "CreateGroup", GroupName="night-shift")
    key = do(simulator, "CreateAccessKey", UserName=name)["AccessKey"]["AccessKeyId"]
    do(simulator, "CreateLoginProfile", UserName=name, Password="not-kept-anywhere-1")
    serial = simulator.account.arn(f"mfa/{name}")
    do(simulator, "CreateVirtualMFADevice", VirtualMFADeviceName=name)
    do(simulator, "EnableMFADevice", UserName=name, SerialNumber=serial)
    ssh = do(simulator, "UploadSSHPublicKey", UserName=name, SSHPublicKeyBody="ssh-rsa AAAA")
    certificate = do(
        simulator, "UploadSigningCertificate", UserName=name, CertificateBody="-----BEGIN"
    )
    bedrock = do(
        simulator,
        "CreateServiceSpecificCredential",
        UserName=name,
        ServiceName="bedrock.amazonaws.com",
    )
    do(simulator, "AttachUserPolicy", UserName=name, PolicyArn=ADMIN)
    do(simulator, "PutUserPolicy", UserName=name, PolicyName="reads", PolicyDocument=POLICY)
    do(simulator, "AddUserToGroup", UserName=name, GroupName="night-shift")
    do(simulator, "PutUserPermissionsBoundary", UserName=name, PermissionsBoundary=READ_ONLY)
    do(simulator, "TagUser", UserName=name, Tags=[{"Key": "team", "Value": "payments"}])
    found = sync(account)
    given = bedrock["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    assert sorted(seen(found)) == sorted(
        f"{name}: {text}"
        for text in (
            "policy AdministratorAccess attached",
            "a new inline policy reads",
            "it join group night-shift",
            "permissions boundary ReadOnlyAccess set",
            "its tags change: team",
            "its rights rise from nothing to admin",
            "a console password set",
            "MFA app added",
            f"a new access key {key}",
            f"a new SSH public key {ssh['SSHPublicKey']['SSHPublicKeyId']}",
            f"a new signing certificate {certificate['Certificate']['CertificateId']}",
            f"a new service-specific credential {given}",
        )
    )
    assert seen(sync(account)) == []


def test_everything_taken_from_a_user_is_told_once(simulator: Simulator, account: Account) -> None:
    user = bare(simulator)
    name = user.name
    do(simulator, "CreateGroup", GroupName="night-shift")
    kept = do(simulator, "CreateAccessKey", UserName=name)["AccessKey"]["AccessKeyId"]
    lost = do(simulator, "CreateAccessKey", UserName=name)["AccessKey"]["AccessKeyId"]
    do(simulator, "CreateLoginProfile", UserName=name, Password="not-kept-anywhere-1")
    do(simulator, "CreateVirtualMFADevice", VirtualMFADeviceName=name)
    serial = simulator.account.arn(f"mfa/{name}")
    do(simulator, "EnableMFADevice", UserName=name, SerialNumber=serial)
    do(simulator, "AttachUserPolicy", UserName=name, PolicyArn=ADMIN)
    do(simulator, "PutUserPolicy", UserName=name, PolicyName="changes", PolicyDocument=POLICY)
    do(simulator, "PutUserPolicy", UserName=name, PolicyName="goes", PolicyDocument=POLICY)
    do(simulator, "AddUserToGroup", UserName=name, GroupName="night-shift")
    do(simulator, "PutUserPermissionsBoundary", UserName=name, PermissionsBoundary=READ_ONLY)
    do(simulator, "TagUser", UserName=name, Tags=[{"Key": "team", "Value": "payments"}])
    sync(account)
    do(simulator, "UpdateAccessKey", UserName=name, AccessKeyId=kept, Status="Inactive")
    do(simulator, "DeleteAccessKey", UserName=name, AccessKeyId=lost)
    do(simulator, "DeleteLoginProfile", UserName=name)
    do(simulator, "DeactivateMFADevice", UserName=name, SerialNumber=serial)
    do(simulator, "DetachUserPolicy", UserName=name, PolicyArn=ADMIN)
    do(simulator, "PutUserPolicy", UserName=name, PolicyName="changes", PolicyDocument=OTHER)
    do(simulator, "DeleteUserPolicy", UserName=name, PolicyName="goes")
    do(simulator, "RemoveUserFromGroup", UserName=name, GroupName="night-shift")
    do(simulator, "DeleteUserPermissionsBoundary", UserName=name)
    do(simulator, "UntagUser", UserName=name, TagKeys=["team"])
    assert sorted(seen(sync(account))) == sorted(
        f"{name}: {text}"
        for text in (
            "policy AdministratorAccess detached",
            "inline policy changes changed",
            "inline policy goes deleted",
            "it leave group night-shift",
            "its permissions boundary ReadOnlyAccess removed",
            "its tags change: team",
            "its console password removed",
            "MFA app removed",
            f"access key {kept} made inactive",
            f"access key {lost} gone",
        )
    )
    assert seen(sync(account)) == []
    do(simulator, "UpdateAccessKey", UserName=name, AccessKeyId=kept, Status="Active")
    assert seen(sync(account)) == [f"{name}: access key {kept} turned active again"]


def test_a_new_user_is_one_line_with_the_time_that_aws_gives(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    made = bare(simulator)
    do(simulator, "AttachUserPolicy", UserName=made.name, PolicyArn=ADMIN)
    do(simulator, "CreateAccessKey", UserName=made.name)
    found = sync(account)
    assert seen(found) == [f"{made.name}: it for the first time, with admin rights"]
    assert Observation.objects.get(sync=found).aws_at == made.created_at


def test_what_aws_gives_no_time_for_lies_between_two_syncs(
    simulator: Simulator, account: Account
) -> None:
    name = bare(simulator).name
    before = sync(account)
    do(simulator, "AttachUserPolicy", UserName=name, PolicyArn=READ_ONLY)
    found = Observation.objects.filter(sync=sync(account), kind="policy-attached").get()
    assert (found.since_at, found.aws_at) == (before.started_at, None)
    assert before.finished_at is not None
    assert found.seen_at > before.finished_at


def test_a_renamed_user_keeps_its_earlier_names(simulator: Simulator, account: Account) -> None:
    row_id = bare(simulator, "ci-one").id
    sync(account)
    do(simulator, "UpdateUser", UserName="ci-one", NewUserName="CI-One")
    assert seen(sync(account)) == ["CI-One: it renamed from ci-one to CI-One"]
    assert IamUser.objects.get(user_id=row_id).earlier_names == []
    do(simulator, "UpdateUser", UserName="ci-one", NewUserName="ci-two", NewPath="/old/")
    assert seen(sync(account)) == [
        "ci-two: it renamed from CI-One to ci-two",
        "ci-two: its path change from / to /old/",
    ]
    row = IamUser.objects.get(user_id=row_id)
    assert (row.user_name, row.earlier_names) == ("ci-two", ["CI-One"])
    assert seen(sync(account)) == []


def test_a_namesake_with_a_new_id_is_told_whatever_its_spelling(
    simulator: Simulator, account: Account
) -> None:
    old = bare(simulator, "ci-one")
    sync(account)
    do(simulator, "DeleteUser", UserName="ci-one")
    new = bare(simulator, "CI-ONE")
    found = sync(account)
    assert new.id != old.id
    assert seen(found) == [
        "CI-ONE: it for the first time",
        f"CI-ONE: that it bears the name of another user, {old.id}",
    ]
    assert seen(sync(account)) == []


def test_who_takes_the_name_that_another_left_is_a_namesake(
    simulator: Simulator, account: Account
) -> None:
    old = bare(simulator, "ci-one")
    sync(account)
    do(simulator, "UpdateUser", UserName="ci-one", NewUserName="ci-two")
    bare(simulator, "ci-one")
    assert f"ci-one: that it bears the name of another user, {old.id}" in seen(sync(account))


def test_a_user_is_told_gone_when_that_is_proven_and_not_when_it_is_missing(
    simulator: Simulator, account: Account
) -> None:
    row_id = bare(simulator).id
    sync(account)
    do(simulator, "DeleteUser", UserName="ci-bare")
    assert seen(sync(account)) == []
    IamUser.objects.filter(user_id=row_id).update(gone_at=clock.now())
    assert seen(sync(account)) == ["ci-bare: it gone from AWS"]
    assert seen(sync(account)) == []


def test_a_new_root_key_is_told(simulator: Simulator, account: Account) -> None:
    sync(account)
    simulator.account.root.keys = [AccessKey("AKIAROOT", datetime(2019, 1, 1, tzinfo=UTC))]
    assert seen(sync(account)) == ["root: a new root key"]
    assert seen(sync(account)) == []


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("access-denied", "GetAccountAuthorizationDetails"),
        ("throttling", "ListAccessKeys"),
        ("access-denied", "ListMFADevices"),
        ("access-denied", "ListServiceSpecificCredentials"),
        ("access-denied", "GenerateCredentialReport"),
        ("access-denied", "GetAccessKeyLastUsed"),
    ],
)
def test_a_read_that_failed_is_no_change_neither_then_nor_when_it_works_again(
    simulator: Simulator, account: Account, kind: str, operation: str
) -> None:
    sync(account)
    simulator.faults.add(Fault(kind, operation, count=None))
    broken = sync(account)
    assert broken.error
    assert seen(broken) == []
    simulator.faults.clear()
    assert seen(sync(account)) == []


def test_a_change_behind_a_failed_read_is_told_with_the_whole_time_in_which_it_may_have_been(
    simulator: Simulator, account: Account
) -> None:
    name = bare(simulator).name
    before = sync(account)
    simulator.faults.add(Fault("access-denied", "GetAccountAuthorizationDetails", count=None))
    do(simulator, "AttachUserPolicy", UserName=name, PolicyArn=READ_ONLY)
    do(simulator, "CreateAccessKey", UserName=name)
    assert kinds(sync(account)) == ["key-made"]
    assert kinds(sync(account)) == []
    simulator.faults.clear()
    found = sync(account)
    assert kinds(found) == ["policy-attached", "privilege-rose"]
    assert set(found.observations.values_list("since_at", flat=True)) == {before.started_at}
    do(simulator, "DetachUserPolicy", UserName=name, PolicyArn=READ_ONLY)
    (gone,) = sync(account).observations.all()
    assert gone.since_at == found.started_at


def test_what_was_never_read_before_is_not_new_when_it_is_read_at_last(
    simulator: Simulator, account: Account
) -> None:
    simulator.faults.add(Fault("access-denied", "GetAccountAuthorizationDetails", count=None))
    simulator.faults.add(Fault("access-denied", "ListServiceSpecificCredentials", count=None))
    sync(account)
    simulator.faults.clear()
    assert seen(sync(account)) == []


def test_a_look_between_two_syncs_swallows_no_change(
    simulator: Simulator, account: Account
) -> None:
    name = bare(simulator).name
    sync(account)
    key = do(simulator, "CreateAccessKey", UserName=name)["AccessKey"]["AccessKeyId"]
    row = IamUser.objects.get(user_name=name)
    session = open_session(account, "reader")
    refresh.look_at_user(row, session, read_user(session, name))
    assert row.credentials.filter(credential_id=key).exists()
    assert seen(sync(account)) == [f"{name}: a new access key {key}"]


class Killed(BaseException):
    """What the end of a worker looks like from inside: nothing catches it."""


def killed_after(real: Callable[..., Any], step: str = "") -> Callable[..., Any]:
    """A step's last word is never said; without `step`, all was done but the sync's end."""

    def kill(*told: Any, **more: Any) -> Any:
        if step and step != told[1]:
            return real(*told, **more)
        if not step:
            real(*told, **more)
        raise Killed

    return kill


def work(of: Sync) -> None:
    """Workers, one after the other, until the sync is over or one of them is killed."""
    Sync.objects.filter(pk=of.pk).update(lease_until=None)
    while refresh.run_sync(of.pk):
        pass


def test_a_sync_whose_worker_is_killed_anywhere_tells_each_change_once(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = bare(simulator).name
    sync(account)
    do(simulator, "AttachUserPolicy", UserName=name, PolicyArn=READ_ONLY)
    do(simulator, "CreateAccessKey", UserName=name)
    bare(simulator, "ci-new")

    asked = refresh.ask_sync(account, None)
    for step in ("users", "credentials", "judge"):
        with monkeypatch.context() as patched:
            # All of the step is written, but not that it is done.
            patched.setattr(runs.Run, "finish", killed_after(runs.Run.finish, step))
            with pytest.raises(Killed):
                work(asked)
    with monkeypatch.context() as patched:
        patched.setattr(syncing, "observe", killed_after(observing.observe))
        with pytest.raises(Killed):
            work(asked)
    work(asked)
    asked.refresh_from_db()
    assert asked.status == Sync.Status.WHOLE
    assert kinds(asked) == ["appeared", "key-made", "policy-attached", "privilege-rose"]
    assert seen(sync(account)) == []


def test_hostile_names_and_tags_are_kept_as_they_are(
    simulator: Simulator, account: Account
) -> None:
    name = bare(simulator).name
    sync(account)
    tags = [{"Key": "{__class__}<b>", "Value": "</script>"}]
    do(simulator, "TagUser", UserName=name, Tags=tags)
    assert seen(sync(account)) == [f"{name}: its tags change: {{__class__}}<b>"]


def test_statements_do_not_grow_with_the_users_that_changed(
    simulator: Simulator, account: Account
) -> None:
    one = sync(account)
    for row in LastKnown.objects.exclude(user=None):
        row.parts["listing"]["path"] = "/before/"
        row.save()
    with CaptureQueriesContext(connection) as asked:
        assert observing.observe(one) == len(simulator.truth)
    assert len(asked) <= 14
