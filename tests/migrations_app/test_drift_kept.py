"""What the watch over groups keeps, tells and lets wait, from looks written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import Alert, CenterLook, LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import center
from migrations_app.changes import drift as verbs
from migrations_app.lifecycle import State
from migrations_app.models import Drift, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db
PROD, STAGING = cast.ACCOUNT_ID, "210987654321"
MADE = datetime(2025, 3, 6, 8, 41, tzinfo=UTC)
SETS = [{"arn": f"arn:{name}", "name": name} for name in ("Developer", "ReadOnly")]
PEOPLE = [{"id": f"u-{one}", "user_name": f"{one}@acme.example"} for one in ("ann", "ben", "cy")]
ANN, BEN, CY = (one["id"] for one in PEOPLE)


@pytest.fixture(autouse=True)
def declared(everybody: cast.Cast) -> None:
    organization = cast.organization(everybody.security)
    organization.identity_center = {"account": PROD, "region": "eu-west-1"}
    organization.save()


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
    look(RECREATED[0], [*BEFORE[1], given("g-2")])
    row = opened()
    assert row.felt == "2 people lost Developer in 1 account."
    assert row.lost[0]["access"] == [[STAGING, "Developer"]]
    assert row.felt in Alert.objects.get().text
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
    verbs.accept(row, everybody.jonas, "Right.")
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


# ── Plans that wait ──────────────────────────────────────────────────────────────────────────────


def test_plans_wait_for_their_group_whatever_its_case_and_go_on_when_it_is_closed(
    everybody: cast.Cast,
) -> None:
    row = broken()
    mine, other = planned(everybody, group="ENG"), planned(everybody, group="data")
    assert verbs.hold_plans() == 1
    assert (waits(mine), waits(other)) == (True, False)
    assert (mine.held_by, mine.held_reason) == (row, "Group eng is gone.")
    Drift.objects.update(closed_at=clock.now())
    assert verbs.hold_plans() == 0
    assert not waits(mine)
    assert mine.held_by is None


def test_a_look_that_finds_it_lets_plans_wait_and_one_that_sees_it_mended_lets_them_go_on(
    everybody: cast.Cast,
) -> None:
    plan = planned(everybody, group="eng")
    look(*BEFORE)
    assert not waits(plan)
    look(*RECREATED)
    assert waits(plan)
    look(RECREATED[0], [given("g-2"), given("g-2", STAGING)])
    assert not waits(plan)


def test_each_plan_waits_for_what_is_in_its_own_way(everybody: cast.Cast) -> None:
    first, second = broken(), broken(group_name="data", headline="Group data is gone")
    plans = [planned(everybody, group=name) for name in ("eng", "data", "eng")]
    assert verbs.hold_plans() == 3
    assert [waits(one) for one in plans] == [True] * 3
    assert [one.held_by for one in plans] == [first, second, first]
    Drift.objects.filter(pk=first.pk).update(closed_at=clock.now())
    assert verbs.hold_plans() == 1
    assert [waits(one) for one in plans] == [False, True, False]


@pytest.mark.parametrize(
    ("user", "account", "name", "held"),
    [
        (ANN, PROD, "Developer", True),
        (BEN, PROD, "Developer", False),
        (ANN, STAGING, "Developer", False),
        (ANN, PROD, "ReadOnly", False),
    ],
)
def test_a_plan_without_a_group_waits_while_its_own_person_lacks_what_it_gives(
    everybody: cast.Cast, user: str, account: str, name: str, held: bool
) -> None:
    lost = [
        {"user_id": CY, "name": "cy", "access": [[STAGING, "ReadOnly"]]},
        {"user_id": user, "name": "x", "access": [[STAGING, "ReadOnly"], [account, name]]},
    ]
    broken(group_name="", lost=lost)
    plan = planned(everybody, person=ANN)
    assert verbs.hold_plans() == held
    assert waits(plan) is held


@pytest.mark.parametrize("columns", [{"breaks": False}, {"closed_at": MADE}])
def test_what_breaks_nothing_or_is_over_holds_no_plan(
    everybody: cast.Cast, columns: dict[str, Any]
) -> None:
    broken(**columns)
    plan = planned(everybody, group="eng")
    assert verbs.hold_plans() == 0
    assert not waits(plan)


def test_a_plan_of_another_way_waits_for_no_group(everybody: cast.Cast) -> None:
    broken()
    plan = planned(everybody, group="eng", target="eks")
    assert verbs.hold_plans() == 0
    assert not waits(plan)
