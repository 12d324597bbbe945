"""Terraform lets go of a user: nothing is destroyed early, and nothing is brought back."""

from __future__ import annotations

from dataclasses import replace

import hcl2
import pytest

from migrations_app.plans import letting_go
from tests.hcl_text import formatted
from tests.migrations_app.plans.people import deploy_bot


def written(address: str) -> dict[str, str]:
    facts = replace(deploy_bot(), terraform_managed=address)
    return {one.path: one.text for one in letting_go.files(facts)}


def test_a_user_in_no_code_gets_no_file() -> None:
    assert written("") == {}


@pytest.mark.parametrize("address", ["aws_iam_user.deploy", "module.ci.aws_iam_user.bot-1"])
def test_a_plain_address_is_forgotten_and_not_destroyed(address: str) -> None:
    told = written(address)
    assert formatted(told["removed.tf"]) == told["removed.tf"]
    (block,) = hcl2.loads(told["removed.tf"])["removed"]
    assert block["from"] == f"${{{address}}}"
    assert block["lifecycle"][0]["destroy"] is False
    assert f"terraform state rm {address}" in told["TERRAFORM-LETS-GO.md"]


@pytest.mark.parametrize(
    "address",
    ['aws_iam_user.all["a"]', "aws_iam_user.x[0]", "aws_iam_user.x } resource {", "$(rm -rf /)"],
)
def test_any_other_address_is_quoted_in_a_command_and_stands_in_no_block(address: str) -> None:
    told = written(address)
    assert set(told) == {"TERRAFORM-LETS-GO.md"}
    assert f"terraform state rm '{address}'" in told["TERRAFORM-LETS-GO.md"]


def test_where_the_address_is_not_known_it_is_looked_up_first() -> None:
    told = written("aws_iam_user")
    assert set(told) == {"TERRAFORM-LETS-GO.md"}
    assert "terraform state list | grep aws_iam_user" in told["TERRAFORM-LETS-GO.md"]
