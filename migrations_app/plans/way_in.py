"""What the new way in is called in AWS, so that it can be recognised when it is used. Pure.

A drafted role bears a name made from its user's, unless a person says that it was made under
another one. People share a permission set, whose role AWS names itself, with sixteen signs behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrations_app.plans import written
from migrations_app.plans.role import name_for
from migrations_app.plans.written import Place

_PREFIXES = {
    "github-oidc": "github-",
    "eks": "eks-",
    "instance-profile": "ec2-",
    "cross-account-role": "vendor-",
}
_RESERVED = "AWSReservedSSO_"


@dataclass(frozen=True, slots=True)
class WayIn:
    """`name`: of the role, or of the permission set where `shared`; "" where it is not known yet.

    `place`: for ways in words, where the workload runs.
    """

    target: str
    name: str
    shared: bool = False
    place: str = ""

    def is_role(self, role_name: str) -> bool:
        """Whether this role of the account is it."""
        if not self.name:
            return False
        if not self.shared:
            return role_name.lower() == self.name.lower()
        pattern = f"{_RESERVED}{re.escape(self.name)}_[0-9a-f]{{16}}"
        return re.fullmatch(pattern, role_name, re.IGNORECASE) is not None


def way_in(target: str, user_name: str, choices: Mapping[str, Any]) -> WayIn:
    """By what the new access of this user would show."""
    if target == "identity-center":
        return WayIn(target, str(choices.get("permission_set", "")), shared=True)
    if target == "secrets-manager":
        # The user stays, with a key that rotates: nothing is assumed.
        return WayIn(target, "")
    told = str(choices.get("role_name", ""))
    if target == written.TARGET:
        place = str(choices.get("place", ""))
        known = place in {one.value for one in Place if one is not Place.UNKNOWN}
        return WayIn(
            target, told or (name_for(f"{place}-", user_name) if known else ""), False, place
        )
    return WayIn(target, told or name_for(_PREFIXES[target], user_name))


def same_person(session: str, user_name: str, tags: Mapping[str, str]) -> bool:
    """Whether a session of a permission set is the person behind this user.

    Identity Center names sessions by its user name, mostly the mail address; compared is what
    stands before the @, without regard to case.
    """
    known = {user_name}
    known |= {value for key, value in tags.items() if key.lower() in ("email", "mail", "owner")}
    return _person(session) in {_person(one) for one in known} - {""}


def _person(text: str) -> str:
    return text.strip().partition("@")[0].casefold()
