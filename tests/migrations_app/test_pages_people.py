"""Settings, people: roles by file and by group, last sign-ins, open requests, and Forget."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from inventory import clock
from inventory.models import Account, Identity, Person
from migrations_app import sign_ins
from migrations_app.declared import declare
from migrations_app.sign_ins import Vouched
from tests import cast

pytestmark = pytest.mark.django_db
FILE = """\
accounts:
  - {id: "123456789012", name: production}
people:
  - {username: jonas, name: Jonas Weber, email: jonas@acme.example, roles: [engineer]}
  - {username: ada, name: Ada Berg, email: ada@acme.example, roles: [admin]}
sign_in:
  group_roles:
    iam-approvers: {roles: [approver]}
"""
GROUP = frozenset({"iam-approvers"})


@pytest.fixture
def jonas() -> Person:
    declare.apply(FILE)
    told = Vouched("https://okta", "Okta", "00u1", "jonas@acme.example", True, "Jonas", GROUP)
    return sign_ins.admit(told)


def signed_in(username: str) -> Client:
    client = Client()
    client.force_login(Person.objects.get(username=username))
    return client


def words(client: Client) -> str:
    page = re.sub(r"<[^>]+>", " ", client.get("/settings/people/").content.decode())
    return re.sub(r"\s+", " ", page)


def test_each_role_says_whether_file_or_group_brought_it(jonas: Person) -> None:
    page = words(signed_in("jonas"))
    assert "Security engineer Approver by iam-approvers" in page
    # The group itself, with what it brings and its line.
    assert "iam-approvers Approver – 8" in page


def test_whom_only_a_group_brought_has_no_line(jonas: Person) -> None:
    told = Vouched("https://okta", "Okta", "00u9", "lee@acme.example", True, "Lee Park", GROUP)
    sign_ins.admit(told)
    assert "Lee Park lee@acme.example Approver by iam-approvers – never 0 by group" in words(
        signed_in("jonas")
    )


def test_open_requests_and_the_last_sign_in_are_shown(jonas: Person) -> None:
    account = Account.objects.get()
    cast.batch(account, jonas)
    cast.batch(account, jonas, asked_by=jonas, asked_at=clock.now(), status="asked")
    assert re.search(r"jonas@acme\.example .*? just now .*? 2 4 ", words(signed_in("jonas")))


def test_somebody_who_is_switched_off_is_shown_as_that(jonas: Person) -> None:
    declare.apply(
        FILE.replace("  - {username: jonas", "  - {username: mei").replace("jonas@", "m@")
    )
    assert "Jonas Weber jonas switched off" in words(signed_in("ada"))


def test_an_admin_forgets_a_sign_in_and_nobody_else_sees_the_button(jonas: Person) -> None:
    assert "Forget" not in words(signed_in("jonas"))
    ada = signed_in("ada")
    assert "Forget whom single sign-on knows as jonas?" in words(ada) + str(
        re.findall(r'aria-label="(Forget[^"]+)"', ada.get("/settings/people/").content.decode())
    )
    answer = ada.post("/settings/people/jonas/forget/", follow=True)
    assert "The next verified sign-in with jonas@acme.example joins" in answer.content.decode()
    assert not Identity.objects.exists()
    assert ada.post("/settings/people/jonas/forget/").status_code == 409


def test_more_people_cost_no_more_queries(
    jonas: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        cast.person(f"person-{number}", "", [])
    ada = signed_in("ada")
    with django_assert_max_num_queries(16):
        ada.get("/settings/people/")
