"""Which Regions an account has switched on: event history has to be asked in each of them."""

from __future__ import annotations

from inventory.aws.paging import ask
from inventory.aws.session import AwsSession


def enabled(session: AwsSession) -> tuple[str, ...]:
    """The enabled Regions, sorted. Raises AwsFailure."""
    told = ask(session.client("ec2").describe_regions, "DescribeRegions", AllRegions=False)
    return tuple(sorted(region["RegionName"] for region in told["Regions"]))
