"""On what kinds of resources an action acts: ARN templates as tests and as patterns. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from inventory.rights import known_actions

_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of resource. `template`: its ARN as the reference writes it, with `${…}` in it.

    `required`: a statement without such a resource does not allow the action.
    """

    template: str
    required: bool

    def fits(self, arn: str) -> bool:
        """Whether this ARN is of this kind."""
        return _pattern(self.template).fullmatch(arn) is not None

    def everything(self, partition: str, account_id: str) -> str:
        """The pattern of all resources of this kind in one account."""
        known = {"${Partition}": partition, "${Account}": account_id}
        return _VARIABLE.sub(lambda found: known.get(found[0], "*"), self.template)


def of_action(action: str) -> tuple[ResourceType, ...]:
    """The kinds an action (lower case) takes; empty where it takes only `*`, or is not known."""
    return tuple(ResourceType(*one) for one in known_actions.resource_templates(action))


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern[str]:
    """A template as a pattern: parts may be empty, as the Region is; names may hold slashes.

    But not a bucket's: what follows its slash is an object.
    """
    *parts, end = _VARIABLE.split(template)
    last = ".+" if template.endswith("${ObjectName}") else "[^:]+"
    if template.endswith("${BucketName}"):
        last = "[^:/]+"
    middle = "[^:]*".join(re.escape(one) for one in parts)
    return re.compile(middle + last + re.escape(end) if parts else re.escape(end))
