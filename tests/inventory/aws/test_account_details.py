"""Policies of a whole account become levels; what could not be read is not called none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.estate import FUNCTION_ROLE
from demo.aws.faults import Fault
from inventory import refresh
from inventory.aws import account_details, paging
from inventory.aws.account_details import UserDetails
from inventory.aws.session import open_session
from inventory.models import Account, IamUser
from inventory.refresh import run as runs
from inventory.refresh.listing import read_users
from tests import cast

pytestmark = pytest.mark.django_db
ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"
POLICY = "arn:aws:iam::aws:policy/"
DEPLOYS = ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]


@pytest.fixture
def account() -> Account:
    return cast.account(
        reader_role=f"{ROLE}Reader", external_id="env:PRODUCTION_EXTERNAL_ID", enabled_regions=[]
    )


def details(account: Account, name: str) -> UserDetails:
    users = account_details.read(open_session(account, "reader")).users
    return next(one for one in users.values() if one.user_id == name)


def someone(simulator: Simulator, **columns: Any) -> str:
    """A user that holds nothing but these; its id."""
    name = next(one for one in sorted(simulator.account.users) if one != "break-glass")
    user = simulator.account.users[name]
    for column, value in {"groups": [], "attached": [], "inline": {}, **columns}.items():
        setattr(user, column, value)
    return user.id


def allow(*actions: str) -> dict[str, Any]:
    return {"Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}


@pytest.mark.parametrize(
    ("policy", "level"),
    [
        ("AdministratorAccess", "admin"),
        ("IAMFullAccess", "admin"),
        ("PowerUserAccess", "can-become-admin"),
        ("AWSLambda_FullAccess", "can-become-admin"),
        ("AmazonECS_FullAccess", "write"),
        ("AmazonEC2FullAccess", "write"),
        ("ReadOnlyAccess", "read"),
        ("SecurityAudit", "read"),
        ("job-function/ViewOnlyAccess", "read"),
        ("AWSDenyAll", "none"),
    ],
)
def test_the_policies_of_aws_have_their_levels(
    simulator: Simulator, account: Account, policy: str, level: str
) -> None:
    user_id = someone(simulator, attached=[f"{POLICY}{policy}"])
    assert details(account, user_id).privilege.level == level


def test_the_path_names_the_policy_the_group_and_the_role(
    simulator: Simulator, account: Account
) -> None:
    user_id = someone(simulator, groups=["deployers"])
    simulator.account.groups["deployers"].inline["deploy-lambda"] = allow(*DEPLOYS)
    found = details(account, user_id).privilege
    assert found.level == "can-become-admin"
    assert [path["text"] for path in found.facts["paths"]] == [
        "iam:PassRole with lambda:CreateFunction and lambda:InvokeFunction, and role"
        f" {FUNCTION_ROLE}, through inline policy deploy-lambda in group deployers"
    ]


def test_without_an_administrators_role_there_is_nobody_to_pass(
    simulator: Simulator, account: Account
) -> None:
    user_id = someone(simulator, inline={"deploy-lambda": allow(*DEPLOYS)})
    simulator.account.roles[FUNCTION_ROLE].attached = [f"{POLICY}ReadOnlyAccess"]
    found = details(account, user_id).privilege
    assert (found.level, found.facts["missing_count"]) == ("write", 1)


def test_a_role_that_leads_to_another_is_powerful_too(
    simulator: Simulator, account: Account
) -> None:
    function = simulator.account.roles[FUNCTION_ROLE]
    function.attached = []
    function.inline = {"passes": allow("iam:PassRole", "ec2:RunInstances")}
    host = simulator.account.roles["ci-runner"]
    host.attached = [f"{POLICY}AdministratorAccess"]
    service = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    host.trust = {"Statement": [service | {"Action": "sts:AssumeRole"}]}
    user_id = someone(simulator, inline={"deploy-lambda": allow(*DEPLOYS)})
    assert details(account, user_id).privilege.level == "can-become-admin"


def test_the_roles_of_administrators_are_named(simulator: Simulator, account: Account) -> None:
    found = account_details.read(open_session(account, "reader"))
    assert FUNCTION_ROLE in found.admin_roles
    assert any(name.startswith("AWSReservedSSO_Admin") for name in found.admin_roles)
    assert "IamCleanupActor" not in found.admin_roles


@pytest.mark.parametrize("document", [{}, {"Version": "2012-10-17"}])
def test_a_broken_document_is_said_and_hides_no_other_user(
    simulator: Simulator, account: Account, document: dict[str, Any]
) -> None:
    user_id = someone(simulator, inline={"broken": document})
    found = account_details.read(open_session(account, "reader")).users
    assert found[user_id].privilege.level == ""
    assert "Inline policy broken" in found[user_id].privilege.facts["unread"][0]
    assert len(found) == len(simulator.account.users)


def test_a_group_that_aws_did_not_tell_of_is_said(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = someone(simulator, groups=["developers"])

    def without_groups(*call: Any, **arguments: Any) -> Iterator[dict[str, Any]]:
        for page in paging.pages(*call, **arguments):
            yield {key: value for key, value in page.items() if key != "GroupDetailList"}

    monkeypatch.setattr(account_details, "pages", without_groups)
    found = details(account, user_id).privilege
    assert found.level == ""
    assert found.facts["unread"] == ["Policy (not told) in group developers was not given by AWS."]


def listed(account: Account) -> None:
    run = runs.claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    run.session = open_session(account, "reader")
    read_users(run)
    run.end(run.sync.Status.PARTIAL)


def test_where_aws_denies_the_policies_nobody_is_called_harmless(
    simulator: Simulator, account: Account
) -> None:
    denied = Fault("access-denied", "GetAccountAuthorizationDetails", count=None)
    simulator.faults.add(denied)
    listed(account)
    assert set(IamUser.objects.values_list("privilege", flat=True)) == {""}
    assert not IamUser.objects.exclude(privilege_facts={}).exists()
    simulator.faults.clear()
    listed(account)
    read = dict(IamUser.objects.values_list("user_id", "privilege"))
    assert "admin" in read.values()
    simulator.faults.add(denied)
    listed(account)
    # What was read once stays, with the gap beside it.
    assert dict(IamUser.objects.values_list("user_id", "privilege")) == read
    assert "AccessDenied" in IamUser.objects.all()[0].coverage["gaps"]["policies"]
