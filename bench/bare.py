"""A pool of ten connections that makes the calls of our own run and does nothing else; and what an
account looks like afterwards, asked by an administrator."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.control import Control
from demo.aws.estate import EXTERNAL_ID

CONNECTIONS = 10
_ROLES = ("Reader", "Actor", "Deleter")


def clients(endpoint: str) -> dict[str, Any]:
    """An IAM client for each role of the product, and what calls as the product itself."""
    base: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": endpoint,
        "config": Config(max_pool_connections=CONNECTIONS, retries={"total_max_attempts": 1}),
    }
    own: dict[str, Any] = {
        "aws_access_key_id": PRODUCT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": PRODUCT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    sts = boto3.session.Session().client("sts", **base, **own)
    made: dict[str, Any] = {"sts": sts}
    for role in _ROLES:
        given = sts.assume_role(
            RoleArn=f"arn:aws:iam::123456789012:role/IamCleanup{role}",
            RoleSessionName="bench",
            ExternalId=EXTERNAL_ID,
        )["Credentials"]
        keys: dict[str, Any] = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        made[role.lower()] = boto3.session.Session().client("iam", **base, **keys)
        if role == "Reader":
            made["cloudtrail"] = {
                "keys": keys,
                "base": {name: value for name, value in base.items() if name != "region_name"},
            }
    return made


def replay(endpoint: str, control: Control, calls: list[dict[str, Any]], latency: float) -> float:
    """Seconds that the same calls take, each user's in their order, ten connections in all."""
    made = clients(endpoint)
    trails = _trails(made.pop("cloudtrail"))
    by_user: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in calls:
        by_user[str(call["params"].get("UserName", call["n"]))].append(call)

    def work(ones: list[dict[str, Any]]) -> None:
        for call in ones:
            client = _client(made, trails, call)
            try:
                getattr(client, xform_name(call["operation"]))(**call["params"])
            except (ClientError, BotoCoreError):
                # As our own run was answered: "no login profile", "no such user".
                continue

    control.set_fault("latency", count=None, seconds=latency)
    began = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, by_user.values()))
    seconds = time.monotonic() - began
    control.clear_faults()
    return seconds


def _trails(how: dict[str, Any]) -> dict[str, Any]:
    class Trails(dict[str, Any]):
        def __missing__(self, region: str) -> Any:
            made = boto3.session.Session().client(
                "cloudtrail", region_name=region, **how["base"], **how["keys"]
            )
            self[region] = made
            return made

    return Trails()


def _client(made: dict[str, Any], trails: dict[str, Any], call: dict[str, Any]) -> Any:
    if call["service"] == "sts":
        return made["sts"]
    if call["service"] == "cloudtrail":
        return trails[call["region"]]
    role = call["arn"].partition("/IamCleanup")[2].partition("/")[0].lower()
    return made[role or "reader"]


def account_after(endpoint: str, names: list[str]) -> dict[str, int]:
    """Of these users: how many are left, how many of them can sign in or call; MFA devices that
    belong to nobody."""
    iam = clients(endpoint)["reader"]
    there = {
        user["UserName"]: user
        for page in iam.get_paginator("list_users").paginate()
        for user in page["Users"]
    }
    left = [name for name in names if name in there]
    orphans = iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    return {
        "left": len(left),
        "usable": sum(usable(iam, name) for name in left),
        "orphaned_mfa": len(orphans),
    }


def usable(iam: Any, name: str) -> bool:
    """Whether something of the user still signs in or calls, and no fence denies it everything."""
    attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    if any(policy["PolicyName"] == "AWSDenyAll" for policy in attached):
        return False
    listed = (
        iam.list_access_keys(UserName=name)["AccessKeyMetadata"],
        iam.list_ssh_public_keys(UserName=name)["SSHPublicKeys"],
        iam.list_signing_certificates(UserName=name)["Certificates"],
        iam.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"],
    )
    if any(part["Status"] == "Active" for parts in listed for part in parts):
        return True
    try:
        iam.get_login_profile(UserName=name)
    except ClientError:
        return False
    return True
