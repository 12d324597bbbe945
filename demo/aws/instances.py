"""EC2 instances, as far as DescribeInstances tells of their state and their role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .calls import Context, operation
from .errors import AwsError


@dataclass
class Instance:
    """`profile` is the name of its instance profile, empty without one."""

    id: str
    region: str
    profile: str = ""
    state: str = "running"


@operation("ec2", "DescribeInstances")
def describe_instances(context: Context) -> dict[str, Any]:
    """Those of the Region, in pages of `MaxResults` (5 to 1,000). InvalidParameterValue."""
    here = [one for one in context.account.instances if one.region == context.call.region]
    size = int(context.params.get("MaxResults") or 1000)
    if not 5 <= size <= 1000:
        raise AwsError("InvalidParameterValue", "Expecting a value between 5 and 1000.", 400)
    start = int(context.params.get("NextToken") or 0)
    last = start + min(size, context.page_limit)
    answer: dict[str, Any] = {"Instances": [_shown(context, one) for one in here[start:last]]}
    if last < len(here):
        answer["NextToken"] = str(last)
    return answer


def _shown(context: Context, instance: Instance) -> dict[str, str]:
    profile = instance.profile
    return {
        "InstanceId": instance.id,
        "State": instance.state,
        "Profile": context.account.arn(f"instance-profile/{profile}") if profile else "",
    }
