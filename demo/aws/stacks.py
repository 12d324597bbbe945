"""CloudFormation, as far as a template makes roles: what it says stands in the account afterwards.

Not the service: nothing is called CreateStack here. It lets a template that a product hands out be
tried for what it is worth. A role that is there already is replaced by the template's.
"""

from __future__ import annotations

import json
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
    read = json.loads(template)
    made = [
        _role(account, logical, resource, at) for logical, resource in read["Resources"].items()
    ]
    for role in made:
        account.roles[role.name.lower()] = role
    return [role.arn for role in made]


def _role(account: Account, logical: str, resource: dict[str, Any], at: datetime) -> Role:
    told = resource["Properties"]
    if resource["Type"] != "AWS::IAM::Role" or set(told) - _KNOWN:
        raise ValueError(f"{logical} is no role, or has what is not simulated.")
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
