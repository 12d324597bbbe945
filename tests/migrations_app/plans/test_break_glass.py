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
    denied_above=True,
    enabled_regions=ENABLED,
    alarm_regions=regions(ENABLED),
    runbook="RB-7",
    runbook_version="3",
    seal="safe 2, seal A-0417",
    sealed_at=NOW - timedelta(days=26),
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
        ("runbook", {"sealed_at": None}, Status.FAILED),
        ("one", {"others": ("old-admin in production",)}, Status.FAILED),
        ("exists", {"other_id": "AIDASOMEBODYELSE"}, Status.FAILED),
        ("guard", {"denied_above": False}, Status.FAILED),
        ("guard", {"management": True}, Status.ATTENTION),
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
        ("guard", "denied_above"),
        ("alarm", "alarm_regions"),
        ("alarm", "enabled_regions"),
    ],
)
def test_what_was_not_looked_at_never_passes(key: str, field: str) -> None:
    assert line(key, **{field: None}).status == Status.NOT_LOOKED_AT
    told = check(without(field), NOW)
    assert not ready(told)
    assert len(list(failures(told))) == 1


def test_what_kept_somebody_from_looking_stands_beside_the_line() -> None:
    found = line("alarm", alarm_regions=None, gaps=(("alarm", "ListRules: AccessDenied."),))
    assert found.fix == "ListRules: AccessDenied. Mend what kept it, then look again."
    # Words about a line that was looked at are nobody's business.
    assert line("keys", gaps=(("keys", "ListAccessKeys: AccessDenied."),)).fix == ""


def test_the_lines_say_seal_and_drill_with_their_days() -> None:
    assert line("runbook").text == "Runbook RB-7, version 3, sealed 8 Feb 2025, safe 2, seal A-0417"
    assert line("drill", drill_minutes=4).text == "Last drill 14 Feb 2025, sign-in in 4 min"


def test_a_use_that_somebody_explained_is_no_alarm() -> None:
    used = NOW - timedelta(days=2)
    found = line("use", last_used_at=used, used_for="Okta was down")
    assert (found.status, found.text) == (Status.DONE, "Last used 2 days ago: Okta was down")


def test_a_sign_in_can_land_in_regions_that_nobody_works_in() -> None:
    assert set(regions(("eu-west-1",))) == {"eu-west-1", *SIGN_IN_REGIONS}
    found = line("alarm", alarm_regions=ENABLED)
    assert found.text == "No alarm in 3 Regions: ap-southeast-2, eu-north-1, us-east-2"


def test_a_use_within_a_drill_is_no_alarm() -> None:
    used = NOW - timedelta(days=20)
    drill = ((used - timedelta(minutes=5), used + timedelta(minutes=5)),)
    assert line("use", last_used_at=used, drills=drill).status == Status.DONE
    assert line("use", last_used_at=used + timedelta(hours=1), drills=drill).status == Status.FAILED
