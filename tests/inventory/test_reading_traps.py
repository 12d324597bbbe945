"""The traps of AWS_FACTS.md section 10 that concern reading, each against the simulated account.

Where each of the 24 is held off, beside the test here:

 1 keyed by name              here; refused again before each write: tests/migrations_app
 2 partition                  here
 3 no events is not unused    here; longer history and doubt: inventory/refresh/trail.py
 4 sessions, failed sign-ins  here; our own calls in the watch: tests/migrations_app/test_hits.py
 5 N/A region                 here
 6 a report shown as now      here
 7 pages                      here; LookupEvents' tokens: tests/inventory/aws/test_cloudtrail.py
 8 more than slots            here
 9 password deleted early     writing: lifecycle, DESIGN.md section 3
10 re-activated keys          writing: tests/migrations_app/test_restoring.py
11 MFA kinds                  here, as far as it is reading; deleting: migrations_app/aws.py
12 "deleted" without proof    writing: tests/migrations_app/test_running.py
13 eventual consistency       here, for listings that lag; after a delete: writing
14 declared in code           here, by tags; by CreateUser events: inventory/refresh/trail.py
15 made by a service          here, that they are read and in use; who owns them: judgement
16 named in policies          inventory/rights, tests/inventory/rights
17 rare rhythms               here
18 the product's own user     tests/inventory/aws/test_identity.py and the guards
19 hostile names and tags     here; CSV: tests/inventory/test_exports.py
20 a shared limit             here, that a throttled look is no answer; pacing: test_limiter.py
21 job and role session       here
22 time                       here
23 root                       here
24 opt-in Regions             here
"""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from demo.aws import quirks
from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.estate import RUNNER_ROLE
from demo.aws.state import ServiceCredential
from inventory import clock
from inventory.aws import credential_report, holdings, last_accessed
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import open_session, region_for
from inventory.exports import defused
from inventory.models import Account, Credential, IamUser, Sync, TrailCoverage
from inventory.reads import REPORT, read_at
from inventory.signals import account_synced
from tests.inventory.syncs import do, fault, move, production, recreate, row, step, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


def test_trap_01_a_user_of_the_same_name_in_another_case_is_another_user(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    old = row("admin2")
    keys = set(old.credentials.values_list("credential_id", flat=True))
    act(simulator, {"act": "delete-in-console", "user": "admin2"})
    do(simulator, "CreateUser", UserName="ADMIN2")
    done = sync(account)
    new = row("ADMIN2")
    assert new.user_id != old.user_id
    assert done.changes["namesakes"] == [new.pk]
    assert done.changes["missing"] == [old.pk]
    # The old one is missing, and not yet gone: that takes proof.
    assert set(row("admin2").credentials.values_list("credential_id", flat=True)) == keys
    assert not new.credentials.exists()


def test_trap_02_arns_are_taken_as_aws_gives_them_in_every_partition(
    simulator: Simulator, account: Account
) -> None:
    do(simulator, "CreateUser", UserName="deep", Path="/people/emea/")
    simulator.account.user("deep").arn = "arn:aws-cn:iam::123456789012:user/people/emea/deep"
    sync(account)
    deep = row("deep")
    assert deep.arn == "arn:aws-cn:iam::123456789012:user/people/emea/deep"
    assert deep.coverage["report"]["mfa"] is False
    assert region_for("aws-cn") == "cn-north-1"
    assert region_for("aws-us-gov") == "us-gov-west-1"


def test_trap_03_no_events_is_not_unused(simulator: Simulator, account: Account) -> None:
    sync(account)
    # Data plane only: no event in any Region, and in use.
    lena = row("lena.koch")
    assert (lena.verdict, lena.activity.count()) == ("active", 0)
    # One Region that refused: what it hides is not silence.
    fault(simulator, "access-denied", "LookupEvents", region="us-west-2")
    sync(account)
    marta = row("marta.ruiz")
    assert marta.verdict == "unknown"
    assert any("us-west-2" in text for text in marta.coverage["missing"])
    assert {look["region"] for look in marta.coverage["regions"]} == set(account.enabled_regions)


def test_trap_04_a_role_session_of_that_name_and_a_failed_sign_in_are_no_use(
    simulator: Simulator, account: Account
) -> None:
    act(simulator, {"act": "session", "role": RUNNER_ROLE, "session": "tom.baker"})
    act(simulator, {"act": "failed-sign-in", "user": "tom.baker"})
    move(minutes=20)
    sync(account)
    tom = row("tom.baker")
    assert tom.verdict == "dormant"
    assert set(tom.activity.values_list("outcome", flat=True)) == {"failed-sign-in"}
    act(simulator, {"act": "sign-in", "user": "tom.baker"})
    move(minutes=20)
    sync(account)
    assert row("tom.baker").verdict == "active"


def test_trap_05_a_key_used_without_a_region_was_used(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    key = row("lena.koch").credentials.get()
    assert (key.last_used_service, key.last_used_region) == ("s3", "")
    assert key.last_used_at is not None
    # The report spells it N/A as well, and an unused password no_information.
    slot = row("lena.koch").coverage["report"]["keys"][0]
    assert (slot["service"], slot["region"]) == ("s3", "")
    assert slot["last_used_at"] is not None
    assert row("p.lang").password_last_used_at is None
    assert row("p.lang").verdict == "never-used"


def test_trap_06_a_cached_report_bears_its_own_time_and_proves_no_change(
    simulator: Simulator, account: Account
) -> None:
    made_at = sync(account).report_generated_at
    assert made_at is not None
    do(simulator, "DeleteLoginProfile", UserName="marta.ruiz")
    move(hours=3)
    again = sync(account)
    assert again.report_generated_at == made_at
    marta = row("marta.ruiz")
    assert read_at(marta, REPORT) == made_at
    # The report still shows the password; live reads decide.
    assert marta.coverage["report"]["password"] is True
    assert not marta.has_console_password
    assert marta.evidence_at is not None
    assert marta.evidence_at > made_at


def test_trap_07_every_listing_is_read_to_its_end_or_not_believed(
    simulator: Simulator, account: Account
) -> None:
    user = simulator.account.user("admin2")
    stage = quirks.Stage(simulator.account, 7, simulator.born_at)
    for _ in range(7):
        quirks.add_key(stage, user, user.created_at)
    for name in ("bedrock.amazonaws.com", "logs.amazonaws.com"):
        do(simulator, "CreateServiceSpecificCredential", UserName="admin2", ServiceName=name)
    fault(simulator, "short-pages", "*", size=1)
    assert sync(account).status == Sync.Status.WHOLE
    assert IamUser.objects.count() == len(simulator.truth)
    assert row("admin2").credentials.filter(kind="access-key").count() == len(user.keys) == 8
    assert row("admin2").credentials.filter(kind="service-specific").count() == 2
    # The last page does not come: nothing changes.
    before = list(Credential.objects.order_by("pk").values())
    fault(simulator, "error", "ListAccessKeys", skip=3, match={"UserName": "admin2"})
    assert sync(account).status == Sync.Status.PARTIAL
    assert list(Credential.objects.order_by("pk").values()) == before


def test_trap_08_credentials_beyond_slots_and_of_every_service_are_seen(
    simulator: Simulator, account: Account
) -> None:
    user = simulator.account.user("admin2")
    stage = quirks.Stage(simulator.account, 7, simulator.born_at)
    for number, status in enumerate(("Active", "Expired", "Inactive")):
        quirks.add_key(stage, user, user.created_at + timedelta(seconds=number + 1), status)
    for service in ("bedrock.amazonaws.com", "aws-external-anthropic.amazonaws.com"):
        made = ServiceCredential(f"ACCA{service[:7].upper()}", service, "x", user.created_at)
        user.service_credentials[made.id] = made
    quirks.HOLDINGS["ssh-keys"](stage, user)
    quirks.HOLDINGS["certificates"](stage, user)
    sync(account)
    found = row("admin2").credentials.values_list("credential_id", "status")
    keys = {one.id: one.status for one in user.keys.values()}
    others = {one.id: one.status for one in user.service_credentials.values()}
    uploads = [*user.ssh_keys.values(), *user.certificates.values()]
    assert dict(found) == keys | others | {one.id: one.status for one in uploads}
    # The report has two slots and a number; it says so, and decides nothing.
    assert row("admin2").coverage["report"]["more"] == "2"


def test_trap_11_what_an_mfa_device_is_shows_in_its_serial_and_not_in_being_an_arn(
    simulator: Simulator, account: Account
) -> None:
    user = simulator.account.user("admin2")
    stage = quirks.Stage(simulator.account, 7, simulator.born_at)
    quirks.add_virtual(stage, user)
    quirks.add_fido(stage, user, "laptop")
    quirks.HOLDINGS["hardware-mfa"](stage, user)
    sync(account)
    kinds = {one["serial"]: one["kind"] for one in row("admin2").mfa}
    assert len(kinds) == 3
    assert all(kinds[serial] == "virtual" for serial in kinds if ":mfa/" in serial)
    assert all(kinds[serial] == "fido" for serial in kinds if ":u2f/" in serial)
    assert [kind for serial, kind in kinds.items() if ":" not in serial] == ["hardware"]


def test_trap_13_a_listing_that_lags_behind_brings_nobody_back(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    gone = row("admin2")
    gone_at = clock.now()
    IamUser.objects.filter(pk=gone.pk).update(gone_at=gone_at)
    # It is listed still, and its reads still answer.
    sync(account)
    gone.refresh_from_db()
    assert gone.gone_at == gone_at
    assert not account.users.filter(user_name="admin2", gone_at=None).exists()


def test_trap_14_a_user_declared_in_code_is_flagged_as_coming_back(
    simulator: Simulator, account: Account
) -> None:
    do(
        simulator,
        "TagUser",
        UserName="admin2",
        Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "legacy"}],
    )
    sync(account)
    assert "cloudformation" in {one["kind"] for one in row("admin2").references}
    # Made again by the next apply: a new user id, never the old row.
    old = row("admin2")
    recreate(simulator, "admin2")
    done = sync(account)
    assert done.changes["missing"] == [old.pk]
    assert len(done.changes["namesakes"]) == 1


def test_trap_15_users_that_a_service_made_are_read_like_all_others(
    simulator: Simulator, account: Account
) -> None:
    for name in ("ses-smtp-user.20230114-101500", "BedrockAPIKey-x7k2"):
        do(simulator, "CreateUser", UserName=name)
    do(simulator, "CreateAccessKey", UserName="ses-smtp-user.20230114-101500")
    do(
        simulator,
        "CreateServiceSpecificCredential",
        UserName="BedrockAPIKey-x7k2",
        ServiceName="bedrock.amazonaws.com",
    )
    move(days=200)
    act(simulator, {"act": "data", "user": "ses-smtp-user.20230114-101500", "service": "ses"})
    sync(account)
    assert row("ses-smtp-user.20230114-101500").verdict == "active"
    bedrock = row("BedrockAPIKey-x7k2")
    assert bedrock.credentials.get().service == "bedrock.amazonaws.com"
    # AWS records the use of its one credential nowhere; Access Advisor was asked for it.
    assert "services" in bedrock.coverage


def test_trap_17_a_quarterly_job_is_in_use_between_its_runs(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    job = row("fin-quarter-close")
    assert job.verdict == "active"
    assert job.last_activity_at is not None
    assert job.last_activity_at < clock.now() - timedelta(days=30)


def test_trap_19_hostile_names_and_tags_are_kept_as_they_are_and_defused_where_shown(
    simulator: Simulator, account: Account
) -> None:
    hostile = {"=cmd|' /C calc'!A0": "+1+1", "note": "<script>alert(1)</script>"}
    for name in ("=2+5", "+1", "-x", "@sum"):
        do(
            simulator,
            "CreateUser",
            UserName=name,
            Tags=[{"Key": key, "Value": value} for key, value in hostile.items()],
        )
    assert sync(account).status == Sync.Status.WHOLE
    for name in ("=2+5", "+1", "-x", "@sum"):
        assert row(name).tags == hostile
        assert not defused(name).startswith(("=", "+", "-", "@"))


def test_trap_20_a_throttled_look_is_no_answer(simulator: Simulator, account: Account) -> None:
    sync(account)
    fault(simulator, "throttling", "LookupEvents")
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    assert "LookupEvents" in step(done, "trail")["detail"]
    assert row("marta.ruiz").verdict == "unknown"
    # What was read before stays, and says until when.
    assert TrailCoverage.objects.exclude(read_to=None).exists()


def test_trap_21_a_job_of_access_advisor_is_read_by_the_session_that_began_it(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    limiter = Limiter.for_last_accessed(account)
    arn = row("admin2").arn
    for _ in range(2):
        # Each time the role is assumed anew: its session name must be the same.
        told = last_accessed.read_many(open_session(account, "reader"), [arn], limiter)
        assert not isinstance(told[arn], AwsFailure)
    sessions = {
        note["session"]
        for note in simulator.calls
        if note["operation"].endswith("ServiceLastAccessedDetails")
    }
    assert sessions == {"iam-cleanup-reader"}


def test_trap_22_times_are_aware_and_in_utc(simulator: Simulator, account: Account) -> None:
    sync(account)
    admin = row("admin2")
    for at in (admin.created_at, admin.credentials.get().created_at, admin.evidence_at):
        assert at is not None
        assert at.utcoffset() == timedelta(0)
    naive = (
        b"user,arn,user_creation_time,password_enabled\n"
        b"a,arn:aws:iam::123456789012:user/a,2025-01-01T00:00:00,true"
    )
    with pytest.raises(AwsFailure, match="has no zone"):
        credential_report.parse(naive, clock.now())
    elsewhere = naive.replace(b"00:00:00", b"05:00:00+05:00")
    (found,) = credential_report.parse(elsewhere, clock.now()).users.values()
    assert found.created_at is not None
    assert (found.created_at.hour, found.created_at.tzinfo) == (0, UTC)


def test_trap_23_root_is_no_user(simulator: Simulator, account: Account) -> None:
    simulator.account.root.mfa = False
    sync(account)
    assert IamUser.objects.count() == len(simulator.truth)
    assert not IamUser.objects.filter(arn__endswith=":root").exists()
    assert account.root_facts["mfa_active"] is False
    with pytest.raises(AwsFailure, match="NoSuchEntity"):
        holdings.get_user(open_session(account, "reader"), "<root_account>")


def test_trap_24_a_region_that_is_not_enabled_is_not_looked_at_rather_than_silent(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inventory.aws import regions

    # AWS lists it as enabled, and it is not yet: calls there fail at authentication.
    enabled = (*simulator.regions, "ap-east-1")
    monkeypatch.setattr(regions, "enabled", lambda session: enabled)
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    marta = row("marta.ruiz")
    assert marta.verdict == "unknown"
    assert any("ap-east-1" in text for text in marta.coverage["missing"])
    # The other Regions were read all the same.
    looks = {look["region"]: look["error"] for look in marta.coverage["regions"]}
    assert {name for name, error in looks.items() if not error} == set(simulator.regions)
