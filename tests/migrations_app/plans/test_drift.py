"""A group deleted and re-created under its name takes people's access; the watch sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrations_app.plans.drift import (
    Access,
    Assignment,
    Comparison,
    Finding,
    Group,
    Kind,
    Member,
    Snapshot,
    baseline,
    compare,
)
from migrations_app.plans.drift_fix import fix
from tests.migrations_app.plans import parsing

PROD, STAGING = "123456789012", "210987654321"
PEOPLE = tuple(Member(f"u-{number:02}", f"person{number:02}@acme.example") for number in range(14))
SET = "arn:aws:sso:::permissionSet/ssoins-1/ps-dev"
READ = "arn:aws:sso:::permissionSet/ssoins-1/ps-read"
OLD = Group("g-old", "platform-eng", "00g1k7old", PEOPLE)
NEW = Group("g-new", "platform-eng", "00g9xwnew", PEOPLE)
DATA = Group("g-data", "data-eng", "00gdata", PEOPLE[:2])


def given_to(group: str, account: str, name: str = "DeveloperAccess", arn: str = SET) -> Assignment:
    return Assignment(account, name, arn, group)


DEVELOPERS = (given_to("g-old", PROD), given_to("g-old", STAGING))
BEFORE = Snapshot(
    datetime(2025, 3, 6, 8, 30, tzinfo=UTC),
    (OLD, DATA),
    (*DEVELOPERS, given_to("g-data", PROD, "ReadOnly", READ)),
    "arn:aws:sso:::instance/ssoins-1",
    "d-9067",
)
NOW = replace(BEFORE, taken_at=BEFORE.taken_at + timedelta(minutes=20))
RECREATED = replace(NOW, groups=(NEW, DATA))


def only(told: Comparison) -> Finding:
    assert told.not_looked_at == ""
    assert len(told.findings) == 1
    return told.findings[0]


def test_nothing_is_found_where_nothing_changed() -> None:
    assert compare(BEFORE, NOW) == Comparison()


def test_a_group_deleted_and_re_created_names_everybody_who_lost_access() -> None:
    found = only(compare(BEFORE, RECREATED))
    assert found.kind is Kind.RECREATED
    assert (found.group.id, found.new and found.new.id) == ("g-old", "g-new")
    assert [loss.person for loss in found.lost] == list(PEOPLE)
    both = (Access(PROD, "DeveloperAccess"), Access(STAGING, "DeveloperAccess"))
    assert {loss.access for loss in found.lost} == {both}
    assert found.assignments == found.dead == DEVELOPERS
    assert "14 people lost DeveloperAccess in 2 accounts." in found.sentence
    assert found.holds("Platform-Eng")
    assert not found.holds("data-eng")


def test_it_stays_found_until_it_is_mended() -> None:
    kept = baseline(BEFORE, RECREATED)
    assert kept == BEFORE
    half = replace(RECREATED, assignments=(*RECREATED.assignments, given_to("g-new", PROD)))
    found = only(compare(kept, half))
    assert {loss.access for loss in found.lost} == {(Access(STAGING, "DeveloperAccess"),)}
    assert [one.account_id for one in found.assignments] == [STAGING]
    made = tuple(replace(one, principal_id="g-new") for one in DEVELOPERS)
    dead = replace(RECREATED, assignments=(*RECREATED.assignments, *made))
    left = only(compare(kept, dead))
    assert (left.lost, left.assignments, left.dead) == ((), (), DEVELOPERS)
    rest = tuple(one for one in dead.assignments if one.principal_id != "g-old")
    clean = replace(dead, assignments=rest)
    assert compare(kept, clean) == Comparison()
    assert baseline(kept, clean) == clean


def test_a_re_created_group_that_has_its_assignments_but_no_members_is_found() -> None:
    made = tuple(replace(one, principal_id="g-new") for one in DEVELOPERS)
    empty = replace(NOW, groups=(replace(NEW, members=()), DATA), assignments=made)
    found = next(one for one in compare(BEFORE, empty).findings if one.kind is Kind.RECREATED)
    assert len(found.lost) == 14


def test_who_has_the_same_by_another_way_lost_nothing() -> None:
    also = given_to("g-data", PROD), given_to("g-data", STAGING)
    before = replace(BEFORE, assignments=(*BEFORE.assignments, *also))
    now = replace(RECREATED, assignments=before.assignments)
    assert [loss.person for loss in only(compare(before, now)).lost] == list(PEOPLE[2:])
    direct = Assignment(PROD, "DeveloperAccess", SET, PEOPLE[5].user_id, "USER")
    one = replace(now, assignments=(*now.assignments, direct))
    lost = {loss.person: loss.access for loss in only(compare(before, one)).lost}
    assert lost[PEOPLE[5]] == (Access(STAGING, "DeveloperAccess"),)


def test_a_group_that_is_gone_and_one_that_is_emptied() -> None:
    gone = only(compare(BEFORE, replace(NOW, groups=(DATA,))))
    assert (gone.kind, len(gone.lost), gone.dead) == (Kind.GONE, 14, DEVELOPERS)
    emptied = only(compare(BEFORE, replace(NOW, groups=(replace(OLD, members=()), DATA))))
    assert (emptied.kind, len(emptied.lost)) == (Kind.EMPTIED, 14)
    fewer = replace(NOW, groups=(replace(OLD, members=PEOPLE[:3]), DATA))
    assert compare(BEFORE, fewer) == Comparison()


def test_an_assignment_that_vanished_names_those_still_in_the_group() -> None:
    rest = tuple(one for one in BEFORE.assignments if one != DEVELOPERS[0])
    now = replace(NOW, assignments=rest, groups=(replace(OLD, members=PEOPLE[:9]), DATA))
    found = only(compare(BEFORE, now))
    assert (found.kind, found.assignments) == (Kind.VANISHED, (DEVELOPERS[0],))
    assert [loss.person for loss in found.lost] == list(PEOPLE[:9])
    assert {loss.access for loss in found.lost} == {(Access(PROD, "DeveloperAccess"),)}


def test_what_a_person_was_given_directly_and_has_no_more_is_found() -> None:
    direct = Assignment(PROD, "DeveloperAccess", SET, "u-lone", "USER")
    lone = Member("u-lone", "lone@acme.example")
    before = replace(BEFORE, assignments=(*BEFORE.assignments, direct), people=(lone,))
    found = only(compare(before, replace(NOW, people=(lone,))))
    assert (found.kind, found.assignments) == (Kind.PERSON, (direct,))
    assert found.sentence == (
        "What was assigned to lone@acme.example directly is not any more."
        " 1 person lost DeveloperAccess in 1 account."
    )
    [terraform] = fix(found, NOW).files
    [made] = parsing.hcl(terraform.text).values()
    assert (parsing.meant(made["principal_id"]), parsing.meant(made["principal_type"])) == (
        "u-lone",
        "USER",
    )
    # Who left the directory, and who has it by a group now, lost nothing.
    assert compare(before, NOW) == Comparison()
    joined = replace(OLD, members=(*PEOPLE, lone))
    assert compare(before, replace(NOW, people=(lone,), groups=(joined, DATA))) == Comparison()


def test_an_old_dead_assignment_is_found_at_the_first_look_and_keeps_no_baseline() -> None:
    first = replace(BEFORE, assignments=(*BEFORE.assignments, given_to("g-long-gone", PROD)))
    found = only(compare(first, first))
    assert (found.kind, found.dead) == (Kind.DEAD, (given_to("g-long-gone", PROD),))
    later = replace(first, taken_at=NOW.taken_at)
    assert baseline(first, later) == later


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (BEFORE, replace(NOW, missing="sso:ListAccountAssignments was denied."), "new look"),
        (replace(BEFORE, missing="throttled"), NOW, "earlier look"),
        (BEFORE, replace(NOW, groups=()), "No group at all"),
        (BEFORE, replace(NOW, identity_store_id="d-other"), "different identity stores"),
    ],
)
def test_a_look_that_is_not_whole_finds_nothing_and_says_so(
    before: Snapshot, now: Snapshot, why: str
) -> None:
    told = compare(before, now)
    assert told.findings == ()
    assert why in told.not_looked_at
    assert baseline(before, now) == before


def test_the_fix_gives_the_new_group_every_assignment_and_removes_the_dead_ones() -> None:
    told = fix(only(compare(BEFORE, RECREATED)), RECREATED)
    parsing.check(told.files)
    terraform, script = (one.text for one in told.files)
    found = parsing.hcl(terraform)
    made = [one for name, one in found.items() if name.startswith("aws_ssoadmin_account_")]
    assert {parsing.meant(one["target_id"]) for one in made} == {PROD, STAGING}
    assert all("data.aws_identitystore_group." in one["principal_id"] for one in made)
    assert script.count("--principal-id=g-old") == 2
    steps = "\n".join(told.steps)
    assert "00g1k7old (g-old) became 00g9xwnew (g-new)" in steps
    assert all(one.name in steps for one in PEOPLE)


@settings(max_examples=40)
@given(name=parsing.NAMES, set_name=parsing.NAMES, arn=parsing.NAMES)
@example(name="a", set_name="b", arn="\r")
def test_whatever_a_group_is_called_its_fix_can_be_read(name: str, set_name: str, arn: str) -> None:
    held = (Assignment(PROD, set_name, arn, "g-old"),)
    before = replace(BEFORE, groups=(replace(OLD, name=name), DATA), assignments=held)
    now = replace(RECREATED, groups=(replace(NEW, name=name), DATA), assignments=held)
    terraform, script = fix(only(compare(before, now)), now).files
    found = parsing.hcl(terraform.text)
    made = next(one for name, one in found.items() if name.startswith("aws_ssoadmin_account_"))
    assert parsing.meant(made["permission_set_arn"]) == arn
    (called,) = parsing.calls(script.text)
    assert f"--permission-set-arn={arn}" in called
    assert len(called) == 8


@pytest.mark.parametrize("name", parsing.TEMPLATES)
def test_a_group_named_like_a_template_is_a_text(name: str) -> None:
    before = replace(BEFORE, groups=(replace(OLD, name=name), DATA))
    now = replace(RECREATED, groups=(replace(NEW, name=name), DATA))
    told = fix(only(compare(before, now)), now).files[0].text
    assert parsing.formatted(told) == told
    literal = next(line.split(" = ")[1] for line in told.splitlines() if "attribute_value" in line)
    assert parsing.meant(literal) == name


PARTS = st.permutations([*BEFORE.assignments])


@given(PARTS, st.permutations([NEW, DATA]))
def test_the_order_of_the_lists_does_not_matter(
    assignments: list[Assignment], groups: list[Group]
) -> None:
    now = replace(RECREATED, assignments=tuple(assignments), groups=tuple(groups))
    assert compare(BEFORE, now) == compare(BEFORE, RECREATED)
