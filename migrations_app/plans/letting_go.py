"""How Terraform lets go of an IAM user without destroying it, and does not bring it back. Pure.

A user that stands in code is created again by the next apply after it is deleted. Taken out of the
code it would be destroyed by the next apply, before anybody watched: so the code forgets it first
(`removed` block, Terraform 1.7 and later, or the state command), and the deletion is made here.
"""

from __future__ import annotations

import re
from shlex import quote

from migrations_app.plans import hcl
from migrations_app.plans.facts import GeneratedFile, PlanFacts
from migrations_app.plans.hcl import Attribute, Block, Expression
from migrations_app.plans.prose import code, fenced, header, page, steps

_ADDRESS = re.compile(r"(module\.[A-Za-z_][\w-]*\.)*aws_iam_user\.[A-Za-z_][\w-]*", re.ASCII)
_ONLY_KIND = "aws_iam_user"
# What names the user and would be made again, or fail, without it.
_BESIDE = (
    "aws_iam_access_key",
    "aws_iam_user_group_membership",
    "aws_iam_user_login_profile",
    "aws_iam_user_policy",
    "aws_iam_user_policy_attachment",
    "aws_iam_user_ssh_key",
)


def files(facts: PlanFacts) -> tuple[GeneratedFile, ...]:
    """`removed.tf` where the address allows one, and the steps; nothing for a user in no code."""
    address = facts.terraform_managed
    if not address:
        return ()
    if not _ADDRESS.fullmatch(address):
        # An address of one of many (`this["a"]`) cannot stand in a `removed` block.
        return (_steps(facts, has_block=False),)
    kept = Block("lifecycle", (), (Attribute("destroy", False),))
    block = Block("removed", (), (Attribute("from", Expression(address)), kept))
    text = hcl.document([block], header(facts))
    return GeneratedFile("removed.tf", text, "hcl"), _steps(facts, has_block=True)


def _steps(facts: PlanFacts, *, has_block: bool) -> GeneratedFile:
    address = facts.terraform_managed
    user = code(facts.user_name)
    beside = ", ".join(code(one) for one in _BESIDE)
    lets_go = "Put `removed.tf` beside the code, and take the user's resource out of it."
    if not has_block:
        lets_go = "Let the state forget the user (below), then take it out of the code."
    told = [
        lets_go,
        f"Do the same with what names {user}: {beside}.",
        "Plan: it says that the user is forgotten and nothing is destroyed. If it destroys"
        " anything, stop.",
        "Apply. A day later plan again: it does not create the user.",
    ]
    return page(
        "TERRAFORM-LETS-GO.md",
        f"Take {facts.user_name} out of Terraform, and leave it in AWS",
        "It is deleted later, by the cleanup, when nothing uses it any more.",
        steps(told),
        "Without a `removed` block, or with Terraform before 1.7:",
        fenced(_commands(facts, address)),
    )


def _commands(facts: PlanFacts, address: str) -> list[str]:
    if address == _ONLY_KIND:
        return [
            f"terraform state list | grep {quote(_ONLY_KIND)}",
            "terraform state show ADDRESS  # the one with this name:",
            f"# {hcl.comment(facts.user_name)[2:]}",
            "terraform state rm ADDRESS",
        ]
    return [f"terraform state rm -dry-run {quote(address)}", f"terraform state rm {quote(address)}"]
