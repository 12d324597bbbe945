"""The function that rotates an access key in Secrets Manager, as text: it runs in AWS, not here.

AWS has no ready one for access keys. Two keys live side by side while everybody changes over: the
new one is made, tried and put in front; the old one stays active until nobody used it for the
overlap, is switched off by a daily run, and is deleted when the next rotation needs its place.
"""

from __future__ import annotations

FILE_NAME = "rotate_access_key.py"
HANDLER = "rotate_access_key.handler"

SOURCE = '''\
"""Rotates the access key of one IAM user. Nothing of a secret is ever printed.

Secrets Manager calls it for each of its four steps. A daily event {"Retire": true} switches the
old key off once nobody uses it; while somebody does, that run fails, which is what the alarm is
for. Every step may run twice.
"""

import json
import os
import time
from datetime import datetime, timedelta, timezone

import boto3

USER_NAME = os.environ["USER_NAME"]
USER_ID = os.environ["USER_ID"]
SECRET = os.environ["SECRET_ID"]
OVERLAP = timedelta(hours=int(os.environ.get("OVERLAP_HOURS", "24")))
TRIES, PAUSE = 12, int(os.environ.get("PAUSE_SECONDS", "5"))

iam = boto3.client("iam")
secrets = boto3.client("secretsmanager")


def handler(event, context):
    if event.get("Retire"):
        return retire()
    token = event["ClientRequestToken"]
    secret = secrets.describe_secret(SecretId=event["SecretId"])
    if SECRET not in (secret["Name"], secret["ARN"]):
        raise RuntimeError("This function rotates another secret.")
    stages = secret.get("VersionIdsToStages", {}).get(token)
    if stages is None:
        raise RuntimeError("Secrets Manager does not know this version.")
    if "AWSCURRENT" in stages:
        return None
    if "AWSPENDING" not in stages:
        raise RuntimeError("This version is not the one that is pending.")
    steps = {"createSecret": create, "setSecret": check, "testSecret": test, "finishSecret": finish}
    return steps[event["Step"]](token)


def create(token):
    """Make the second key and keep it as pending; first make room for it."""
    if read("AWSPENDING", token):
        return
    current = read("AWSCURRENT")
    make_room(current.get("access_key_id", ""))
    made = iam.create_access_key(UserName=USER_NAME)["AccessKey"]
    value = {
        "user_name": USER_NAME,
        "access_key_id": made["AccessKeyId"],
        "secret_access_key": made["SecretAccessKey"],
    }
    try:
        secrets.put_secret_value(
            SecretId=SECRET,
            ClientRequestToken=token,
            SecretString=json.dumps(value),
            VersionStages=["AWSPENDING"],
        )
    except Exception:
        # Nobody can ever know its secret, so it would only take a place.
        iam.delete_access_key(UserName=USER_NAME, AccessKeyId=made["AccessKeyId"])
        raise


def make_room(current):
    """Delete what was retired or never handed out. What may be in use is never touched."""
    keys = all_keys()
    began = next((key["CreateDate"] for key in keys if key["AccessKeyId"] == current), None)
    given_up = read("AWSPENDING").get("access_key_id", "")
    left = 0
    for key in keys:
        if key["AccessKeyId"] == current:
            continue
        lost = began is not None and key["CreateDate"] > began and last_used(key) is None
        retired = key["Status"] == "Inactive" and began is not None
        if retired or lost or key["AccessKeyId"] == given_up:
            iam.delete_access_key(UserName=USER_NAME, AccessKeyId=key["AccessKeyId"])
        elif began is not None:
            raise RuntimeError(f"The key {short(key)} is still active: see who uses it.")
        else:
            left += 1
    if left > 1:
        raise RuntimeError("The user has two keys already. Remove one, then rotate again.")


def check(token):
    """A key is valid from the moment it is made; see that it is still there."""
    pending = read("AWSPENDING", token)["access_key_id"]
    active = [key["AccessKeyId"] for key in all_keys() if key["Status"] == "Active"]
    if pending not in active:
        raise RuntimeError("The pending key is gone or switched off.")


def test(token):
    """Call AWS with the new key until it is known everywhere, and see whose it is."""
    value = read("AWSPENDING", token)
    sts = boto3.client(
        "sts",
        aws_access_key_id=value["access_key_id"],
        aws_secret_access_key=value["secret_access_key"],
    )
    for left in reversed(range(TRIES)):
        try:
            found = sts.get_caller_identity()
            break
        except Exception as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            if code != "InvalidClientTokenId" or not left:
                raise
            time.sleep(PAUSE)
    if found["UserId"] != USER_ID:
        raise RuntimeError("The pending key is of another user.")


def finish(token):
    """From here on whoever asks for the secret gets the new key."""
    versions = secrets.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    old = next((one for one, stages in versions.items() if "AWSCURRENT" in stages), None)
    if old == token:
        return
    move = {"RemoveFromVersionId": old} if old else {}
    secrets.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=token, **move
    )


def retire():
    """Switch the old key off once nobody used it for the overlap."""
    current = read("AWSCURRENT").get("access_key_id", "")
    rotated = secrets.describe_secret(SecretId=SECRET).get("LastRotatedDate")
    now = datetime.now(timezone.utc)
    if not current or rotated is None or now - rotated < OVERLAP:
        return
    pending = read("AWSPENDING").get("access_key_id", "")
    for key in all_keys():
        if key["AccessKeyId"] in (current, pending) or key["Status"] != "Active":
            continue
        used = last_used(key)
        if used is not None and now - used < OVERLAP:
            raise RuntimeError(f"The old key {short(key)} is still used, by whom?")
        iam.update_access_key(
            UserName=USER_NAME, AccessKeyId=key["AccessKeyId"], Status="Inactive"
        )


def read(stage, token=None):
    """What a version holds, {} where there is none."""
    version = {"VersionId": token} if token else {}
    try:
        told = secrets.get_secret_value(SecretId=SECRET, VersionStage=stage, **version)
    except secrets.exceptions.ResourceNotFoundException:
        return {}
    return json.loads(told["SecretString"])


def all_keys():
    return iam.list_access_keys(UserName=USER_NAME)["AccessKeyMetadata"]


def last_used(key):
    told = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    return told.get("AccessKeyLastUsed", {}).get("LastUsedDate")


def short(key):
    return key["AccessKeyId"][-4:]
'''
