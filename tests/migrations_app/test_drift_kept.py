"""What the watch over groups keeps and tells, from looks written by hand."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Alert, CenterLook, LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app.changes import drift as verbs
from migrations_app.models import Drift, Notice, Plan
from migrations_app.replacement import center
from tests import cast
from tests.migrations_app.center_looks import (
    ANN,
    BEFORE,
    BEN,
    CY,
    MADE,
    PROD,
    RECREATED,
    STAGING,
    broken,
    declare,
    given,
    group,
    look,
    opened,
    planned,
    waits,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def declared(everybody: cast.Cast) -> None:
    declare(everybody)


# ── What is found ────────────────────────────────────────────────────────────────────────────────


def test_a_group_that_was_made_again_is_kept_with_who_lost_what() -> None:
    first = look(*BEFORE)
    second = look(*RECREATED)

    row = opened()
    assert (row.key, row.kind, row.breaks) == ("recreated:g-1", "recreated", True)
    assert (row.group_id, row.group_name, row.external_id) == ("g-1", "eng", "x-g-1")
    assert (row.new_group_id, row.new_external_id) == ("g-2", "x-g-2")
    assert (row.happened_at, row.found_at >= second.asked_at) == (MADE, True)
    assert row.headline == "Group eng was deleted and re-created"
    assert row.meaning.startswith("Same name, new ID: Identity Center gives it nothing")
    assert row.felt == "2 people lost Developer in 2 accounts."
    access = [[PROD, "Developer"], [STAGING, "Developer"]]
    assert row.lost == [
        {"user_id": ANN, "name": "ann@acme.example", "access": access},
        {"user_id": BEN, "name": "ben@acme.example", "access": access},
    ]
    first.refresh_from_db()
    assert (first.held, second.held) == (True, False)


def test_it_is_told_once_with_what_it_means_and_who_feels_it() -> None:
    look(*BEFORE)
    look(*RECREATED)
    look(*RECREATED)
    row, alert, notice = opened(), Alert.objects.get(), Notice.objects.get()
    assert alert.kind == "drift"
    assert (alert.title, alert.raised_at) == (row.headline, row.found_at)
    assert alert.text == (
        f"{row.meaning} {row.felt}\n\nWithout access: ann@acme.example, ben@acme.example."
    )
    assert (notice.kind, notice.role) == ("drift", "engineer")
    assert (notice.title, notice.text) == (alert.title, alert.text)
    assert notice.url == "/plans/identity-center/"
    entry = LedgerEntry.objects.get(kind="drift.found")
    assert (entry.data["target"], entry.data["reason"]) == ("eng", row.headline)


def test_a_group_that_only_lost_assignments_has_no_other_one() -> None:
    look(*BEFORE)
    look(BEFORE[0], [given("g-1")])
    row = opened()
    assert (row.new_group_id, row.new_external_id, row.happened_at) == ("", "", None)
    assert row.felt == "2 people lost Developer in 1 account."


def test_a_group_that_is_gone_has_no_other_one_either() -> None:
    look([*BEFORE[0], group("g-3", CY, name="data")], BEFORE[1])
    look([group("g-3", CY, name="data")], BEFORE[1])
    row = opened()
    assert (row.kind, row.group_id, row.external_id) == ("gone", "g-1", "x-g-1")
    assert (row.new_group_id, row.new_external_id, row.happened_at) == ("", "", None)


def test_long_names_are_cut_where_they_have_to() -> None:
    name, external = "e" * 600, "x" * 300
    look([group("g-1", ANN, name=name, external_id=external)], BEFORE[1])
    look([group("g-2", ANN, name=name, external_id=external)], BEFORE[1])
    row = opened()
    assert (row.external_id, row.new_external_id) == ("x" * 200, "x" * 200)
    assert Alert.objects.get().title == row.headline[:200]
    look([group("g-2", ANN, name=name, external_id=external)], [*BEFORE[1], given("g-2")])
    assert len(Alert.objects.get().title) == 200


def test_what_became_less_is_told_in_the_same_alert() -> None:
    look(*BEFORE)
    look(*RECREATED)
    other = Alert.objects.create(key="x", kind="x", title="x", raised_at=clock.now())
    look(RECREATED[0], [*BEFORE[1], given("g-2")])
    other.refresh_from_db()
    assert other.title == "x"
    row = opened()
    assert row.felt == "2 people lost Developer in 1 account."
    assert row.lost[0]["access"] == [[STAGING, "Developer"]]
    assert row.felt in Alert.objects.get(kind="drift").text
    assert Notice.objects.count() == 1
    assert LedgerEntry.objects.count() == 1


def test_what_is_mended_is_closed_with_its_alert_and_the_new_look_counts() -> None:
    look(*BEFORE)
    look(*RECREATED)
    row = opened()
    mended = look(RECREATED[0], [given("g-2"), given("g-2", STAGING)])
    row.refresh_from_db()
    assert row.closed_at is not None
    assert Alert.objects.get().closed_at == row.closed_at
    entry = LedgerEntry.objects.get(kind="drift.mended")
    assert (entry.data["target"], entry.data["reason"]) == ("eng", row.headline)
    assert [one.pk for one in CenterLook.objects.filter(held=True)] == [mended.pk]
    look(RECREATED[0], [given("g-2"), given("g-2", STAGING)])
    assert LedgerEntry.objects.filter(kind="drift.mended").count() == 1


def test_an_alert_that_is_closed_is_never_written_again() -> None:
    look(*BEFORE)
    look(*RECREATED)
    Alert.objects.update(closed_at=clock.now())
    first = Alert.objects.get()
    look(RECREATED[0], [*BEFORE[1], given("g-2")])
    assert Alert.objects.get().text == first.text
    mended = [given("g-2"), given("g-2", STAGING)]
    look(RECREATED[0], mended)
    look([group("g-2")], mended)
    look(RECREATED[0], mended)
    first.refresh_from_db()
    second = Alert.objects.exclude(pk=first.pk).get()
    closed_at = second.closed_at
    look([group("g-2")], mended)
    look(RECREATED[0], mended)
    second.refresh_from_db()
    assert second.closed_at == closed_at
    assert Alert.objects.filter(closed_at=None).count() == 0


def test_of_two_that_are_broken_one_may_be_mended() -> None:
    groups = [group("g-1", ANN), group("g-3", CY, name="data")]
    assignments = [given("g-1"), given("g-3", name="ReadOnly")]
    look(groups, assignments)
    look([group("g-1"), group("g-3", name="data")], assignments)
    assert Drift.objects.filter(closed_at=None).count() == 2
    look([group("g-1", ANN), group("g-3", name="data")], assignments)
    assert opened().group_name == "data"
    assert Alert.objects.get(closed_at=None).title.startswith("Group data")


def test_a_look_of_another_account_stays_what_it_is() -> None:
    now = clock.now()
    other = CenterLook.objects.create(
        account=cast.account(STAGING, "staging"), region="eu-west-1", asked_at=now, taken_at=now,
        status="whole", held=True,
    )  # fmt: skip
    look(*BEFORE)
    look(*BEFORE)
    other.refresh_from_db()
    assert other.held


# ── Looks that cannot be compared ────────────────────────────────────────────────────────────────


def test_a_look_without_any_group_is_an_alert_and_changes_nothing() -> None:
    first = look(*BEFORE)
    empty = look([], [])
    alert = Alert.objects.get()
    assert alert.kind == "identity-center-compared"
    assert alert.title == "Groups of Identity Center could not be compared"
    assert alert.text.startswith("No group at all was listed")
    assert (alert.account, alert.raised_at > empty.asked_at) == (cast.account(), True)
    assert (Drift.objects.exists(), empty.held) == (False, False)
    look([], [])
    assert Alert.objects.count() == 1
    again = look(*BEFORE)
    alert.refresh_from_db()
    closed_at = alert.closed_at
    assert closed_at is not None
    first.refresh_from_db()
    assert (first.held, again.held) == (False, True)
    look(*BEFORE)
    alert.refresh_from_db()
    assert alert.closed_at == closed_at


def test_another_identity_center_is_said_and_watched_from_then_on() -> None:
    look(*BEFORE)
    other = look([group("g-9", CY)], [given("g-9")], identity_store_id="d-2")
    assert other.held
    assert Alert.objects.get(closed_at=None).text.startswith("It is another Identity Center")
    assert not Drift.objects.exists()
    look([group("g-9")], [given("g-9")], identity_store_id="d-2")
    assert opened().kind == "emptied"
    assert not Alert.objects.filter(kind="identity-center-compared", closed_at=None).exists()


def test_figures_of_people_are_drafted_anew_when_something_changed(everybody: cast.Cast) -> None:
    plan, other = planned(everybody), planned(everybody, target="eks")

    def are_old() -> tuple[bool, bool]:
        found = [Plan.objects.get(pk=one.pk).figures_at is None for one in (plan, other)]
        Plan.objects.update(figures_at=clock.now())
        return found[0], found[1]

    look(*BEFORE)
    assert are_old() == (True, False)
    look(*BEFORE)
    assert are_old() == (False, False)
    look(*BEFORE, changed=["Group data was made."])
    assert are_old() == (True, False)


# ── Right as it is ───────────────────────────────────────────────────────────────────────────────


def emptied() -> CenterLook:
    return look([group("g-1")], BEFORE[1])


def test_what_is_accepted_is_closed_with_whose_word_and_stays_so(everybody: cast.Cast) -> None:
    look(*BEFORE)
    emptied()

    verbs.accept(opened(), everybody.jonas, " Dissolved. ")

    row = Drift.objects.get()
    assert (row.accepted, row.accepted_by, row.note) == (False, everybody.jonas, "Dissolved.")
    assert row.closed_at is not None
    assert Alert.objects.get().closed_at == row.closed_at
    entry = LedgerEntry.objects.get(kind="drift.accepted")
    assert (entry.data["target"], entry.data["note"]) == ("eng", "Dissolved.")
    emptied()
    assert Drift.objects.count() == 1
    # It was the only one, so the look that shows it is what later ones are compared with.
    latest = center.latest()
    assert latest
    assert latest.held


def test_what_more_people_lose_since_is_found_again(everybody: cast.Cast) -> None:
    data = [group("g-3", CY, name="data")]
    before = [group("g-1", ANN, BEN), *data]
    assignments = [*BEFORE[1], given("g-3", name="ReadOnly")]
    look(before, assignments)
    # Both are broken, so that the first look stays the one to compare with.
    look([group("g-1", ANN, BEN), group("g-3", name="data")], assignments[:1] + assignments[2:])
    found = {row.group_name: row for row in Drift.objects.filter(closed_at=None)}
    assert set(found) == {"eng", "data"}

    verbs.accept(found["eng"], everybody.jonas, "Not there any more.")
    assert opened().group_name == "data"
    look([group("g-1", ANN, BEN), group("g-3", name="data")], assignments[2:])

    again = Drift.objects.get(closed_at=None, group_name="eng")
    assert again.felt == "2 people lost Developer in 2 accounts."


def test_what_another_loses_since_is_found_again(everybody: cast.Cast) -> None:
    data = given("g-3", name="ReadOnly")
    groups = [group("g-1", ANN, BEN), group("g-3", CY, name="data")]
    direct = given(BEN, kind="USER")
    look(groups, [given("g-1"), direct, data])
    groups[1] = group("g-3", name="data")
    look(groups, [direct, data])
    eng = Drift.objects.get(closed_at=None, group_name="eng")
    assert eng.names == ["ann@acme.example"]
    verbs.accept(eng, everybody.jonas, "Ann left.")
    look(groups, [data])
    again = Drift.objects.get(closed_at=None, group_name="eng")
    assert again.names == ["ann@acme.example", "ben@acme.example"]


def test_nobody_accepts_without_a_reason_or_the_right_or_twice(everybody: cast.Cast) -> None:
    row = broken()
    with pytest.raises(NotAllowed):
        verbs.accept(row, everybody.priya, "Right.")
    with pytest.raises(Refused, match="Say why"):
        verbs.accept(row, everybody.jonas, " ")
    with CaptureQueriesContext(connection) as asked:
        verbs.accept(row, everybody.jonas, "Right.")
    assert any("FOR UPDATE" in one["sql"] and "_drift" in one["sql"] for one in asked)
    row.refresh_from_db()
    assert (row.accepted, row.accepted_by) == (True, everybody.jonas)
    with pytest.raises(Refused, match="closed already"):
        verbs.accept(row, everybody.jonas, "Right.")


def test_where_nothing_is_read_any_more_an_acceptance_lets_plans_go_on(
    everybody: cast.Cast,
) -> None:
    row, plan = broken(), planned(everybody, group="eng")
    verbs.hold_plans()
    assert waits(plan)
    verbs.accept(row, everybody.jonas, "Right.")
    assert not waits(plan)
