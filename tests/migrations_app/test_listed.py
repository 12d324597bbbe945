"""The row by which the Users page finds a user follows every table that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from inventory import clock
from inventory.models import Credential, IamUser
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Listed, Plan
from migrations_app.models.listed import NEVER, NO_KEY
from tests import cast

pytestmark = pytest.mark.django_db

_NOW = clock.now()


@pytest.fixture
def row() -> Departure:
    """A user with a key, a plan and an owner."""
    cast.cast()
    user = cast.iam_user("svc-etl", tags={"Team": "Data"}, last_activity_at=_NOW)
    cast.access_key(user, "AKIAFIRST00000000001")
    departure = cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments"))
    cast.plan(departure, "eks")
    return departure


def listed(row: Departure) -> Listed:
    return Listed.objects.get(departure=row)


def test_a_new_user_is_listed_as_it_is(row: Departure) -> None:
    found = listed(row)

    assert (found.user_name, found.state, found.owner) == (
        "svc-etl",
        "owner-assigned",
        cast.team("payments"),
    )
    assert (found.verdict, found.mfa, found.target, found.urgency) == ("dormant", "n/a", "eks", 2)
    assert (found.ready, found.active_keys, found.last_used_at) == (True, 1, _NOW)
    words = found.words.split("\n")
    assert words == ["svc-etl", row.user.user_id.lower(), "team=data", "akiafirst00000000001"]


def test_a_user_without_keys_or_any_use_sorts_last(row: Departure) -> None:
    found = listed(cast.departure(cast.iam_user("bare", verdict="never-used")))

    assert (found.last_used_at, found.oldest_key_at, found.unused_since) == (NEVER, NO_KEY, NO_KEY)


_OLD = _NOW - timedelta(days=2000)
_CHANGES: dict[str, tuple[Callable[[Departure], Any], dict[str, Any]]] = {
    "its verdict": (lambda row: _user(row, verdict="active"), {"verdict": "active", "urgency": 3}),
    "its rights": (lambda row: _user(row, privilege="admin"), {"privilege": "admin", "urgency": 0}),
    "a console password": (
        lambda row: _user(row, has_console_password=True),
        {"mfa": "no", "urgency": 1},
    ),
    "a person's category": (
        lambda row: _user(row, category_override="mystery"),
        {"category": "mystery"},
    ),
    "what refers to it": (
        lambda row: _user(row, references=[{"blocks": True}]),
        {"named": "blocks"},
    ),
    "its going": (lambda row: _user(row, gone_at=_NOW), {"gone": True}),
    "a policy of its own": (
        lambda row: _user(row, inline_policies={"p": {}}),
        {"direct_policies": True},
    ),
    "an older key": (
        lambda row: cast.access_key(row.user, created_at=_OLD),
        {"oldest_key_at": _OLD, "active_keys": 2},
    ),
    "a key made inactive": (
        lambda row: Credential.objects.filter(user=row.user).update(status="Inactive"),
        {"oldest_key_at": NO_KEY, "active_keys": 0},
    ),
    "a key that is gone": (
        lambda row: Credential.objects.filter(user=row.user).delete(),
        {"active_keys": 0},
    ),
    "another owner": (
        lambda row: _departure(row, owner=cast.team("platform")),
        {"owner_id": lambda: cast.team("platform").pk},
    ),
    "a protection": (
        lambda row: _departure(row, protection="exempt"),
        {"state": "protected", "protection": "exempt", "ready": False},
    ),
    "the owner's answer": (lambda row: _departure(row, answer="needed"), {"ready": False}),
    "a dispute": (
        lambda row: _departure(row, disputed_until=_NOW.date()),
        {"disputed_until": _NOW.date()},
    ),
    "another plan": (
        lambda row: Plan.objects.filter(departure=row).update(target="secrets-manager"),
        {"target": "secrets-manager"},
    ),
    "no plan any more": (
        lambda row: Plan.objects.filter(departure=row).delete(),
        {"target": ""},
    ),
}


@pytest.mark.parametrize("what", _CHANGES)
def test_the_row_follows(row: Departure, what: str) -> None:
    change, expected = _CHANGES[what]

    change(row)

    found = listed(row)
    for column, value in expected.items():
        assert getattr(found, column) == (value() if callable(value) else value), column
    _is_as_made_anew(row)


def test_what_is_not_listed_costs_no_write(row: Departure) -> None:
    before = _version_of(row)

    _user(row, last_seen_at=clock.now(), evidence_at=clock.now())
    _departure(row, dispute_reason="x")

    assert _version_of(row) == before


def test_a_departure_that_is_deleted_takes_its_row_along(row: Departure) -> None:
    row.delete()

    assert not Listed.objects.exists()
    Credential.objects.all().delete()
    assert not Listed.objects.exists()


def _user(row: Departure, **columns: Any) -> None:
    IamUser.objects.filter(pk=row.user_id).update(**columns)


def _departure(row: Departure, **columns: Any) -> None:
    Departure.objects.filter(pk=row.pk).update(**columns)


def _version_of(row: Departure) -> str:
    """Where the database keeps the row; another place after each write."""
    with connection.cursor() as cursor:
        sql = "SELECT ctid::text FROM migrations_app_listed WHERE departure_id = %s"
        cursor.execute(sql, [row.pk])
        return str(cursor.fetchone()[0])


def _is_as_made_anew(row: Departure) -> None:
    kept = Listed.objects.filter(departure=row).values().get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT migrations_app_list(%s, true)", [row.user_id])
    assert Listed.objects.filter(departure=row).values().get() == kept


def test_an_account_that_was_there_before_is_listed_as_a_new_one_is(row: Departure) -> None:
    bare = cast.departure(cast.iam_user("bare", verdict="never-used"))
    kept = list(Listed.objects.order_by("pk").values())
    assert {line["departure_id"] for line in kept} == {row.pk, bare.pk}
    Listed.objects.all().delete()

    migration = import_module("migrations_app.migrations.0011_listed_by_triggers")
    with connection.cursor() as cursor:
        cursor.execute(migration.FILL)
        cursor.execute(migration.FILL)

    assert list(Listed.objects.order_by("pk").values()) == kept
