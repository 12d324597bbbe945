"""Roles by the file and by groups stand beside each other; neither takes what the other gave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inventory.models import Identity, LedgerEntry, Person
from inventory.refusals import NotAllowed, Stale
from migrations_app import sign_ins
from migrations_app.declared import declare
from migrations_app.sign_ins import Vouched

pytestmark = pytest.mark.django_db
FILE = """\
accounts:
  - {id: "123456789012", name: production}
teams:
  - {key: payments, lead: sara}
  - {key: platform}
people:
  - {username: sara, email: sara@acme.example, roles: [lead], teams: [payments]}
  - {username: mei, email: mei@acme.example, roles: [engineer, approver]}
  - {username: ada, email: ada@acme.example, roles: [admin]}
sign_in:
  group_roles:
    engineers: {roles: [engineer]}
    platform-leads: {roles: [lead], teams: [platform]}
"""
LEE = Vouched("https://okta", "Okta", "00u9", "lee@acme.example", True, "Lee", frozenset())


def lee(*groups: str) -> Person:
    return sign_ins.admit(replace(LEE, groups=frozenset(groups)))


def mei(*groups: str) -> Person:
    told = replace(LEE, subject="00u2", email="mei@acme.example", groups=frozenset(groups))
    return sign_ins.admit(told)


@pytest.fixture(autouse=True)
def _applied() -> None:
    declare.apply(FILE)


def test_what_groups_give_is_no_difference_to_the_file() -> None:
    lee("engineers")
    assert mei("engineers", "platform-leads").roles == ["approver", "engineer", "lead"]
    assert declare.apply(FILE).lines() == ["Nothing to change."]
    assert Person.objects.get(username="mei").teams.get().key == "platform"


def test_who_comes_by_a_group_alone_is_called_by_what_of_the_name_can_be_seen() -> None:
    told = replace(LEE, name="Le\u202ee\u200b", groups=frozenset({"engineers"}))
    assert sign_ins.admit(told).name == "Lee"


def test_a_group_takes_only_its_own_part_along() -> None:
    mei("engineers", "platform-leads")
    person = mei()
    assert person.roles == ["approver", "engineer"]
    assert not person.teams.exists()


def test_what_the_file_gives_no_more_stays_by_a_group_that_gives_it_too() -> None:
    mei("engineers")
    declare.apply(FILE.replace("[engineer, approver]", "[]"))
    assert Person.objects.get(username="mei").roles == ["engineer"]
    assert mei("engineers").roles == ["engineer"]


def test_a_group_that_the_file_gives_nothing_any_more_counts_at_once() -> None:
    lee("engineers", "platform-leads")
    declare.apply(FILE.replace("{roles: [engineer]}", "{roles: [viewer]}"))
    person = Person.objects.get(username="lee@acme.example")
    assert person.roles == ["lead", "viewer"]
    declare.apply(FILE.replace("    engineers: {roles: [engineer]}\n", ""))
    person.refresh_from_db()
    assert (person.roles, person.groups) == (["lead"], ["platform-leads"])


def test_whom_a_group_brought_becomes_the_declared_person_of_that_address() -> None:
    before = lee("engineers")
    declare.apply(FILE + "")
    added = "  - {username: lee, name: Lee Park, email: LEE@acme.example, roles: [viewer]}\nsign_in"
    declare.apply(FILE.replace("sign_in", added))
    after = Person.objects.get(username="lee")
    assert (after.pk, after.declared, after.roles) == (before.pk, True, ["engineer", "viewer"])
    assert lee("engineers").pk == before.pk


def test_somebody_taken_out_of_the_file_is_switched_off_whatever_their_groups_say() -> None:
    mei("engineers")
    line = "  - {username: mei, email: mei@acme.example, roles: [engineer, approver]}\n"
    declare.apply(FILE.replace(line, ""))
    with pytest.raises(NotAllowed, match="switched off"):
        mei("engineers")
    assert Person.objects.get(username="mei").roles == []


def test_another_address_in_the_file_lets_go_of_whoever_proved_the_old_one() -> None:
    mei()
    declare.confirm(
        declare.apply(FILE.replace("mei@acme", "mei.tanaka@acme")).pending,  # type: ignore[arg-type]
        Person.objects.get(username="ada"),
    )
    assert not Identity.objects.exists()
    with pytest.raises(NotAllowed, match="not in a group"):
        mei()
    told = replace(LEE, subject="00u3", email="mei.tanaka@acme.example")
    assert sign_ins.admit(told).username == "mei"


def test_an_admin_forgets_a_sign_in_and_the_next_one_joins_anew() -> None:
    person, ada = mei(), Person.objects.get(username="ada")
    with pytest.raises(NotAllowed):
        sign_ins.forget(person, person)
    sign_ins.forget(person, ada)
    with pytest.raises(Stale):
        sign_ins.forget(person, ada)
    told = replace(LEE, subject="00u3", email="mei@acme.example")
    assert sign_ins.admit(told) == person
    kinds = LedgerEntry.objects.filter(kind__startswith="person.").order_by("seq")
    assert [entry.kind for entry in kinds] == ["person.joined", "person.forgotten", "person.joined"]
