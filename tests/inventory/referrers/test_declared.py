"""Signs of code and of services, and when a person's word about them still counts."""

from __future__ import annotations

import pytest

from inventory.referrers.declared import of_origin, signs_digest

TERRAFORM_AGENT = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) terraform-provider-aws/5.70"
)


@pytest.mark.parametrize(
    ("tags", "created_with", "kind", "name"),
    [
        ({"aws:cloudformation:stack-name": "web"}, "", "cloudformation", "web"),
        ({"ManagedBy": "Terraform"}, "", "declared", "Terraform"),
        ({"managed-by": "platform team, terraform"}, "", "declared", "Terraform"),
        ({"Managed_By": "OpenTofu"}, "", "declared", "OpenTofu"),
        ({"terraform": "true"}, "", "declared", "Terraform"),
        ({"pulumi:project": "web"}, "", "declared", "Pulumi"),
        ({}, TERRAFORM_AGENT, "declared", "Terraform"),
        ({}, "cloudformation.amazonaws.com", "declared", "CloudFormation"),
        ({}, "pulumi-aws/6.1", "declared", "Pulumi"),
    ],
)
def test_what_code_declares_blocks(
    tags: dict[str, str], created_with: str, kind: str, name: str
) -> None:
    (found,) = of_origin("ci", tags, created_with, "")
    assert (found.kind, found.name, found.blocks) == (kind, name, True)
    assert "record here that it was removed" in found.fix


@pytest.mark.parametrize(
    ("tags", "created_with"),
    [
        ({}, ""),
        ({}, "console.amazonaws.com"),
        ({"team": "terraform"}, ""),
        ({"terraform": "false"}, "aws-cli/2.15.30"),
    ],
)
def test_nothing_else_is_a_sign_of_code(tags: dict[str, str], created_with: str) -> None:
    assert of_origin("ci", tags, created_with, "") == []


def test_managed_by_a_person_only_warns() -> None:
    (found,) = of_origin("ci", {"ManagedBy": "anna"}, "", "")
    assert (found.kind, found.blocks) == ("managed", False)


@pytest.mark.parametrize(
    ("user_name", "service"),
    [
        ("ses-smtp-user.20230114-101500", "Amazon SES"),
        ("BedrockAPIKey-x7k2", "Amazon Bedrock"),
    ],
)
def test_what_a_service_made_warns_and_says_what_to_do_there_first(
    user_name: str, service: str
) -> None:
    (found,) = of_origin(user_name, {}, "", "")
    assert (found.kind, found.name, found.blocks) == ("made-by", service, False)
    assert found.fix


def test_removed_from_the_code_lets_it_go_while_the_signs_stay_the_same() -> None:
    tags = {"ManagedBy": "Terraform"}
    said = signs_digest(tags, "")
    (found,) = of_origin("ci", tags, "", said)
    assert not found.blocks
    assert "recorded as removed" in found.text
    for other in ({"ManagedBy": "Pulumi"}, {"ManagedBy": "terraform v2"}):
        (found,) = of_origin("ci", other, "", said)
        assert found.blocks


def test_a_word_about_one_tool_says_nothing_of_another() -> None:
    stack, both = (
        {"aws:cloudformation:stack-name": "web"},
        {"aws:cloudformation:stack-name": "web", "ManagedBy": "Terraform"},
    )
    assert {(one.name, one.blocks) for one in of_origin("ci", both, "", "")} == {
        ("web", True),
        ("Terraform", True),
    }
    said = signs_digest(stack, "")
    assert all(one.blocks for one in of_origin("ci", both, "", said))
    assert all(one.blocks for one in of_origin("ci", stack, TERRAFORM_AGENT, said))


def test_a_tool_that_is_tagged_and_seen_creating_is_told_once() -> None:
    (found,) = of_origin("ci", {"ManagedBy": "Terraform"}, TERRAFORM_AGENT, "")
    assert found.text == "Tagged ManagedBy=Terraform"
    stack = {"aws:cloudformation:stack-name": "web"}
    (found,) = of_origin("ci", stack, "cloudformation.amazonaws.com", "")
    assert found.kind == "cloudformation"


def test_a_tag_that_declares_nothing_changes_nothing_about_it() -> None:
    tags = {"ManagedBy": "Terraform"}
    assert signs_digest(tags | {"team": "data"}, "") == signs_digest(tags, "")


def test_without_a_sign_there_is_nothing_to_record() -> None:
    assert signs_digest({"team": "data"}, "") == ""
