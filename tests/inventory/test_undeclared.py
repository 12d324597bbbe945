"""Which accounts of the organization are not declared, as YAML that the product itself takes."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from demo.aws.account import Simulator
from demo.aws.organizations import Member as AwsMember
from demo.aws.organizations import Organization
from inventory import undeclared
from inventory.aws.organizations import Listed, Member
from inventory.models import Account, Role
from inventory.organization import read
from tests import cast
from tests.migrations_app.browsing import browser, text_of

ROLE = "arn:aws:iam::{id}:role/IamCleanupReader"


def member(number: int, name: str, state: str = "ACTIVE") -> Member:
    return Member(f"{number:012d}", name, state)


def declared_by(lines: list[str]) -> list[tuple[str, str, str, str]]:
    document = "\n".join(["accounts:", *lines, "custodian: security"])
    document += "\nteams:\n  - {key: security, name: Security}\n"
    accounts = read(document).accounts
    return [(one.account_id, one.name, one.reader_role, one.external_id) for one in accounts]


def test_members_are_told_apart() -> None:
    members = [member(1, "a"), member(2, "b"), member(3, "c", "SUSPENDED")]
    found = undeclared.compare(members, ["000000000001", "999999999999"])
    assert [one.name for one in found.declared] == ["a"]
    assert [one.name for one in found.missing] == ["b"]
    assert [one.name for one in found.closed] == ["c"]
    assert found.strangers == ("999999999999",)


def test_the_stanza_is_what_the_file_takes() -> None:
    lines = undeclared.stanza([member(2, "staging")], ROLE, "env:EXTERNAL_{id}")
    assert declared_by(lines) == [
        (
            "000000000002",
            "staging",
            "arn:aws:iam::000000000002:role/IamCleanupReader",
            "env:EXTERNAL_000000000002",
        )
    ]


@pytest.mark.parametrize(
    "name",
    [
        'quote " and \\ backslash',
        "line\nbreak: {evil: true}",
        "# no comment",
        "Grün – 日本",
        "bell\x07\x1b[31m",
        "on",
    ],
)
def test_a_name_out_of_aws_stays_one_name(name: str) -> None:
    ((_, shown, _, _),) = declared_by(undeclared.stanza([member(2, name)], ROLE))
    assert shown == "".join(one for one in name if one.isprintable())


def test_names_that_stand_twice_or_are_taken_get_their_id() -> None:
    members = [member(2, "dev"), member(3, "Dev"), member(4, "production"), member(5, "")]
    lines = undeclared.stanza(members, ROLE, taken_names=["Production"])
    assert [name for _, name, _, _ in declared_by(lines)] == [
        "dev 000000000002",
        "Dev 000000000003",
        "production 000000000004",
        "000000000005",
    ]


@pytest.fixture
def production(simulator: Simulator) -> Account:
    simulator.organization = Organization(
        cast.ACCOUNT_ID,
        [
            AwsMember(cast.ACCOUNT_ID, "production"),
            AwsMember("222222222222", "staging"),
            AwsMember("333333333333", "old sandbox", state="SUSPENDED"),
        ],
    )
    return cast.account(
        reader_role=ROLE.replace("{id}", cast.ACCOUNT_ID),
        external_id="env:PRODUCTION_EXTERNAL_ID",
    )


@pytest.mark.django_db
def test_the_command_lists_through_a_declared_account_and_declares_nothing(
    production: Account,
) -> None:
    out = StringIO()

    call_command("organization", "accounts", through=cast.ACCOUNT_ID, stdout=out)

    lines = out.getvalue().splitlines()
    said = [line for line in lines if line.startswith("#")]
    assert "3 accounts, 1 declared, 1 not." in said[0]
    assert "# 333333333333 is suspended and left out." in said
    pasted = declared_by([line for line in lines if not line.startswith("#")])
    assert [row[:3] for row in pasted] == [
        ("222222222222", "staging", "arn:aws:iam::222222222222:role/IamCleanupReader")
    ]
    assert Account.objects.count() == 1


@pytest.mark.django_db
def test_the_role_follows_the_pattern_that_is_given(production: Account) -> None:
    out = StringIO()
    pattern = "arn:aws:iam::{id}:role/security/reader"
    options = {"through": cast.ACCOUNT_ID, "reader_role": pattern, "external_id": "env:X_{id}"}

    call_command("organization", "accounts", stdout=out, **options)

    assert "arn:aws:iam::222222222222:role/security/reader" in out.getvalue()
    assert "env:X_222222222222" in out.getvalue()


@pytest.mark.django_db
def test_whoever_may_not_list_is_told_in_the_words_of_aws(production: Account) -> None:
    with pytest.raises(CommandError) as refused:
        # The ambient credentials may assume roles and nothing else.
        call_command("organization", "accounts")
    assert f"could not be listed as account {cast.ACCOUNT_ID}" in str(refused.value)
    assert "DescribeOrganization: AccessDenied" in str(refused.value)
    assert "management account" in str(refused.value)


@pytest.mark.django_db
def test_an_account_that_is_not_declared_cannot_be_asked() -> None:
    with pytest.raises(CommandError, match="no account 999999999999 here"):
        call_command("organization", "accounts", through="999999999999")


@pytest.mark.django_db
def test_settings_say_how_many_are_not_declared_once_somebody_listed(production: Account) -> None:
    jonas = browser(cast.person("jonas", "Jonas Weber", [Role.ENGINEER]))
    assert "not declared" not in text_of(jonas.get("/settings/accounts/"))

    call_command("organization", "accounts", through=cast.ACCOUNT_ID, stdout=StringIO())

    assert "1 account of the organization is not declared." in text_of(
        jonas.get("/settings/accounts/")
    )
    cast.account("222222222222", "staging")
    assert "not declared" not in text_of(jonas.get("/settings/accounts/"))


@pytest.mark.django_db
def test_what_is_remembered_forgets_suspended_ones() -> None:
    undeclared.remember(Listed("o-1", "1", (member(1, "a"), member(2, "b", "SUSPENDED"))))
    assert undeclared.count([]) == 1
