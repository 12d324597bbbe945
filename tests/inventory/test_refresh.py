"""A sync makes rows of what AWS says, and nothing of what AWS did not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.faults import Fault
from inventory import clock, refresh
from inventory.aws.holdings import read_user
from inventory.aws.session import open_session
from inventory.models import Account, Activity, Alert, Credential, IamUser, Role, Sync
from inventory.refresh import activity
from inventory.refresh import run as runs
from inventory.refusals import NotAllowed
from inventory.signals import account_synced
from tests import cast
from tests.inventory.syncs import production

pytestmark = pytest.mark.django_db
ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"


@pytest.fixture
def account() -> Account:
    """`production` as it is declared, never read yet."""
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


@pytest.fixture
def told(_facts_alone: None) -> Iterator[list[dict[str, Any]]]:
    """What each sync told its listeners."""
    heard: list[dict[str, Any]] = []

    def listen(sender: object, **said: Any) -> None:
        heard.append(said)

    account_synced.connect(listen)
    yield heard
    account_synced.disconnect(listen)


def sync(account: Account) -> Sync:
    """A sync of `account` from asking to its end."""
    asked = refresh.ask_sync(account, None)
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def fault(simulator: Simulator, kind: str, operation: str, **how: Any) -> None:
    simulator.faults.add(Fault(kind, operation, count=None, **how))


def do(simulator: Simulator, operation: str, **params: Any) -> None:
    act(simulator, {"act": "api", "operation": operation, "params": params})


def verdicts() -> dict[str, str]:
    return dict(IamUser.objects.values_list("user_name", "verdict"))


def step(of: Sync, key: str) -> dict[str, Any]:
    return next(one for one in of.steps if one["key"] == key)


def test_a_whole_sync_makes_one_row_of_each_user_and_none_of_root(
    simulator: Simulator, account: Account
) -> None:
    done = sync(account)
    assert (done.status, done.error) == (Sync.Status.WHOLE, "")
    assert set(verdicts()) == {truth["user_name"] for truth in simulator.truth}
    account.refresh_from_db()
    assert account.root_facts["mfa_active"] is True
    assert account.last_whole_at == done.started_at
    assert len(account.enabled_regions) == 4


def test_each_source_that_was_read_says_when(simulator: Simulator, account: Account) -> None:
    done = sync(account)
    ended = {one["key"] for one in done.steps if one["status"] == "done"}
    dated = {one["key"] for one in done.steps if "read_at" in one}
    assert ended == dated != set()
    assert datetime.fromisoformat(step(done, "trail")["read_at"]) <= clock.now()


def test_verdicts_agree_with_the_truth(simulator: Simulator, account: Account) -> None:
    sync(account)
    expected = {"young": "unknown", "break-glass": "active"}
    truth = {
        one["user_name"]: expected.get(one["status"], one["status"]) for one in simulator.truth
    }
    assert verdicts() == truth


def test_dormant_and_never_used_users_were_looked_at_whole(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    may_be_fenced = IamUser.objects.filter(verdict__in=["dormant", "never-used"])
    assert may_be_fenced.exists()
    assert not may_be_fenced.exclude(coverage_whole=True).exists()
    assert not may_be_fenced.filter(evidence_at=None).exists()


def test_a_second_sync_counts_nothing_twice(simulator: Simulator, account: Account) -> None:
    sync(account)
    before = list(Activity.objects.order_by("pk").values_list("pk", "count"))
    keys = Credential.objects.count()
    sync(account)
    assert before
    assert list(Activity.objects.order_by("pk").values_list("pk", "count")) == before
    assert Credential.objects.count() == keys


def test_a_sync_in_the_smallest_slices_ends_the_same(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    at_once = verdicts()
    IamUser.objects.all().delete()
    monkeypatch.setattr(runs, "SLICE_SECONDS", 0.0)
    assert sync(account).status == Sync.Status.WHOLE
    assert verdicts() == at_once


def test_a_worker_that_was_killed_is_followed_by_another_when_its_lease_ends(
    simulator: Simulator, account: Account
) -> None:
    asked = refresh.ask_sync(account, None)
    assert runs.claim(asked.pk) is not None
    assert refresh.run_sync(asked.pk) is False
    assert asked.pk not in refresh.due_syncs()
    Sync.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
    assert refresh.due_syncs() == [asked.pk]
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    assert asked.status == Sync.Status.WHOLE


def test_a_worker_whose_lease_was_taken_writes_no_more(account: Account) -> None:
    asked = refresh.ask_sync(account, None)
    first = runs.claim(asked.pk)
    assert first is not None
    Sync.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
    assert runs.claim(asked.pk) is not None
    with pytest.raises(runs.LostLease):
        first.finish("report", "late")


def test_a_sync_that_kills_its_workers_is_given_up(account: Account) -> None:
    asked = refresh.ask_sync(account, None)
    for _ in range(7):
        Sync.objects.update(lease_until=None)
        runs.claim(asked.pk)
    asked.refresh_from_db()
    assert asked.status == Sync.Status.FAILED
    assert "stopped 6 times" in asked.error


def test_asking_twice_gives_the_open_sync(account: Account) -> None:
    jonas = cast.person("jonas", "Jonas Weber", [Role.ENGINEER])
    first = refresh.ask_sync(account, jonas)
    assert refresh.ask_sync(account, jonas) == first


def test_a_viewer_asks_for_no_sync(account: Account) -> None:
    vera = cast.person("vera", "Vera Nowak", [Role.VIEWER])
    with pytest.raises(NotAllowed):
        refresh.ask_sync(account, vera)


def test_an_account_is_due_again_after_six_hours(simulator: Simulator, account: Account) -> None:
    sync(account)
    assert refresh.due_syncs() == []
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(hours=6))
    assert len(refresh.due_syncs()) == 1


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"reader_role": f"{ROLE}Nobody"}, "AssumeRole: AccessDenied"),
        ({"external_id": "not-the-right-one"}, "AssumeRole: AccessDenied"),
        ({"external_id": "env:NOWHERE"}, "NOWHERE"),
        ({"account_id": "210987654321"}, "belong to account 123456789012"),
    ],
)
def test_a_wrong_declaration_fails_in_clear_words_and_changes_nothing(
    simulator: Simulator, account: Account, declared: dict[str, str], words: str
) -> None:
    Account.objects.filter(pk=account.pk).update(**declared)
    account.refresh_from_db()
    done = sync(account)
    assert done.status == Sync.Status.FAILED
    assert words in done.error
    assert not IamUser.objects.exists()


@pytest.mark.parametrize("kind", ["throttling", "access-denied", "error"])
def test_a_listing_that_was_not_whole_changes_nothing(
    simulator: Simulator, account: Account, kind: str
) -> None:
    sync(account)
    before = list(IamUser.objects.order_by("pk").values())
    simulator.page_limit = 10
    # The second page does not come.
    fault(simulator, kind, "ListUsers", skip=1)
    done = sync(account)
    assert done.status == Sync.Status.FAILED
    assert done.error.startswith("ListUsers:")
    assert list(IamUser.objects.order_by("pk").values()) == before


def test_short_pages_are_followed_to_their_end(simulator: Simulator, account: Account) -> None:
    fault(simulator, "short-pages", "*", size=3)
    assert sync(account).status == Sync.Status.WHOLE
    assert IamUser.objects.count() == len(simulator.truth)


def _lose(simulator: Simulator, count: int) -> list[str]:
    """That many users are gone from the account, as if AWS forgot to list them."""
    lost = [name for name in sorted(simulator.account.users) if name != "break-glass"][:count]
    return [simulator.account.users.pop(name).id for name in lost]


@pytest.mark.parametrize("count", [5, 23])
def test_a_listing_that_lost_too_many_changes_nothing_and_alarms(
    simulator: Simulator, account: Account, told: list[dict[str, Any]], count: int
) -> None:
    sync(account)
    before = list(IamUser.objects.order_by("pk").values())
    _lose(simulator, count)
    told.clear()
    done = sync(account)
    account.refresh_from_db()
    assert done.status == Sync.Status.FAILED
    assert "should exist" in account.hold_reason
    assert account.hold_since is not None
    assert Alert.objects.filter(kind="listing", closed_at=None).count() == 1
    assert list(IamUser.objects.order_by("pk").values()) == before
    assert told == []


def test_an_engineer_may_accept_that_very_listing(
    simulator: Simulator, account: Account, told: list[dict[str, Any]]
) -> None:
    sync(account)
    _lose(simulator, 5)
    sync(account)
    account.refresh_from_db()
    digest = account.hold_reason.partition("(listing ")[2].rstrip(")")
    jonas = cast.person("jonas", "Jonas Weber", [Role.ENGINEER])
    refresh.accept_listing(account, jonas, digest)
    assert sync(account).status == Sync.Status.WHOLE
    account.refresh_from_db()
    assert account.hold_reason == ""
    assert not Alert.objects.filter(closed_at=None, kind="listing").exists()
    assert len(told[-1]["missing"]) == 5


def test_accepting_one_listing_accepts_no_other(simulator: Simulator, account: Account) -> None:
    sync(account)
    _lose(simulator, 5)
    sync(account)
    account.refresh_from_db()
    digest = account.hold_reason.partition("(listing ")[2].rstrip(")")
    refresh.accept_listing(account, cast.person("jonas", "J", [Role.ENGINEER]), digest)
    _lose(simulator, 1)
    assert sync(account).status == Sync.Status.FAILED


def test_a_few_missing_users_are_told_and_not_called_gone(
    simulator: Simulator, account: Account, told: list[dict[str, Any]]
) -> None:
    sync(account)
    (lost,) = _lose(simulator, 1)
    assert sync(account).status == Sync.Status.WHOLE
    row = IamUser.objects.get(user_id=lost)
    assert row.gone_at is None
    assert told[-1]["missing"] == [row.pk]


def test_a_namesake_is_another_user(
    simulator: Simulator, account: Account, told: list[dict[str, Any]]
) -> None:
    sync(account)
    old = IamUser.objects.exclude(user_name="break-glass").first()
    assert old is not None
    del simulator.account.users[old.user_name]
    do(simulator, "CreateUser", UserName=old.user_name)
    sync(account)
    pair = IamUser.objects.filter(user_name=old.user_name)
    assert pair.count() == 2
    assert told[-1]["missing"] == [old.pk]
    assert told[-1]["changes"]["namesakes"] == [pair.exclude(pk=old.pk).get().pk]


def test_a_renamed_user_stays_the_same_row(
    simulator: Simulator, account: Account, told: list[dict[str, Any]]
) -> None:
    sync(account)
    row = IamUser.objects.exclude(user_name="break-glass").first()
    assert row is not None
    do(simulator, "UpdateUser", UserName=row.user_name, NewUserName="renamed")
    sync(account)
    row.refresh_from_db()
    assert row.user_name == "renamed"
    assert told[-1]["changes"]["renamed"] == [row.pk]
    assert told[-1]["missing"] == []


def test_a_new_key_and_a_reactivated_one_are_told(
    simulator: Simulator, account: Account, told: list[dict[str, Any]]
) -> None:
    sync(account)
    key = Credential.objects.filter(kind="access-key", status="Active").select_related("user")[0]
    name = key.user.user_name
    do(
        simulator,
        "UpdateAccessKey",
        UserName=name,
        AccessKeyId=key.credential_id,
        Status="Inactive",
    )
    sync(account)
    do(simulator, "UpdateAccessKey", UserName=name, AccessKeyId=key.credential_id, Status="Active")
    do(simulator, "CreateAccessKey", UserName="break-glass")
    sync(account)
    changes = told[-1]["changes"]
    assert changes["reactivated"] == [key.pk]
    new = Credential.objects.get(pk__in=changes["new_keys"])
    assert new.user.user_name == "break-glass"


def test_a_denied_region_leaves_the_quiet_unknown_and_the_used_active(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    quiet = {name for name, value in verdicts().items() if value in ("dormant", "never-used")}
    fault(simulator, "access-denied", "LookupEvents", region="eu-west-1")
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    assert "eu-west-1" in done.error
    assert {verdicts()[name] for name in quiet} == {"unknown"}
    row = IamUser.objects.get(user_name=min(quiet))
    assert any("eu-west-1" in text for text in row.coverage["missing"])
    assert not row.coverage_whole
    assert "active" in verdicts().values()


def test_a_region_that_refused_is_asked_once_and_not_for_each_user(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "access-denied", "LookupEvents", region="eu-west-1")
    sync(account)
    asked = [
        note
        for note in simulator.calls
        if note["operation"] == "LookupEvents" and note.get("region") == "eu-west-1"
    ]
    assert len(asked) <= 2


def test_one_user_whose_keys_could_not_be_read_is_unknown_and_hides_nobody(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = verdicts()
    name = min(name for name, value in before.items() if value == "dormant")
    fault(simulator, "throttling", "ListAccessKeys", match={"UserName": name})
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    assert verdicts() == before | {name: "unknown"}
    row = IamUser.objects.get(user_name=name)
    assert "ListAccessKeys: Throttling" in row.coverage["missing"][0]
    simulator.faults.clear()
    sync(account)
    assert verdicts() == before


def test_denied_service_credentials_leave_nobody_dormant(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "access-denied", "ListServiceSpecificCredentials")
    assert sync(account).status == Sync.Status.PARTIAL
    assert set(verdicts().values()) == {"active", "unknown"}


def test_a_malformed_report_is_told_and_the_live_reads_judge(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.aws import report

    monkeypatch.setattr(report, "COLUMNS", ["nothing", *report.COLUMNS[1:]])
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert "The credential report cannot be read" in step(done, "report")["detail"]
    assert "dormant" in verdicts().values()


def test_a_denied_report_does_not_stop_the_others(simulator: Simulator, account: Account) -> None:
    fault(simulator, "access-denied", "GenerateCredentialReport")
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert "GenerateCredentialReport: AccessDenied" in done.error
    assert step(done, "judge")["status"] == "done"


def test_without_regions_nobody_is_called_dormant(simulator: Simulator, account: Account) -> None:
    fault(simulator, "access-denied", "DescribeRegions")
    assert sync(account).status == Sync.Status.PARTIAL
    assert not {"dormant", "never-used"} & set(verdicts().values())


def test_a_failed_sync_keeps_what_was_known(simulator: Simulator, account: Account) -> None:
    sync(account)
    before = verdicts()
    fault(simulator, "access-denied", "AssumeRole")
    assert sync(account).status == Sync.Status.FAILED
    assert verdicts() == before


def test_federated_sign_ins_and_admins_in_use_are_noted(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    account.refresh_from_db()
    assert account.federated_sign_in_at is not None
    assert account.admin_seen_at is not None


def _quiet_user(account: Account) -> IamUser:
    row = (
        IamUser.objects.filter(verdict="dormant", credentials__status="Active")
        .filter(credentials__kind="access-key")
        .order_by("user_name")
        .first()
    )
    assert row is not None
    return row


def test_listening_gives_each_event_once(simulator: Simulator, account: Account) -> None:
    sync(account)
    row = _quiet_user(account)
    session = open_session(row.account, "reader")
    assert refresh.listen_user(row, session, clock.now()) == []
    act(simulator, {"act": "call", "user": row.user_name})
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(minutes=20))
    heard = refresh.listen_user(row, session, clock.now())
    assert [event.principal_id for event in heard] == [row.user_id]
    assert refresh.listen_user(row, session, clock.now()) == []


def test_listening_reaches_to_now_in_every_region(simulator: Simulator, account: Account) -> None:
    sync(account)
    row = _quiet_user(account)
    until = clock.now()
    refresh.listen_user(row, open_session(row.account, "reader"), until)
    assert refresh.listened_to(row) == until
    assert refresh.listened_to(row, since=until - timedelta(days=80)) == until
    assert refresh.listened_to(row, since=until - timedelta(days=100)) is None


def test_a_region_that_could_not_be_heard_is_a_gap(simulator: Simulator, account: Account) -> None:
    sync(account)
    row = _quiet_user(account)
    fault(simulator, "access-denied", "LookupEvents", region="us-west-2")
    refresh.listen_user(row, open_session(row.account, "reader"), clock.now())
    assert refresh.listened_to(row) is None
    simulator.faults.clear()
    until = clock.now()
    refresh.listen_user(row, open_session(row.account, "reader"), until)
    assert refresh.listened_to(row) == until


def test_a_user_never_listened_to_was_not_listened_to(account: Account) -> None:
    assert refresh.listened_to(cast.iam_user("ci-new", account)) is None


def test_a_new_look_finds_what_a_dormant_user_did_since(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    row = _quiet_user(account)
    act(simulator, {"act": "call", "user": row.user_name})
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(minutes=20))
    session = open_session(row.account, "reader")
    assert refresh.look_at_user(row, session, read_user(session, row.user_name))
    assert row.verdict == "active"


def test_a_look_that_was_refused_is_not_whole(simulator: Simulator, account: Account) -> None:
    sync(account)
    row = _quiet_user(account)
    session = open_session(row.account, "reader")
    holdings = read_user(session, row.user_name)
    fault(simulator, "access-denied", "GetAccessKeyLastUsed")
    assert not refresh.look_at_user(row, session, holdings)
    assert row.verdict == "unknown"


def test_a_narrowed_declaration_still_asks_the_home_region(account: Account) -> None:
    account.regions = ["eu-west-1"]
    account.enabled_regions = ["eu-west-1", "sa-east-1", "us-east-1"]
    assert activity.regions_of(account) == ["eu-west-1", "us-east-1"]


def test_the_command_waits_and_shows_progress(
    simulator: Simulator, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("refresh", "--wait", account=account.account_id)
    assert "production (123456789012): read whole." in capsys.readouterr().out


def test_the_command_fails_with_the_reason(simulator: Simulator, account: Account) -> None:
    fault(simulator, "access-denied", "LookupEvents", region="eu-west-1")
    with pytest.raises(CommandError, match="eu-west-1"):
        call_command("refresh", "--wait")


def test_the_command_knows_only_declared_accounts(db: None) -> None:
    with pytest.raises(CommandError, match="no account 999999999999 here"):
        call_command("refresh", account="999999999999")
