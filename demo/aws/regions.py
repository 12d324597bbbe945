"""Which Regions the account has: enabled ones, and one opt-in Region that is not."""

from __future__ import annotations

from typing import Any

from .calls import Context, operation
from .errors import AwsError

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "us-west-2")
ALL_REGIONS = (
    *REGIONS, "us-east-2", "us-west-1", "ca-central-1", "sa-east-1", "eu-west-2", "eu-west-3",
    "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    "ap-southeast-1", "ap-southeast-2",
)  # fmt: skip
"""Those the account uses, and with them all 17 that AWS enables by default."""
DISABLED = "ap-east-1"


@operation("ec2", "DescribeRegions")
def describe_regions(context: Context) -> dict[str, Any]:
    """The enabled Regions; with `AllRegions` the disabled one as well."""
    shown = [_region(name, "opt-in-not-required") for name in context.simulator.regions]
    if context.params.get("AllRegions"):
        shown.append(_region(DISABLED, "not-opted-in"))
    wanted = context.params.get("RegionNames")
    return {"Regions": [row for row in shown if not wanted or row["RegionName"] in wanted]}


def _region(name: str, status: str) -> dict[str, str]:
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}


@operation("account", "ListRegions")
def list_regions(context: Context) -> dict[str, Any]:
    """By `RegionOptStatusContains`: ENABLED_BY_DEFAULT, ENABLED, DISABLED."""
    rows = [(name, "ENABLED_BY_DEFAULT") for name in context.simulator.regions]
    rows.append((DISABLED, "DISABLED"))
    wanted = context.params.get("RegionOptStatusContains")
    return {
        "Regions": [
            {"RegionName": name, "RegionOptStatus": status}
            for name, status in rows
            if not wanted or status in wanted
        ]
    }


def refuse_disabled(region: str, enabled: tuple[str, ...], service: str) -> None:
    """A call to a Region that is not enabled fails at authentication (AWS_FACTS.md 10.24)."""
    if region in enabled or service in ("iam", "account"):
        return
    if service == "events" and region in ALL_REGIONS:
        # No default Region is ever off in AWS; this account is only smaller for the others' sake.
        return
    message = "The security token included in the request is invalid."
    if service == "sts":
        raise AwsError("InvalidClientTokenId", message, 403)
    raise AwsError("UnrecognizedClientException", message, 400)
