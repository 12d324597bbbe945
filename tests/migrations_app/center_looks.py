"""Looks at a small Identity Center, written by hand, and plans of those who sign in through it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from inventory import clock
from inventory.models import CenterLook
from migrations_app.changes import drift as verbs
from migrations_app.lifecycle import State
from migrations_app.models import Drift, Plan
from tests import cast

PROD, STAGING = cast.ACCOUNT_ID, "210987654321"
MADE = datetime(2025, 3, 6, 8, 41, tzinfo=UTC)
SETS = [{"arn": f"arn:{name}", "name": name} for name in ("Developer", "ReadOnly")]
PEOPLE = [{"id": f"u-{one}", "user_name": f"{one}@acme.example"} for one in ("ann", "ben", "cy")]
ANN, BEN, CY = (one["id"] for one in PEOPLE)


def group(key: str, *members: str, name: str = "eng", **columns: Any) -> dict[str, Any]:
    columns = {"external_id": f"x-{key}", "created_at": MADE.isoformat(), **columns}
    return {"id": key, "name": name, "members": list(members), **columns}


def given(
    principal: str, account: str = PROD, name: str = "Developer", kind: str = "GROUP"
) -> dict[str, str]:
    return {"account_id": account, "set_arn": f"arn:{name}", "principal_id": principal,
            "principal_type": kind}  # fmt: skip


def look(groups: list[Any], assignments: list[Any], **columns: Any) -> CenterLook:
    """What the watch sees a minute after the look before."""
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(minutes=1))
    now = clock.now()
    columns = {"identity_store_id": "d-1", "people": PEOPLE, **columns}
    made = CenterLook.objects.create(
        account=cast.account(), region="eu-west-1", asked_at=now, taken_at=now, status="whole",
        permission_sets=SETS, groups=groups, assignments=assignments, **columns,
    )  # fmt: skip
    verbs.watch(made)
    made.refresh_from_db()
    return made


BEFORE = ([group("g-1", ANN, BEN)], [given("g-1"), given("g-1", STAGING)])
RECREATED = ([group("g-2", ANN, BEN)], BEFORE[1])


def declare(everybody: cast.Cast) -> None:
    """The organization says where its Identity Center is."""
    organization = cast.organization(everybody.security)
    organization.identity_center = {"account": PROD, "region": "eu-west-1"}
    organization.save()


def opened() -> Drift:
    return Drift.objects.get(closed_at=None)


def planned(everybody: cast.Cast, person: str = "", group: str = "", **columns: Any) -> Plan:
    """The plan of somebody who becomes a developer in `production`."""
    columns.setdefault("target", "identity-center")
    figures = {"group": group, "person": person, "name": "Developer"}
    row = cast.departure(f"user-{Plan.objects.count()}", State.OWNER_ASSIGNED, everybody.platform)
    return cast.plan(row, figures=figures, figures_at=clock.now(), **columns)


def broken(**columns: Any) -> Drift:
    told = {"key": f"gone:{Drift.objects.count()}", "kind": "gone", "group_id": "g-1",
            "group_name": "eng", "headline": "Group eng is gone", "found_at": clock.now(),
            **columns}  # fmt: skip
    return Drift.objects.create(**told)


def waits(plan: Plan) -> bool:
    plan.refresh_from_db()
    return plan.on_hold
