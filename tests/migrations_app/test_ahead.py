"""One look that serves a whole batch: what it reads and for whom; nothing depends on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock, refresh
from inventory.models import Credential, IamUser, Organization, TrailCoverage
from migrations_app import guards
from migrations_app.changes.ahead import look_ahead, read_ahead
from migrations_app.models import Batch, Departure
from tests import cast
from tests.migrations_app.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(stage: Stage) -> list[Departure]:
    return [stage.user(f"ci-{name}") for name in ("a", "b", "c")]


def read_by(stage: Stage, rows: list[Departure], act: Callable[[], object]) -> list[bool]:
    """Of which of these users `act` brings event history up to now."""
    before = clock.now()
    stage.skip(seconds=1)
    act()
    return [
        TrailCoverage.objects.filter(user=row.user_id, read_to__gt=before).count() == 2
        for row in rows
    ]


def look(batch: Batch) -> Any:
    return look_ahead(batch, list(batch.changes.values_list("pk", flat=True)))


# ── For a run, or a dry run ──────────────────────────────────────────────────────────────────────


def test_from_three_users_on_one_look_serves_them_all(stage: Stage, three: list[Departure]) -> None:
    batch = stage.draft("disable", three)
    ahead = look(batch)
    assert {row.user.user_id for row in three} <= set(ahead.wide.policies)
    assert ahead.holds
    assert look_ahead(batch, list(batch.changes.values_list("pk", flat=True))[:2]) is None


def test_what_verdicts_share_is_looked_up_once_and_judges_as_each_for_itself(
    stage: Stage, three: list[Departure]
) -> None:
    batch = stage.draft("disable", three)
    bench = look(batch).bench
    IamUser.objects.update(verdict="", category="")
    refresh.judge([three[0].user], bench)
    refresh.judge([three[1].user])
    first, second = (IamUser.objects.get(pk=row.user_id) for row in three[:2])
    assert first.verdict
    for column in ("verdict", "category", "coverage_whole"):
        assert getattr(first, column) == getattr(second, column)
    # Told at the moment of the verdict, by the policy of then.
    stage.skip(minutes=1)
    asked = clock.now()
    organization = Organization.get()
    organization.policy = organization.policy | {"dormant_after": "3650d"}
    organization.save()
    refresh.judge([three[0].user], bench)
    first.refresh_from_db()
    assert first.judged_at is not None
    assert first.judged_at >= asked
    assert first.verdict not in guards.QUIET_VERDICTS
    with CaptureQueriesContext(connection) as shared:
        refresh.judge([three[0].user], bench)
    with CaptureQueriesContext(connection) as alone:
        refresh.judge([three[0].user])
    assert len(shared) < len(alone) / 2


def test_a_look_ahead_hears_whom_it_will_judge_again(stage: Stage, three: list[Departure]) -> None:
    batch = stage.draft("disable", three)
    rows = [*three, stage.user("ci-of-no-batch")]
    stage.skip(minutes=10)
    Departure.objects.filter(pk=three[1].pk).update(
        state="disabled", fence="policy", fenced_at=clock.now(), clock_started_at=clock.now()
    )
    assert read_by(stage, rows, lambda: look(batch)) == [True, False, True, False]
    # What was read a moment ago serves.
    assert not any(read_by(stage, rows, lambda: look(batch)))


@pytest.mark.parametrize("how", [{"urgent": True}, {"move": "delete"}])
def test_where_no_verdict_is_judged_again_nobody_is_heard_ahead(
    stage: Stage, three: list[Departure], how: dict[str, Any]
) -> None:
    batch = stage.draft("disable", three)
    for name, value in how.items():
        setattr(batch, name, value)
    stage.skip(minutes=10)
    assert read_by(stage, three, lambda: look(batch)) == [False, False, False]
    assert look(batch).bench is None


def test_services_are_asked_for_of_which_somebody_here_holds_a_credential(
    stage: Stage, three: list[Departure]
) -> None:
    batch = stage.draft("disable", three)
    elsewhere = cast.iam_user("other", cast.account("210987654321", "other"))
    for user, service, columns in (
        (three[0].user, "new.amazonaws.com", {}),
        (three[1].user, "new.amazonaws.com", {}),
        (three[0].user, "old.amazonaws.com", {"gone_at": clock.now()}),
        (elsewhere, "theirs.amazonaws.com", {}),
        (three[0].user, "", {}),
    ):
        Credential.objects.create(
            user=user,
            kind=Credential.Kind.SERVICE_SPECIFIC,
            credential_id=f"ACCA{Credential.objects.count():016d}",
            status="Active",
            service=service,
            created_at=clock.now(),
            **columns,
        )
    key = three[0].user.credentials.filter(kind=Credential.Kind.ACCESS_KEY).get()
    Credential.objects.filter(pk=key.pk).update(service="s3")
    stage.simulator.calls.clear()
    look(batch)
    asked = [
        note["params"].get("ServiceName", "")
        for note in stage.simulator.calls
        if note["operation"] == "ListServiceSpecificCredentials"
    ]
    assert asked.count("new.amazonaws.com") == 1
    assert not {"old.amazonaws.com", "theirs.amazonaws.com", "s3", ""} & set(asked)


def test_what_aws_refuses_ahead_is_left_to_the_look_at_each(
    stage: Stage, three: list[Departure]
) -> None:
    batch = stage.draft("disable", three)
    stage.fault("access-denied", "GetAccountAuthorizationDetails", count=None)
    assert look(batch) is None


# ── Before a batch begins ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def soon(stage: Stage, three: list[Departure]) -> Batch:
    """Approved, and to begin within the hour; nobody listened for some time."""
    batch = stage.approved("disable", three[:1])
    stage.skip(minutes=16)
    begins(batch, minutes=58)
    return batch


def begins(batch: Batch, **ahead: float) -> None:
    Batch.objects.filter(pk=batch.pk).update(window_from=clock.now() + timedelta(**ahead))


def ahead(stage: Stage, goes_on: Callable[[], bool] = lambda: True) -> None:
    read_ahead(stage.people.account, stage.reader(), goes_on)


def test_whoever_is_to_be_disabled_within_the_hour_is_read_on(
    stage: Stage, three: list[Departure], soon: Batch
) -> None:
    assert read_by(stage, three, lambda: ahead(stage)) == [True, False, False]


def test_what_was_read_a_quarter_of_an_hour_ago_serves(
    stage: Stage, three: list[Departure], soon: Batch
) -> None:
    ahead(stage)
    stage.skip(minutes=14)
    assert not any(read_by(stage, three, lambda: ahead(stage)))
    stage.skip(minutes=1)
    assert read_by(stage, three, lambda: ahead(stage)) == [True, False, False]


@pytest.mark.parametrize(
    "columns", [{"move": "delete"}, {"status": "asked"}, {"status": "paused"}, {"account": None}]
)
def test_other_batches_read_nobody_ahead(
    stage: Stage, three: list[Departure], soon: Batch, columns: dict[str, Any]
) -> None:
    if "account" in columns:
        columns = {"account": cast.account("210987654321", "other")}
    Batch.objects.filter(pk=soon.pk).update(**columns)
    assert not any(read_by(stage, three, lambda: ahead(stage)))


def test_a_batch_of_later_reads_nobody_yet(
    stage: Stage, three: list[Departure], soon: Batch
) -> None:
    begins(soon, minutes=62)
    assert not any(read_by(stage, three, lambda: ahead(stage)))


def test_who_is_off_already_is_not_read_ahead(
    stage: Stage, three: list[Departure], soon: Batch
) -> None:
    Departure.objects.filter(pk=three[0].pk).update(
        state="disabled", fence="policy", fenced_at=clock.now(), clock_started_at=clock.now()
    )
    assert not any(read_by(stage, three, lambda: ahead(stage)))


def test_nobody_is_asked_for_when_there_is_no_time(
    stage: Stage, three: list[Departure], soon: Batch
) -> None:
    assert not any(read_by(stage, three, lambda: ahead(stage, lambda: False)))
