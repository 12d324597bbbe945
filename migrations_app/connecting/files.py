"""The roles of an account as files: a CloudFormation template and Terraform that say the same.

Nothing in them is left to fill in. The policies are those that `manage.py iam_policy` prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inventory.models import Account, Connection
from migrations_app.connecting.trust import partition_of, trust
from migrations_app.iam_policies import ROLES, RoleName, policy, protected_names
from migrations_app.plans import hcl
from migrations_app.plans.prose import one_line

FileName = Literal["cloudformation.json", "iam-cleanup.tf"]
FILES: tuple[FileName, ...] = ("cloudformation.json", "iam-cleanup.tf")
POLICY_NAME = "iam-cleanup"
_SESSION_SECONDS = 3600
_FOR: Mapping[RoleName, str] = {
    "reader": "IAM Cleanup reads with it and can change nothing.",
    "actor": "IAM Cleanup fences, shuts and restores IAM users with it.",
    "deleter": "IAM Cleanup deletes IAM users with it, after a soak and by two people.",
}


@dataclass(frozen=True, slots=True)
class _Role:
    kind: RoleName
    name: str
    path: str
    trust: dict[str, Any]
    policy: dict[str, Any]

    @property
    def logical(self) -> str:
        return f"{self.kind.capitalize()}Role"


def written(file: FileName, connection: Connection, arns: Sequence[str]) -> str:
    """One of FILES for an account whose roles trust the principals `arns`."""
    roles = list(_roles(connection, arns))
    if file == "cloudformation.json":
        return cloudformation(connection, roles)
    return terraform(connection, roles)


def _roles(connection: Connection, arns: Sequence[str]) -> Iterator[_Role]:
    named: Mapping[RoleName, str] = {
        "reader": connection.reader_role,
        "actor": connection.actor_role,
        "deleter": connection.deleter_role,
    }
    for kind in ROLES:
        if not named[kind]:
            continue
        path, _, name = named[kind].partition(":role/")[2].rpartition("/")
        document = policy(
            kind,
            connection.account_id,
            partition_of(arns),
            protected=_protected(connection.account_id),
        )
        whom = trust(kind, arns, connection.external_id)
        yield _Role(kind, name, f"/{path}/" if path else "/", whom, document)


def _protected(account_id: str) -> list[str]:
    """Users that were declared here before, should the account come back."""
    row = Account.objects.filter(account_id=account_id).first()
    return protected_names(row) if row else []


def cloudformation(connection: Connection, roles: Sequence[_Role]) -> str:
    """A CloudFormation template: JSON, which needs no quoting rules and says the same as YAML."""
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _about(connection),
        "Resources": {
            role.logical: {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role.name,
                    "Path": role.path,
                    "Description": _FOR[role.kind],
                    "MaxSessionDuration": _SESSION_SECONDS,
                    "AssumeRolePolicyDocument": role.trust,
                    "Policies": [{"PolicyName": POLICY_NAME, "PolicyDocument": role.policy}],
                },
            }
            for role in roles
        },
        "Outputs": {
            f"{role.logical}Arn": {"Value": {"Fn::GetAtt": [role.logical, "Arn"]}} for role in roles
        },
    }
    return f"{json.dumps(template, indent=2)}\n"


def terraform(connection: Connection, roles: Sequence[_Role]) -> str:
    """The same roles for the AWS provider of whoever applies it."""
    made: list[hcl.Item] = []
    for role in roles:
        label = f"iam_cleanup_{role.kind}"
        made += [
            hcl.Comment(_FOR[role.kind]),
            hcl.resource(
                "aws_iam_role",
                label,
                *hcl.attributes(
                    name=role.name,
                    path=role.path,
                    description=_FOR[role.kind],
                    max_session_duration=_SESSION_SECONDS,
                    assume_role_policy=hcl.Json(role.trust),
                ),
            ),
            hcl.resource(
                "aws_iam_role_policy",
                label,
                *hcl.attributes(
                    name=POLICY_NAME,
                    role=hcl.Expression(f"aws_iam_role.{label}.id"),
                    policy=hcl.Json(role.policy),
                ),
            ),
        ]
    head = [_about(connection), "Apply it with credentials of that very account."]
    return hcl.document(made, head)


def _about(connection: Connection) -> str:
    return one_line(
        f"Roles of IAM Cleanup in account {connection.account_id} ({connection.name})."
    )[:1000]
