"""A sync says how the account meets the benchmark, and never passes what it could not read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from demo.aws.instances import Instance
from demo.aws.organizations import Member, Organization
from demo.aws.state import VirtualMfa
from demo.aws.trail_settings import TrailSetting
from inventory import clock, refresh
from inventory.aws import benchmark
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, Credential, IamUser, PostureDay, Sync
from inventory.posture import MOST_NAMED, PasswordPolicy, TrailFacts
from inventory.refresh import run as runs
from inventory.refresh.posture import read_posture
from inventory.signals import account_synced
from tests import cast
from tests.inventory.test_refresh import ROLE, do, step, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """`production` as it is declared, never read yet, with its break-glass user."""
    row = cast.account(
        reader_role=f"{ROLE}Reader",
        external_id="env:PRODUCTION_EXTERNAL_ID",
        enabled_regions=[],
        last_whole_at=None,
    )
    row.protected_entries.create(user_name="Break-Glass", kind="break-glass")
    return row


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


@pytest.fixture
def session(simulator: Simulator, account: Account) -> AwsSession:
    return open_session(account, "reader")


def items(account: Account, *, first: bool = False) -> dict[str, dict[str, Any]]:
    day = PostureDay.objects.filter(account=account, first=first).order_by("-day")[0]
    return {row["key"]: row for row in day.items}


def deny(simulator: Simulator, operation: str) -> None:
    simulator.faults.add(Fault("access-denied", operation, count=None))


def test_the_items_agree_with_the_rows(simulator: Simulator, account: Account) -> None:
    done = sync(account)
    assert (done.status, step(done, "posture")["status"]) == (Sync.Status.WHOLE, "done")
    found, users = items(account), IamUser.objects.all()
    console = users.filter(has_console_password=True)
    keys = Credential.objects.filter(kind="access-key", status="Active", gone_at=None)
    old = keys.filter(created_at__lt=clock.now() - timedelta(days=90))
    assert found["user-mfa"]["total"] == console.count()
    assert found["user-mfa"]["count"] == console.filter(mfa=[]).count()
    assert set(found["key-age"]["users"]) == set(old.values_list("user__user_id", flat=True))
    assert found["groups-only"]["total"] == len(simulator.truth)
    assert found["trail"]["status"] == found["trail-validation"]["status"] == "passed"
    assert (found["instance-roles"]["count"], found["instance-roles"]["total"]) == (1, 3)
    assert found["password-length"]["status"] == "failed"
    assert "not-looked-at" not in {row["status"] for row in found.values()}


def test_the_break_glass_user_is_counted_and_marked(simulator: Simulator, account: Account) -> None:
    sync(account)
    user = IamUser.objects.get(user_name="break-glass")
    found = items(account)
    assert user.user_id in found["no-full-admin"]["users"]
    assert found["no-full-admin"]["protected"] == 1


def test_the_first_whole_sync_stays_the_state_before(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = items(account, first=True)
    do(simulator, "UpdateAccountPasswordPolicy", MinimumPasswordLength=16)
    sync(account)
    assert items(account)["password-length"]["status"] == "passed"
    assert items(account, first=True) == before
    assert PostureDay.objects.count() == 2
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(days=1))
    sync(account)
    assert PostureDay.objects.filter(first=False).count() == 2
    assert items(account, first=True) == before


def test_what_could_not_be_read_is_not_passed_and_keeps_no_sync_from_being_whole(
    simulator: Simulator, account: Account
) -> None:
    for operation in ("GetAccountPasswordPolicy", "DescribeTrails", "DescribeInstances"):
        deny(simulator, operation)
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    found = items(account)
    unseen = {key for key, row in found.items() if row["status"] == "not-looked-at"}
    assert unseen == {
        "password-length",
        "password-reuse",
        "trail",
        "trail-validation",
        "instance-roles",
    }
    assert found["trail"]["why"].startswith("DescribeTrails: AccessDenied")
    assert "5 not looked at" in step(done, "posture")["detail"]
    simulator.faults.clear()
    sync(account)
    # What nobody could look at then is told by the first who could.
    assert items(account, first=True)["trail"]["status"] == "passed"


def test_root_that_could_not_be_read_is_not_passed_and_its_sync_begins_nothing(
    simulator: Simulator, account: Account
) -> None:
    deny(simulator, "GetAccountSummary")
    sync(account)
    unseen = {key for key, row in items(account).items() if row["status"] == "not-looked-at"}
    assert unseen == {"root-keys", "root-mfa", "root-hardware-mfa", "root-unused"}
    assert not PostureDay.objects.filter(first=True).exists()


def test_a_sync_that_was_not_whole_is_no_state_before(
    simulator: Simulator, account: Account
) -> None:
    deny(simulator, "ListAccessKeys")
    assert sync(account).status == Sync.Status.PARTIAL
    found = items(account)
    assert found["user-mfa"]["status"] == found["key-age"]["status"] == "not-looked-at"
    assert "ListAccessKeys" in found["key-age"]["why"]
    assert not PostureDay.objects.filter(first=True).exists()


def test_policies_that_could_not_be_read_pass_nobody(
    simulator: Simulator, account: Account
) -> None:
    deny(simulator, "GetAccountAuthorizationDetails")
    sync(account)
    found = items(account)
    assert found["groups-only"]["status"] == found["no-full-admin"]["status"] == "not-looked-at"


def test_our_own_fence_is_no_direct_permission(simulator: Simulator, account: Account) -> None:
    sync(account)
    before = items(account)["groups-only"]
    clean = IamUser.objects.exclude(user_id__in=before["users"])[0]
    do(simulator, "AttachUserPolicy", UserName=clean.user_name, PolicyArn=cast.FENCE)
    sync(account)
    clean.refresh_from_db()
    assert cast.FENCE in clean.attached_policies
    assert items(account)["groups-only"]["count"] == before["count"]


@pytest.mark.parametrize(
    ("trail", "expected"),
    [
        (TrailSetting("t", cast.ACCOUNT_ID), TrailFacts("t", True, True, True, True)),
        # Seen from the home Region as the shadow of a trail that lives elsewhere.
        (
            TrailSetting("t", cast.ACCOUNT_ID, home="eu-west-1", validates=False),
            TrailFacts("t", True, True, True, False),
        ),
        (
            TrailSetting("t", cast.ACCOUNT_ID, logging=False),
            TrailFacts("t", True, False, True, True),
        ),
        (
            TrailSetting("t", cast.ACCOUNT_ID, multi_region=False),
            TrailFacts("t", False, None, None, True),
        ),
        (
            TrailSetting("t", cast.ACCOUNT_ID, selectors=({"ReadWriteType": "WriteOnly"},)),
            TrailFacts("t", True, True, False, True),
        ),
        (
            TrailSetting(
                "t",
                cast.ACCOUNT_ID,
                advanced=(
                    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
                ),
            ),
            TrailFacts("t", True, True, True, True),
        ),
        (
            TrailSetting(
                "t",
                cast.ACCOUNT_ID,
                advanced=(
                    {
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "readOnly", "Equals": ["false"]},
                        ]
                    },
                ),
            ),
            TrailFacts("t", True, True, False, True),
        ),
        # The organization's: members see that it logs, and not what it selects.
        (
            TrailSetting("t", "999999999999", organization=True),
            TrailFacts("t", True, True, None, True),
        ),
    ],
)
def test_a_trail_is_read_where_it_lives(
    simulator: Simulator, session: AwsSession, trail: TrailSetting, expected: TrailFacts
) -> None:
    simulator.account.trails = [trail]
    assert benchmark.trails(session) == (expected,)


def test_instances_are_counted_in_every_region_and_page(
    simulator: Simulator, session: AwsSession
) -> None:
    simulator.account.instances = [
        *(Instance(f"i-{number}", "us-east-1", "runner") for number in range(12)),
        Instance("i-bare", "eu-west-1"),
        Instance("i-gone", "eu-west-1", state="terminated"),
    ]
    simulator.page_limit = 5
    found = benchmark.instances(session, ["us-east-1", "eu-west-1"])
    assert (found.total, found.without_role) == (13, 1)


def test_a_virtual_device_of_root_is_told_from_the_users(
    simulator: Simulator, session: AwsSession
) -> None:
    assert benchmark.root_has_virtual_mfa(session) is False
    serial = simulator.account.arn("mfa/root-account-mfa-device")
    simulator.account.virtual_mfa[serial] = VirtualMfa(serial, "root", clock.now())
    assert benchmark.root_has_virtual_mfa(session) is True


def test_no_password_policy_means_the_default_of_aws(
    simulator: Simulator, session: AwsSession
) -> None:
    assert benchmark.password_policy(session) == PasswordPolicy(8, 0)
    do(
        simulator,
        "UpdateAccountPasswordPolicy",
        MinimumPasswordLength=14,
        PasswordReusePrevention=24,
    )
    assert benchmark.password_policy(session) == PasswordPolicy(14, 24)


def _many(account: Account, asked: Sync, count: int) -> None:
    """Users of that sync with two keys each, as a listing left them."""
    now = clock.now()
    users = IamUser.objects.bulk_create(
        IamUser(
            account=account,
            user_id=f"AIDA{number:016d}",
            user_name=f"user-{number}",
            arn=f"arn:aws:iam::{account.account_id}:user/user-{number}",
            created_at=now - timedelta(days=900),
            first_seen_at=now,
            last_seen_at=now,
            has_console_password=True,
            attached_policies=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            coverage={"sync": asked.pk, "gaps": {}},
        )
        for number in range(count)
    )
    Credential.objects.bulk_create(
        Credential(
            user=user,
            kind="access-key",
            credential_id=f"{user.user_id}{slot}",
            status="Active",
            created_at=now - timedelta(days=900),
        )
        for user in users
        for slot in range(2)
    )


@pytest.mark.parametrize("count", [3, 1000])
def test_the_statements_are_as_many_for_many_users(
    simulator: Simulator, account: Account, django_assert_max_num_queries: Any, count: int
) -> None:
    asked = refresh.ask_sync(account, None)
    run = runs.claim(asked.pk)
    assert run is not None
    run.session = open_session(account, "reader")
    run.sync.changes["full_admin"] = {"policies": [], "groups": []}
    _many(account, asked, count)

    with django_assert_max_num_queries(16):
        assert read_posture(run)

    found = items(account)
    assert found["one-key"]["count"] == found["groups-only"]["count"] == count
    assert len(found["one-key"]["users"]) == min(count, MOST_NAMED)


def test_any_account_of_an_organization_tells_which_one_manages_it(
    simulator: Simulator, account: Account
) -> None:
    manager = cast.account("210987654321", "management")
    members = [Member(account.account_id, "production")]

    def told() -> list[str]:
        asked = refresh.ask_sync(account, None)
        run = runs.claim(asked.pk)
        assert run is not None
        run.session = open_session(account, "reader")
        assert read_posture(run)
        asked.delete()
        account.refresh_from_db()
        managing = Account.objects.filter(manages_organization=True)
        return [row.name for row in managing]

    # In no organization.
    assert told() == []
    simulator.organization = Organization(manager.account_id, members)
    assert told() == ["management"]
    # What is refused changes nothing.
    deny(simulator, "DescribeOrganization")
    assert told() == ["management"]
    simulator.faults.clear()
    simulator.organization = Organization(account.account_id, members)
    assert told() == ["management", "production"]
    simulator.organization = Organization("999999999999", members)
    assert told() == ["management"]
