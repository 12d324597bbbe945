"""Trails as CloudTrail describes them: where they live, whether they log, what they select.

A multi-Region trail is seen from every Region, as a shadow away from its home. An organization's
trail is seen by members; its selectors are the management account's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .calls import Context, operation
from .errors import AwsError

_ALL = ({"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []},)


@dataclass
class TrailSetting:
    """One trail. `owner` is the account it belongs to; another's is an organization's trail."""

    name: str
    owner: str
    home: str = "us-east-1"
    multi_region: bool = True
    logging: bool = True
    validates: bool = True
    organization: bool = False
    selectors: tuple[dict[str, Any], ...] = _ALL
    advanced: tuple[dict[str, Any], ...] = field(default=())

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudtrail:{self.home}:{self.owner}:trail/{self.name}"


def _shown(trail: TrailSetting) -> dict[str, Any]:
    return {
        "Name": trail.name,
        "S3BucketName": f"{trail.name}-logs",
        "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": trail.multi_region,
        "HomeRegion": trail.home,
        "TrailARN": trail.arn,
        "LogFileValidationEnabled": trail.validates,
        "HasCustomEventSelectors": trail.selectors is not _ALL,
        "HasInsightSelectors": False,
        "IsOrganizationTrail": trail.organization,
    }


@operation("cloudtrail", "DescribeTrails")
def describe_trails(context: Context) -> dict[str, Any]:
    """Those of this Region, and shadows of others unless `includeShadowTrails` is false."""
    region = context.call.region
    shadows = context.params.get("includeShadowTrails", True)
    return {
        "trailList": [
            _shown(trail)
            for trail in context.account.trails
            if trail.home == region or (trail.multi_region and shadows)
        ]
    }


def _named(context: Context, key: str) -> TrailSetting:
    """By ARN, or by name in its home Region; TrailNotFoundException."""
    wanted = str(context.params.get(key, ""))
    for trail in context.account.trails:
        if wanted == trail.arn or (wanted == trail.name and trail.home == context.call.region):
            return trail
    raise AwsError("TrailNotFoundException", f"Unknown trail: {wanted}", 400)


@operation("cloudtrail", "GetTrailStatus")
def get_trail_status(context: Context) -> dict[str, Any]:
    trail = _named(context, "Name")
    started: datetime = context.simulator.born_at
    return {"IsLogging": trail.logging, "StartLoggingTime": started}


@operation("cloudtrail", "GetEventSelectors")
def get_event_selectors(context: Context) -> dict[str, Any]:
    """A member of an organization cannot see into the organization's trail."""
    trail = _named(context, "TrailName")
    if trail.owner != context.account.id:
        raise AwsError("TrailNotFoundException", f"Unknown trail: {trail.arn}", 400)
    answer: dict[str, Any] = {"TrailARN": trail.arn}
    if trail.advanced:
        return answer | {"AdvancedEventSelectors": list(trail.advanced)}
    return answer | {"EventSelectors": list(trail.selectors)}
