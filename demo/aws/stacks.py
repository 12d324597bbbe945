"""CloudFormation, as far as a template makes roles: what it says stands in the account afterwards.

Not the service: nothing is called CreateStack here. It lets a template that a product hands out be
tried for what it is worth. A role that is there already is replaced by the template's.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from .ids import drawn_id
from .state import Account, Role

_KNOWN = {
    "RoleName",
    "Path",
    "Description",
    "MaxSessionDuration",
    "AssumeRolePolicyDocument",
    "Policies",
}


def apply_template(account: Account, template: str, at: datetime) -> list[str]:
    """Make every role of a JSON template; their ARNs. ValueError for anything else in it."""
    return make(account, read(account.id, template), at)


def read(account_id: str, template: str) -> list[dict[str, Any]]:
    """The properties of each role; ValueError for what is no account id or is not simulated."""
    if not re.fullmatch(r"\d{12}", account_id, re.ASCII):
        raise ValueError(f"{account_id} is no account id.")
    found = []
    for logical, resource in json.loads(template)["Resources"].items():
        told: dict[str, Any] = resource["Properties"]
        if resource["Type"] != "AWS::IAM::Role" or set(told) - _KNOWN:
            raise ValueError(f"{logical} is no role, or has what is not simulated.")
        found.append(told)
    return found


def make(account: Account, roles: list[dict[str, Any]], at: datetime) -> list[str]:
    """These roles stand in the account from now on; their ARNs."""
    made = [_role(account, told, at) for told in roles]
    for role in made:
        account.roles[role.name.lower()] = role
    return [role.arn for role in made]


def without_product(account: Account) -> None:
    """The account of somebody who has not connected it yet."""
    for name in [name for name in account.roles if name.startswith("iamcleanup")]:
        del account.roles[name]


def _role(account: Account, told: dict[str, Any], at: datetime) -> Role:
    name, path = str(told["RoleName"]), str(told.get("Path", "/"))
    return Role(
        name=name,
        id=drawn_id("AROA", 17, account.id, name, at),
        path=path,
        arn=account.arn(f"role{path}{name}"),
        created_at=at,
        trust=told["AssumeRolePolicyDocument"],
        description=str(told.get("Description", "")),
        max_session_seconds=int(told.get("MaxSessionDuration", 3600)),
        inline={one["PolicyName"]: one["PolicyDocument"] for one in told.get("Policies", ())},
    )
