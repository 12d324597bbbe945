"""Service last accessed: who is asked when, and what an answer, none or a refusal may change."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.faults import Fault
from inventory import clock, refresh
from inventory.aws import last_accessed
from inventory.aws.session import open_session
from inventory.models import Account, Activity, IamUser
from inventory.refresh import run as runs
from inventory.refresh import services
from inventory.refresh.listing import read_users
from inventory.refresh.run import Run
from inventory.refresh.services import read_services
from tests import cast

pytestmark = pytest.mark.django_db
ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"
FENCE = "arn:aws:iam::aws:policy/AWSDenyAll"


@pytest.fixture
def account() -> Account:
    return cast.account(
        reader_role=f"{ROLE}Reader", external_id="env:PRODUCTION_EXTERNAL_ID", enabled_regions=[]
    )


def listed(account: Account) -> Run:
    """A sync whose users are listed; nothing else was read, so nobody was seen in use."""
    asked = refresh.ask_sync(account, None)
    run = runs.claim(asked.pk)
    assert run is not None
    run.session = open_session(account, "reader")
    read_users(run)
    IamUser.objects.update(password_last_used_at=None)
    return run


def ended(run: Run) -> Run:
    run.end(run.sync.Status.WHOLE)
    return run


def read(account: Account) -> Run:
    run = listed(account)
    assert read_services(run)
    return ended(run)


def fault(simulator: Simulator, kind: str, operation: str, **how: Any) -> None:
    simulator.faults.add(Fault(kind, operation, count=None, **how))


def in_use(user: IamUser) -> None:
    """CloudTrail saw it yesterday: nobody doubts that it is in use."""
    at = clock.now() - timedelta(days=1)
    Activity.objects.create(
        user=user, day=at.date(), region="us-east-1", service="ec2", action="DescribeInstances",
        outcome="ok", count=1, first_at=at, last_at=at,
    )  # fmt: skip


def asked(simulator: Simulator) -> list[str]:
    """The users asked about since the last time, by name."""
    calls = [
        str(note["params"]["Arn"]).rpartition("/")[2]
        for note in simulator.calls
        if note["operation"] == "GenerateServiceLastAccessedDetails"
    ]
    simulator.calls.clear()
    return calls


def move(by: timedelta) -> None:
    shared = clock.clock_file()
    assert shared is not None
    shared.move(by)


def test_every_user_is_asked_about_and_400_days_are_noted(
    simulator: Simulator, account: Account
) -> None:
    read(account)
    for user in IamUser.objects.all():
        told = user.coverage
        tracked = [datetime.fromisoformat(told[key]) for key in ("services_from", "services_at")]
        assert tracked[1] - tracked[0] == last_accessed.TRACKED
        assert told["services_granted"] >= len(told["services"])
        assert all(one["at"] for one in told["services"])


def test_a_yearly_job_shows_although_event_history_has_forgotten_it(
    simulator: Simulator, account: Account
) -> None:
    name = next(one for one in sorted(simulator.account.users) if one != "break-glass")
    simulator.advance()
    from demo.aws.state import Use

    at = clock.now() - timedelta(days=364)
    simulator.account.users[name].services["rds"] = Use(at, "rds", "us-east-1")
    read(account)
    told = IamUser.objects.get(user_name=name).coverage["services"]
    assert {"service": "rds", "at": at.isoformat()} in told


def test_doubtful_users_come_first_and_in_each_sync_the_others_weekly(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within a chunk threads ask side by side: the 21 in doubt are one chunk here.
    monkeypatch.setattr(services, "_CHUNK", 21)
    ended(listed(account))
    busy = IamUser.objects.order_by("pk")[:3]
    names = {user.user_name for user in busy}
    for user in busy:
        in_use(user)
    asked(simulator)
    read(account)
    first = asked(simulator)
    assert set(first[-3:]) == names
    assert len(first) == IamUser.objects.count()
    read(account)
    assert names.isdisjoint(asked(simulator))
    move(timedelta(days=7))
    read(account)
    again = asked(simulator)
    assert names <= set(again)


def test_the_others_are_asked_about_a_few_at_a_time(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(listed(account))
    for user in IamUser.objects.all():
        in_use(user)
    monkeypatch.setattr(services, "_OTHERS_AT_ONCE", 10)
    seen: list[str] = []
    for _ in range(3):
        asked(simulator)
        read(account)
        seen += asked(simulator)
    assert len(seen) == len(set(seen)) == IamUser.objects.count()


def test_slices_of_no_time_end_the_same(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_CHUNK", 5)
    run = listed(account)
    monkeypatch.setattr(run, "time_left", lambda: 0.0)
    slices = 1
    while not read_services(run):
        slices += 1
    assert slices == 5
    assert len(asked(simulator)) == IamUser.objects.count()
    assert run.step("services")["status"] == "done"


def test_a_worker_that_died_leaves_no_job_and_the_next_begins_another(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = listed(account)

    def died(*_: object) -> None:
        raise runs.LostLease

    with monkeypatch.context() as broken:
        broken.setattr(services, "_save", died)
        with pytest.raises(runs.LostLease):
            read_services(run)
    before = set(simulator.account.jobs)
    assert before
    run.session = open_session(account, "reader")
    assert read_services(run)
    assert IamUser.objects.filter(coverage__has_key="services_at").count() == 24
    assert not before & {
        note["params"]["JobId"]
        for note in list(simulator.calls)[-24:]
        if note["operation"] == "GetServiceLastAccessedDetails"
    }


def test_two_workers_are_one_session_to_aws_and_another_name_is_refused(
    simulator: Simulator, account: Account
) -> None:
    one, other = open_session(account, "reader"), open_session(account, "reader")
    user = simulator.account.users["break-glass"]
    job = one.client("iam").generate_service_last_accessed_details(Arn=user.arn)["JobId"]
    told = other.client("iam").get_service_last_accessed_details(JobId=job)
    assert told["JobStatus"] == "IN_PROGRESS"
    simulator.account.jobs[job].principal_id += "-other"
    with pytest.raises(ClientError, match="AccessDenied"):
        one.client("iam").get_service_last_accessed_details(JobId=job)


def test_short_pages_are_followed_to_their_end(simulator: Simulator, account: Account) -> None:
    read(account)
    whole = dict(IamUser.objects.values_list("pk", "coverage__services"))
    fault(simulator, "short-pages", "GetServiceLastAccessedDetails", size=1)
    read(account)
    assert dict(IamUser.objects.values_list("pk", "coverage__services")) == whole


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("job-failed", "GetServiceLastAccessedDetails"),
        ("job-stuck", "GetServiceLastAccessedDetails"),
        ("throttling", "GenerateServiceLastAccessedDetails"),
        ("access-denied", "GenerateServiceLastAccessedDetails"),
        ("access-denied", "GetServiceLastAccessedDetails"),
    ],
)
def test_no_answer_is_a_gap_only_where_the_answer_decides(
    simulator: Simulator,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    operation: str,
) -> None:
    read(account)
    busy = IamUser.objects.order_by("pk")[0]
    in_use(busy)
    IamUser.objects.filter(pk=busy.pk).update(coverage={})
    before = dict(IamUser.objects.values_list("pk", "coverage__services"))
    fault(simulator, kind, operation)
    monkeypatch.setattr(last_accessed, "_PATIENCE_SECONDS", 0)
    run = read(account)
    assert run.step("services")["status"] == "failed"
    gaps = IamUser.objects.filter(coverage__gaps__has_key="services")
    assert set(gaps.values_list("pk", flat=True)) == set(before) - {busy.pk}
    busy.refresh_from_db()
    assert "Access Advisor: " in busy.coverage["services_note"]
    # What was read before stays true, and what was never read is not taken for silence.
    assert dict(IamUser.objects.values_list("pk", "coverage__services")) == before
    assert "services" not in busy.coverage


def test_a_refusal_is_asked_for_once_and_not_for_each_user(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_CHUNK", 5)
    fault(simulator, "access-denied", "GenerateServiceLastAccessedDetails")
    run = read(account)
    assert len(asked(simulator)) == 5
    assert "24 of 24 users in doubt" in run.step("services")["detail"]


def test_a_gap_closes_when_the_next_sync_is_answered(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "throttling", "GenerateServiceLastAccessedDetails")
    read(account)
    simulator.faults.clear()
    run = read(account)
    assert run.step("services")["status"] == "done"
    assert not IamUser.objects.filter(coverage__has_key="services_note").exists()
    assert not IamUser.objects.filter(coverage__gaps__has_key="services").exists()


def test_an_empty_list_after_a_fence_changes_nothing(
    simulator: Simulator, account: Account
) -> None:
    read(account)
    user = IamUser.objects.exclude(coverage__services=[]).exclude(user_name="break-glass")[0]
    params = {"UserName": user.user_name, "PolicyArn": FENCE}
    act(simulator, {"act": "api", "operation": "AttachUserPolicy", "params": params})
    asked(simulator)
    read(account)
    assert user.user_name not in asked(simulator)
    after = IamUser.objects.get(pk=user.pk)
    assert after.coverage["services"] == user.coverage["services"]
    assert after.coverage["services_at"] == user.coverage["services_at"]
    assert after.privilege == user.privilege


def test_an_empty_list_of_a_user_never_read_before_is_no_proof_of_silence(
    simulator: Simulator, account: Account
) -> None:
    name = next(one for one in sorted(simulator.account.users) if one != "break-glass")
    params = {"UserName": name, "PolicyArn": FENCE}
    act(simulator, {"act": "api", "operation": "AttachUserPolicy", "params": params})
    read(account)
    told = IamUser.objects.get(user_name=name).coverage
    assert "services" not in told
    assert "told nothing" in told["services_note"]


def test_statements_do_not_grow_with_the_users(
    simulator: Simulator,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    run = listed(account)
    monkeypatch.setattr(services, "_CHUNK", 24)
    with django_assert_max_num_queries(14):
        read_services(run)
