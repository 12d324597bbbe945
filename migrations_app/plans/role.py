"""The IAM role that stands where a user stood: its trust, its policy, Terraform and commands. Pure.

What the targets differ in is who may assume the role; the rest is the same for all of them and
stands here. A policy that is too long for one inline policy becomes several managed ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from migrations_app.plans import hcl, policy_hcl, statements
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import header, one_line, word
from migrations_app.plans.statements import INLINE, MANAGED, Statement

Document = Mapping[str, Any]

MANAGED_AT_MOST = 10
_LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9+=,.@_-]+")
_NOT_IN_DESCRIPTIONS = re.compile(r"[^ -~\xa1-\xff]")


@dataclass(frozen=True, slots=True)
class Role:
    """A role to be made. Without statements it may do nothing yet."""

    name: str
    trust: Document
    statements: tuple[Statement, ...]
    description: str
    user_id: str = ""
    session_seconds: int = 3600
    needs: tuple[str, ...] = ()  # what Terraform makes first

    @property
    def label(self) -> str:
        """What Terraform calls it."""
        return hcl.name_of(self.name)

    @property
    def inline(self) -> bool:
        """Whether its policy fits into one inline policy."""
        return statements.size(self.statements) <= INLINE

    @property
    def parts(self) -> tuple[tuple[Statement, ...], ...]:
        """The policy whole where it is inline, else as managed policies; none where it is empty."""
        if self.inline:
            return (self.statements,) if self.statements else ()
        return statements.split(self.statements, MANAGED)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What would be refused by AWS, or is of no use."""
        found = []
        if not self.statements:
            found.append("Nothing was seen that the role would need; it grants nothing yet.")
        if not self.inline and any(statements.size(part) > MANAGED for part in self.parts):
            found.append("One statement is longer than a managed policy may be; cut it by hand.")
        if len(self.parts) > MANAGED_AT_MOST:
            found.append(f"It takes {len(self.parts)} policies, and a role has {MANAGED_AT_MOST}.")
        return tuple(found)


def drafted(
    target: str,
    title: str,
    files: Iterable[GeneratedFile],
    policy: Policy,
    *,
    notes: Iterable[str] = (),
    warnings: Iterable[str] = (),
) -> Draft:
    """A draft with what is to be said of its policy."""
    return Draft(
        target,
        title,
        tuple(files),
        (*notes, *policy.notes),
        (*warnings, *policy.warnings),
        policy.used,
        policy.granted,
        policy.widened,
    )


def name_for(prefix: str, user_name: str) -> str:
    """A role's name for a user, the same each time; cut names end with a mark of the whole."""
    given = f"{prefix}{user_name}"
    kept = _NOT_IN_NAMES.sub("-", given)
    if kept == given and len(kept) <= _LONGEST_NAME:
        return kept
    mark = sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{kept[: _LONGEST_NAME - 7].rstrip('-')}-{mark}"


def description(facts: PlanFacts, how: str) -> str:
    """What a role is for, in the signs that IAM takes."""
    told = one_line(f"{how}. Replaces the IAM user {facts.user_name} ({facts.user_id}).")
    return _NOT_IN_DESCRIPTIONS.sub("?", told)[:1000]


def arn(facts: PlanFacts, name: str) -> str:
    return f"arn:{facts.partition}:iam::{facts.account_id}:role/{name}"


def trusting(principal: Document, conditions: Document, *actions: str) -> dict[str, Any]:
    """A trust policy of one statement."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": dict(principal),
        "Action": actions[0] if len(actions) == 1 else list(actions),
    }
    if conditions:
        statement["Condition"] = dict(conditions)
    return {"Version": "2012-10-17", "Statement": [statement]}


def resources(role: Role) -> list[hcl.Item]:
    """The role and its policy as Terraform, with the reasons of the policy as comments."""
    made: list[hcl.Item] = [
        hcl.resource(
            "aws_iam_role",
            role.label,
            *hcl.attributes(
                name=role.name,
                description=role.description,
                max_session_duration=role.session_seconds,
                assume_role_policy=hcl.Json(role.trust),
                tags={"replaces-iam-user": role.user_id} if role.user_id else None,
                depends_on=[hcl.Expression(one) for one in role.needs] or None,
            ),
        )
    ]
    this = f"aws_iam_role.{role.label}"
    if role.inline:
        for part in role.parts:
            held = hcl.attributes(
                name=role.name,
                role=hcl.Expression(f"{this}.id"),
                policy=policy_hcl.reference(role.label),
            )
            made.append(policy_hcl.block(role.label, part))
            made.append(hcl.resource("aws_iam_role_policy", role.label, *held))
        return made
    for number, part in enumerate(role.parts, start=1):
        label = f"{role.label}_{number}"
        held = hcl.attributes(name=part_name(role, number), policy=policy_hcl.reference(label))
        attached = hcl.attributes(
            role=hcl.Expression(f"{this}.name"),
            policy_arn=hcl.Expression(f"aws_iam_policy.{label}.arn"),
        )
        made += [
            policy_hcl.block(label, part),
            hcl.resource("aws_iam_policy", label, *held),
            hcl.resource("aws_iam_role_policy_attachment", label, *attached),
        ]
    return made


def part_name(role: Role, number: int) -> str:
    return name_for(f"{role.name[:50]}-part-{number}", "")


def terraform(
    facts: PlanFacts, role: Role, before: Iterable[hcl.Item] = (), after: Iterable[hcl.Item] = ()
) -> GeneratedFile:
    """`main.tf`: what the target needs around the role, and the role."""
    told = hcl.document([*before, *resources(role), *after], header(facts))
    return GeneratedFile("main.tf", told, "hcl")


def documents(role: Role) -> list[GeneratedFile]:
    """Trust and policy as JSON, which the commands name, and why the policy is as it is."""
    files = [document("trust-policy.json", role.trust)]
    for name, part in zip(_file_names(role), role.parts, strict=True):
        files.append(document(name, statements.document(part)))
    if any(one.why for one in role.statements):
        why = policy_hcl.why(role.statements)
        files.append(GeneratedFile("policy-reasons.json", why, "json"))
    return files


def _file_names(role: Role) -> list[str]:
    if role.inline:
        return ["policy.json"] * len(role.parts)
    return [f"policy-{number}.json" for number in range(1, len(role.parts) + 1)]


def document(path: str, held: Document) -> GeneratedFile:
    return GeneratedFile(path, statements.written(dict(held)), "json")


def script(
    facts: PlanFacts, role: Role, before: Iterable[str] = (), after: Iterable[str] = ()
) -> GeneratedFile:
    """`create.sh`: the same with the AWS CLI, for whoever does not use Terraform."""
    head = ["#!/usr/bin/env bash", *(f"# {line}" for line in header(facts))]
    head += ["# Run it in the folder of the JSON files.", "set -euo pipefail", ""]
    text = "\n".join([*head, *before, *commands(role), *after])
    return GeneratedFile("create.sh", f"{text}\n", "shell")


def commands(role: Role) -> list[str]:
    name = f"--role-name={word(role.name)}"
    tags = f" --tags=Key=replaces-iam-user,Value={word(role.user_id)}" if role.user_id else ""
    told = [
        f"aws iam create-role {name} --description={word(role.description)}"
        f" --max-session-duration={role.session_seconds}"
        f" --assume-role-policy-document=file://trust-policy.json{tags}"
    ]
    for number, file in enumerate(_file_names(role), start=1):
        if role.inline:
            held = f"--policy-name={word(role.name)} --policy-document=file://{file}"
            told.append(f"aws iam put-role-policy {name} {held}")
            continue
        held = f"--policy-name={word(part_name(role, number))}"
        made = f"aws iam create-policy {held} --policy-document=file://{file}"
        told.append(f"policy=$({made} --query=Policy.Arn --output=text)")
        told.append(f'aws iam attach-role-policy {name} --policy-arn="$policy"')
    return told


def undo(facts: PlanFacts, role: Role) -> list[str]:
    """What takes the role away again."""
    name = f"--role-name={word(role.name)}"
    told = []
    for number, _ in enumerate(role.parts, start=1):
        if role.inline:
            told.append(f"aws iam delete-role-policy {name} --policy-name={word(role.name)}")
        else:
            held = f"arn:{facts.partition}:iam::{facts.account_id}:policy/{part_name(role, number)}"
            told.append(f"aws iam detach-role-policy {name} --policy-arn={word(held)}")
            told.append(f"aws iam delete-policy --policy-arn={word(held)}")
    return [*told, f"aws iam delete-role {name}"]
