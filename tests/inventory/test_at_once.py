"""Several questions in one statement give what each would have given alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Count, Model, QuerySet, Sum, Value, Window

from inventory import at_once, clock
from inventory.models import Account, Activity, Credential, IamUser, Person, Role
from migrations_app.models import Departure, Notice
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db


def beside() -> QuerySet[Person]:
    return Person.objects.filter(pk=cast.person("vera", "Vera", [Role.VIEWER]).pk)


def columns(row: Model | None) -> dict[str, Any]:
    assert row is not None
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_instances_are_the_ones_that_the_queryset_gives() -> None:
    user = cast.iam_user("a", tags={"team": "payments"}, mfa=[{"serial": "x", "kind": "virtual"}])
    row = cast.departure(user, "soaking", not_before=clock.now() + timedelta(days=3))
    cast.access_key(user)
    rows = Departure.objects.select_related("user__account", "owner", "handed_to")

    found = at_once.ask(beside(), {"rows": rows, "keys": Credential.objects.all()})

    (told,) = found["rows"]
    alone = rows.get()
    with at_most(0):
        assert told == row
        assert columns(told) == columns(alone)
        assert columns(told.user) == columns(alone.user)
        assert columns(told.owner) == columns(alone.owner)
        assert told.user.account == alone.user.account
        assert told.handed_to is None
    assert [vars(key)["created_at"] for key in found["keys"]] == [
        key.created_at for key in Credential.objects.all()
    ]


def test_order_slices_annotations_and_what_is_deferred_are_kept() -> None:
    for name in ("a", "b", "c"):
        cast.iam_user(name)
    rows = IamUser.objects.defer("tags").annotate(of=Window(Count("pk"))).order_by("-user_name")

    (first, second) = at_once.ask(beside(), {"rows": rows[:2]})["rows"]

    assert [first.user_name, second.user_name, vars(first)["of"]] == ["c", "b", 3]
    assert first.get_deferred_fields() == {"tags"}


def test_groups_come_as_dicts_with_days_as_days() -> None:
    user = cast.iam_user("a")
    today = clock.now().date()
    cast.activity(user, today, 3)
    cast.activity(user, today, 4, action="GetObject")
    rows = Activity.objects.order_by().values("user__account", "day").annotate(calls=Sum("count"))

    (group,) = at_once.ask(beside(), {"groups": rows})["groups"]

    assert group == {"user__account": user.account_id, "day": today, "calls": 7}


def test_a_question_that_can_have_no_answer_has_none() -> None:
    found = at_once.ask(
        beside(),
        {
            "none": Account.objects.filter(pk__in=[]),
            "empty": Notice.objects.all(),
            "number": Value(7),
        },
    )

    assert found == {"none": [], "empty": [], "number": 7}


def test_no_question_asks_nothing() -> None:
    with at_most(0):
        assert at_once.ask(Person.objects.all(), {}) == {}
