"""The one user that stays is ready, or the line that is not says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from migrations_app.plans.break_glass import (
    SIGN_IN_REGIONS,
    BreakGlass,
    Check,
    Status,
    check,
    failures,
    ready,
    regions,
)

NOW = datetime(2025, 3, 6, 14, tzinfo=UTC)
ENABLED = ("eu-west-1", "us-east-1")
READY = BreakGlass(
    account_id="123456789012",
    user_name="break-glass",
    arn="arn:aws:iam::123456789012:user/breakglass/break-glass",
    user_id="AIDAEXAMPLEBREAKGLASS",
    seen_at=NOW - timedelta(hours=2),
    mfa=("fido", "hardware"),
    access_keys=0,
    console_password=True,
    attached_policies=("arn:aws:iam::aws:policy/AdministratorAccess",),
    tags=(("iam-retire", "never"),),
    denied=True,
    enabled_regions=ENABLED,
    alarm_regions=regions(ENABLED),
    runbook="RB-7",
    runbook_version="version 3",
    last_drill_at=NOW - timedelta(days=20),
)


def line(key: str, **values: Any) -> Check:
    return next(one for one in check(replace(READY, **values), NOW) if one.key == key)


def test_a_break_glass_user_as_it_should_be_passes_every_line() -> None:
    checks = check(READY, NOW)
    assert {one.status for one in checks} == {Status.DONE}
    assert ready(checks)
    assert list(failures(checks)) == []


@pytest.mark.parametrize(
    ("key", "values", "status"),
    [
        ("one", {"declared": 0}, Status.FAILED),
        ("one", {"declared": 2}, Status.FAILED),
        ("exists", {"gone": True}, Status.FAILED),
        ("exists", {"seen_at": NOW - timedelta(hours=25)}, Status.FAILED),
        ("mfa", {"mfa": ("fido",)}, Status.ATTENTION),
        ("mfa", {"mfa": ("virtual", "virtual")}, Status.FAILED),
        ("mfa", {"mfa": ()}, Status.FAILED),
        ("keys", {"access_keys": 1}, Status.FAILED),
        ("password", {"console_password": False}, Status.FAILED),
        ("policy", {"attached_policies": ()}, Status.FAILED),
        ("tag", {"tags": (("iam-retire", "soon"),)}, Status.FAILED),
        ("deny", {"denied": False}, Status.FAILED),
        ("alarm", {"alarm_regions": regions(ENABLED)[1:]}, Status.FAILED),
        ("alarm", {"enabled_regions": (*ENABLED, "sa-east-1")}, Status.ATTENTION),
        ("runbook", {"runbook": ""}, Status.FAILED),
        ("runbook", {"runbook_version": ""}, Status.ATTENTION),
        ("drill", {"last_drill_at": None}, Status.FAILED),
        ("drill", {"last_drill_at": NOW - timedelta(days=91)}, Status.FAILED),
        ("use", {"last_used_at": NOW - timedelta(days=1)}, Status.FAILED),
        ("use", {"last_used_at": NOW - timedelta(days=40)}, Status.ATTENTION),
    ],
)
def test_each_line_fails_for_its_own_reason_and_says_what_to_do(
    key: str, values: dict[str, Any], status: Status
) -> None:
    found = line(key, **values)
    assert found.status == status
    assert found.fix
    others = [one for one in check(replace(READY, **values), NOW) if one.key != key]
    assert {one.status for one in others} == {Status.DONE}
    assert ready(check(replace(READY, **values), NOW)) == (status == Status.ATTENTION)


def without(field: str) -> BreakGlass:
    values: dict[str, Any] = {field: None}
    return replace(READY, **values)


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("exists", "seen_at"),
        ("mfa", "mfa"),
        ("keys", "access_keys"),
        ("password", "console_password"),
        ("policy", "attached_policies"),
        ("tag", "tags"),
        ("deny", "denied"),
        ("alarm", "alarm_regions"),
        ("alarm", "enabled_regions"),
    ],
)
def test_what_was_not_looked_at_never_passes(key: str, field: str) -> None:
    assert line(key, **{field: None}).status == Status.NOT_LOOKED_AT
    told = check(without(field), NOW)
    assert not ready(told)
    assert len(list(failures(told))) == 1


def test_a_sign_in_can_land_in_regions_that_nobody_works_in() -> None:
    assert set(regions(("eu-west-1",))) == {"eu-west-1", *SIGN_IN_REGIONS}
    found = line("alarm", alarm_regions=ENABLED)
    assert found.text == "No alarm in 3 Regions: ap-southeast-2, eu-north-1, us-east-2"


def test_a_use_within_a_drill_is_no_alarm() -> None:
    used = NOW - timedelta(days=20)
    drill = ((used - timedelta(minutes=5), used + timedelta(minutes=5)),)
    assert line("use", last_used_at=used, drills=drill).status == Status.DONE
    assert line("use", last_used_at=used + timedelta(hours=1), drills=drill).status == Status.FAILED
