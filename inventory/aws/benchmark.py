"""What CIS AWS Foundations asks of an account beyond its users: root, passwords, trails, instances.

A handful of calls however many users there are; EC2 is asked once in each Region.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask, listing
from inventory.aws.session import AwsSession
from inventory.posture import Instances, PasswordPolicy, RootFacts, TrailFacts

_PAGE = 1000
# Gone, or going: no key can be left on them.
_ENDED = frozenset({"terminated", "shutting-down"})


def root(session: AwsSession) -> RootFacts:
    """Keys, MFA and password of root, from the account's summary. Raises AwsFailure."""
    told = ask(session.client("iam").get_account_summary, "GetAccountSummary")["SummaryMap"]
    password = told.get("AccountPasswordPresent")
    return RootFacts(
        active_keys=told.get("AccountAccessKeysPresent"),
        has_mfa=bool(told["AccountMFAEnabled"]) if "AccountMFAEnabled" in told else None,
        has_password=None if password is None else bool(password),
    )


def root_has_virtual_mfa(session: AwsSession) -> bool:
    """Whether one of root's MFA devices is an app. Raises AwsFailure.

    A device of root has root as its user; the first one ever made bears a name of its own.
    """
    iam = session.client("iam")
    devices = listing(
        iam.list_virtual_mfa_devices,
        "ListVirtualMFADevices",
        "VirtualMFADevices",
        AssignmentStatus="Assigned",
    )
    return any(
        str(device.get("User", {}).get("Arn", "")).endswith(":root")
        or str(device["SerialNumber"]).endswith(":mfa/root-account-mfa-device")
        for device in devices
    )


def password_policy(session: AwsSession) -> PasswordPolicy:
    """The account's password policy, AWS's default where none is set. Raises AwsFailure."""
    iam = session.client("iam")
    try:
        told = ask(iam.get_account_password_policy, "GetAccountPasswordPolicy")["PasswordPolicy"]
    except AwsFailure as refused:
        if refused.code == "NoSuchEntity":
            return PasswordPolicy()
        raise
    return PasswordPolicy(
        minimum_length=int(told.get("MinimumPasswordLength") or 0),
        remembered=int(told.get("PasswordReusePrevention") or 0),
    )


def trails(session: AwsSession) -> tuple[TrailFacts, ...]:
    """The account's trails, those of its organization included. Raises AwsFailure.

    Whether a multi-Region trail logs, and logs everything, is asked where the trail lives; a part
    that AWS refuses stays None. An organization's trail may refuse its members.
    """
    cloudtrail = session.client("cloudtrail")
    told = ask(cloudtrail.describe_trails, "DescribeTrails", includeShadowTrails=True)
    return tuple(_trail(session, trail) for trail in told.get("trailList", ()))


def _trail(session: AwsSession, told: Mapping[str, Any]) -> TrailFacts:
    multi_region = bool(told.get("IsMultiRegionTrail"))
    logging = everything = None
    if multi_region:
        logging = _logs(session, told)
        everything = _logs_everything(session, told)
    return TrailFacts(
        name=str(told.get("Name", "")),
        multi_region=multi_region,
        logging=logging,
        all_management_events=everything,
        validates=bool(told.get("LogFileValidationEnabled")),
    )


def _logs(session: AwsSession, trail: Mapping[str, Any]) -> bool | None:
    home = session.client("cloudtrail", trail["HomeRegion"])
    try:
        status = ask(home.get_trail_status, "GetTrailStatus", Name=trail["TrailARN"])
    except AwsFailure:
        return None
    return bool(status.get("IsLogging"))


def _logs_everything(session: AwsSession, trail: Mapping[str, Any]) -> bool | None:
    home = session.client("cloudtrail", trail["HomeRegion"])
    try:
        told = ask(home.get_event_selectors, "GetEventSelectors", TrailName=trail["TrailARN"])
    except AwsFailure:
        return None
    basic = any(
        one.get("IncludeManagementEvents", True) and one.get("ReadWriteType", "All") == "All"
        for one in told.get("EventSelectors") or ()
    )
    return basic or _selects_all(told.get("AdvancedEventSelectors") or ())


def _selects_all(selectors: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one selector takes management events, and not reads or writes alone."""
    for selector in selectors:
        fields = {one["Field"]: one for one in selector.get("FieldSelectors", ())}
        category = fields.get("eventCategory", {}).get("Equals", ())
        if "Management" in category and "readOnly" not in fields:
            return True
    return False


def instances(session: AwsSession, regions: Iterable[str]) -> Instances:
    """EC2 instances in these Regions, and those among them without a role. Raises AwsFailure:
    a Region that cannot be read could hold any number."""
    total = without = 0
    for region in regions:
        for instance in _instances(session, region):
            total += 1
            without += not instance.get("IamInstanceProfile")
    return Instances(total, without)


def _instances(session: AwsSession, region: str) -> Iterable[Mapping[str, Any]]:
    ec2 = session.client("ec2", region)
    arguments: dict[str, Any] = {"MaxResults": _PAGE}
    while True:
        page = ask(ec2.describe_instances, "DescribeInstances", **arguments)
        for reservation in page.get("Reservations", ()):
            for instance in reservation.get("Instances", ()):
                if instance.get("State", {}).get("Name") not in _ENDED:
                    yield instance
        if not page.get("NextToken"):
            return
        arguments["NextToken"] = page["NextToken"]
