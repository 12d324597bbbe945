"""The IAM role that stands where a user stood: its trust, its policy, Terraform and commands. Pure.

What the targets differ in is who may assume the role; the rest is the same for all of them and
stands here. A policy that is too long for one inline policy becomes several managed ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from shlex import quote
from typing import Any

from migrations_app.plans import hcl
from migrations_app.plans.facts import GeneratedFile, PlanFacts
from migrations_app.plans.prose import header, one_line

Document = Mapping[str, Any]

# Signs other than white space: all inline policies of a role together, and one managed policy.
INLINE_SIZE = 10_240
MANAGED_SIZE = 6_144
MANAGED_AT_MOST = 10
_LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9+=,.@_-]+")
_NOT_IN_DESCRIPTIONS = re.compile(r"[^ -~\xa1-\xff]")


@dataclass(frozen=True, slots=True)
class Role:
    """A role to be made. `policy` may be empty: then it may do nothing yet."""

    name: str
    trust: Document
    policy: Document
    description: str
    user_id: str = ""
    session_seconds: int = 3600
    needs: tuple[str, ...] = ()  # what Terraform makes first
    remarks: tuple[str, ...] = ()  # why the policy is wider than what was seen

    @property
    def label(self) -> str:
        """What Terraform calls it."""
        return hcl.name_of(self.name)

    @property
    def parts(self) -> tuple[Document, ...]:
        """The policy as one inline document, or as the managed ones it has to be cut into."""
        return _cut(self.policy)

    @property
    def inline(self) -> bool:
        return len(self.parts) == 1 and size(self.policy) <= INLINE_SIZE

    @property
    def warnings(self) -> tuple[str, ...]:
        """What would be refused by AWS."""
        found = []
        if not statements(self.policy):
            found.append("Nothing was seen that the role would need; it grants nothing yet.")
        if any(size(part) > MANAGED_SIZE for part in self.parts) and not self.inline:
            found.append("One statement is longer than a managed policy may be; cut it by hand.")
        if len(self.parts) > MANAGED_AT_MOST:
            found.append(f"It takes {len(self.parts)} policies, and a role has {MANAGED_AT_MOST}.")
        return tuple(found)


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


def statements(policy: Document) -> list[Any]:
    held = policy.get("Statement") or []
    return held if isinstance(held, list) else [held]


def size(policy: Document) -> int:
    """Signs as AWS counts them: without white space."""
    return len(re.sub(r"\s", "", json.dumps(policy)))


def resources(role: Role) -> list[hcl.Item]:
    """The role and its policy as Terraform."""
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
    if not statements(role.policy):
        return made
    made += [hcl.Comment(words) for words in role.remarks]
    this = f"aws_iam_role.{role.label}"
    if role.inline:
        held = hcl.attributes(
            name=role.name, role=hcl.Expression(f"{this}.id"), policy=hcl.Json(role.policy)
        )
        return [*made, hcl.resource("aws_iam_role_policy", role.label, *held)]
    for number, part in enumerate(role.parts, start=1):
        label = f"{role.label}_{number}"
        held = hcl.attributes(name=part_name(role, number), policy=hcl.Json(part))
        made.append(hcl.resource("aws_iam_policy", label, *held))
        attached = hcl.attributes(
            role=hcl.Expression(f"{this}.name"),
            policy_arn=hcl.Expression(f"aws_iam_policy.{label}.arn"),
        )
        made.append(hcl.resource("aws_iam_role_policy_attachment", label, *attached))
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
    """Trust and policy as JSON, which the commands name."""
    files = [document("trust-policy.json", role.trust)]
    if not statements(role.policy):
        return files
    if role.inline:
        return [*files, document("policy.json", role.policy)]
    numbered = enumerate(role.parts, start=1)
    return [*files, *(document(f"policy-{number}.json", part) for number, part in numbered)]


def document(path: str, held: Document) -> GeneratedFile:
    return GeneratedFile(path, json.dumps(held, indent=2) + "\n", "json")


def script(
    facts: PlanFacts, role: Role, before: Iterable[str] = (), after: Iterable[str] = ()
) -> GeneratedFile:
    """`create.sh`: the same with the AWS CLI, for whoever does not use Terraform."""
    head = ["#!/usr/bin/env bash", *(f"# {line}" for line in header(facts))]
    head += ["# Run it in the folder of the JSON files.", "set -euo pipefail", ""]
    text = "\n".join([*head, *before, *commands(role), *after])
    return GeneratedFile("create.sh", f"{text}\n", "shell")


def commands(role: Role) -> list[str]:
    name = f"--role-name={quote(role.name)}"
    tags = f" --tags=Key=replaces-iam-user,Value={quote(role.user_id)}" if role.user_id else ""
    told = [
        f"aws iam create-role {name} --description={quote(role.description)}"
        f" --max-session-duration={role.session_seconds}"
        f" --assume-role-policy-document=file://trust-policy.json{tags}"
    ]
    if not statements(role.policy):
        return told
    if role.inline:
        held = f"--policy-name={quote(role.name)} --policy-document=file://policy.json"
        return [*told, f"aws iam put-role-policy {name} {held}"]
    for number, _ in enumerate(role.parts, start=1):
        held = f"--policy-name={quote(part_name(role, number))}"
        made = f"aws iam create-policy {held} --policy-document=file://policy-{number}.json"
        told.append(f"policy=$({made} --query=Policy.Arn --output=text)")
        told.append(f'aws iam attach-role-policy {name} --policy-arn="$policy"')
    return told


def undo(facts: PlanFacts, role: Role) -> list[str]:
    """What takes the role away again."""
    name = f"--role-name={quote(role.name)}"
    told = []
    if statements(role.policy) and role.inline:
        told.append(f"aws iam delete-role-policy {name} --policy-name={quote(role.name)}")
    elif statements(role.policy):
        for number, _ in enumerate(role.parts, start=1):
            held = f"arn:{facts.partition}:iam::{facts.account_id}:policy/{part_name(role, number)}"
            told.append(f"aws iam detach-role-policy {name} --policy-arn={quote(held)}")
            told.append(f"aws iam delete-policy --policy-arn={quote(held)}")
    return [*told, f"aws iam delete-role {name}"]


def _cut(policy: Document) -> tuple[Document, ...]:
    """The policy whole where it fits inline, else its statements in as few documents as come."""
    if size(policy) <= INLINE_SIZE:
        return (policy,)
    version = policy.get("Version", "2012-10-17")
    parts: list[list[Any]] = [[]]
    for statement in statements(policy):
        wider = {"Version": version, "Statement": [*parts[-1], statement]}
        if parts[-1] and size(wider) > MANAGED_SIZE:
            parts.append([])
        parts[-1].append(statement)
    return tuple({"Version": version, "Statement": part} for part in parts)
