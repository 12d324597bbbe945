"""A statement that is made once gives what its queryset would give each time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Count, Model

from inventory import clock
from inventory.models import IamUser
from inventory.statements import Instances
from migrations_app.models import Departure
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db


def columns(row: Model | None) -> dict[str, Any]:
    assert row is not None
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in row.get_deferred_fields()
    }


def test_instances_are_the_ones_that_the_queryset_gives() -> None:
    user = cast.iam_user("a", tags={"team": "payments"}, mfa=[{"serial": "x", "kind": "virtual"}])
    row = cast.departure(user, "soaking", not_before=clock.now() + timedelta(days=3))
    cast.departure("b")
    rows = Departure.objects.select_related("user__account", "owner", "handed_to").only(
        "state", "not_before", "owner__name", "handed_to__name", "user__tags", "user__account__name"
    )

    (told,) = Instances.of(rows).get([row.pk])

    alone = rows.get(pk=row.pk)
    with at_most(0):
        assert (told, told.get_deferred_fields()) == (alone, alone.get_deferred_fields())
        assert columns(told) == columns(alone)
        assert columns(told.user) == columns(alone.user)
        assert columns(told.owner) == columns(alone.owner)
        assert columns(told.user.account) == columns(alone.user.account)
        assert told.handed_to is None


def test_it_is_asked_for_other_keys_each_time_in_one_statement() -> None:
    pks = [cast.departure(name).pk for name in ("a", "b", "c")]
    made = Instances.of(
        IamUser.objects.annotate(departures=Count("departure")).order_by("-user_name")
    )
    users = {row.user_name: row.pk for row in IamUser.objects.all()}

    with at_most(1):
        found = made.get([users["a"], users["c"], -1])
    assert [(row.user_name, vars(row)["departures"]) for row in found] == [("c", 1), ("a", 1)]

    IamUser.objects.filter(user_name="b").update(path="/moved/")
    assert [row.path for row in made.get([users["b"]])] == ["/moved/"]
    assert len(pks) == 3


def test_rows_among_those_that_another_queryset_finds() -> None:
    for name, path in (("a", "/x/"), ("b", "/y/"), ("c", "/x/")):
        cast.iam_user(name, path=path)
    made = Instances.of(IamUser.objects.filter(path__startswith="/").order_by("-user_name"))

    with at_most(1):
        found = made.among(IamUser.objects.filter(path="/x/").values("pk"))
    assert [row.user_name for row in found] == ["c", "a"]
    with at_most(0):
        assert made.among(IamUser.objects.none().values("pk")) == []


def test_nobody_is_asked_for_without_a_statement() -> None:
    with at_most(0):
        assert Instances.of(IamUser.objects.all()).get([]) == []
