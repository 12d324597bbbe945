"""LookupEvents: its pages, its limit, its Regions, its delay; and the log files in S3."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.log_files import ORGANIZATION, OTHER_ACCOUNT
from demo.aws.storage import bucket_name
from tests.demo.cast import (
    WEDNESDAY,
    Clock,
    client,
    code,
    events,
    key_credentials,
    one_key,
    trap,
)


def by_user(name: str) -> dict[str, Any]:
    return {"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": name}]}


def test_the_third_request_in_a_second_is_throttled_in_that_region_only(
    simulator: Simulator,
) -> None:
    simulator.trail(simulator.account.id).rate = 2.0
    trail = client("cloudtrail")
    trail.lookup_events(MaxResults=1)
    trail.lookup_events(MaxResults=1)
    with pytest.raises(ClientError) as refusal:
        trail.lookup_events(MaxResults=1)
    assert code(refusal.value) == "ThrottlingException"
    client("cloudtrail", region="eu-west-1").lookup_events(MaxResults=1)


def test_pages_hold_fifty_newest_first_and_none_twice(simulator: Simulator) -> None:
    name = trap(simulator, "session-twin")
    first = client("cloudtrail").lookup_events(**by_user(name))
    assert len(first["Events"]) == 50
    found = events(Username=name)
    times = [event["EventTime"] for event in found]
    assert times == sorted(times, reverse=True)
    assert len({event["EventId"] for event in found}) == len(found) > 100


def test_a_token_with_other_parameters_is_refused(simulator: Simulator) -> None:
    trail = client("cloudtrail")
    token = trail.lookup_events(**by_user(trap(simulator, "session-twin")))["NextToken"]
    with pytest.raises(ClientError) as refusal:
        trail.lookup_events(NextToken=token)
    assert code(refusal.value) == "InvalidNextTokenException"


def test_more_than_fifty_or_two_attributes_are_refused(simulator: Simulator) -> None:
    trail = client("cloudtrail")
    two = [{"AttributeKey": "Username", "AttributeValue": "x"}] * 2
    with pytest.raises(ClientError) as refusal:
        trail.lookup_events(LookupAttributes=two)
    assert code(refusal.value) == "InvalidLookupAttributesException"


def test_history_ends_after_ninety_days(simulator: Simulator) -> None:
    oldest = min(e["EventTime"] for e in events(Username=trap(simulator, "session-twin")))
    assert oldest >= WEDNESDAY - timedelta(days=90)


def test_an_event_is_delivered_minutes_later(simulator: Simulator, clock: Clock) -> None:
    act(simulator, {"act": "call", "user": "alex.admin", "event": "DescribeVpcs"})
    assert not events(EventName="DescribeVpcs")
    clock.move(minutes=6)
    (event,) = events(EventName="DescribeVpcs")
    assert event["Username"] == "alex.admin"


def test_iam_is_logged_in_us_east_1_whatever_the_callers_region(
    simulator: Simulator, clock: Clock
) -> None:
    client("iam", region="eu-west-1").create_user(UserName="logged")
    clock.move(minutes=6)
    (event,) = events(ResourceName="logged")
    assert event["EventName"] == "CreateUser"
    assert not events("eu-west-1", ResourceName="logged")


def test_a_failed_sign_in_names_the_user_and_says_failure(simulator: Simulator) -> None:
    found = [json.loads(e["CloudTrailEvent"]) for region in simulator.regions
             for e in events(region, Username=trap(simulator, "knocked"))]  # fmt: skip
    assert found
    assert {record["errorMessage"] for record in found} == {"Failed authentication"}
    assert {record["responseElements"]["ConsoleLogin"] for record in found} == {"Failure"}


def test_an_inactive_key_is_refused_and_leaves_nothing(simulator: Simulator, clock: Clock) -> None:
    user = "alex.admin"
    key = (
        next(iter(simulator.account.user(user).keys), "")
        or (client("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"])
    )
    client("iam").update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
    used = simulator.account.user(user).keys[key].last_used
    with pytest.raises(ClientError) as refusal:
        client("sts", key_credentials(key)).get_caller_identity()
    assert code(refusal.value) == "InvalidClientTokenId"
    with pytest.raises(ClientError) as refusal:
        client("cloudtrail", key_credentials(key)).lookup_events()
    assert code(refusal.value) == "UnrecognizedClientException"
    clock.move(minutes=6)
    assert not [e for e in events(AccessKeyId=key) if e["EventTime"] >= WEDNESDAY]
    assert simulator.account.user(user).keys[key].last_used == used


def test_a_users_own_call_is_logged_and_moves_last_used(simulator: Simulator, clock: Clock) -> None:
    key = one_key(simulator, "ci-plat-nightly-eu")
    clock.move(minutes=30)
    client("sts", key_credentials(key)).get_caller_identity()
    used = simulator.account.user("ci-plat-nightly-eu").keys[key].last_used
    assert used is not None
    assert used.service == "sts"
    clock.move(minutes=6)
    assert [e["EventName"] for e in events(AccessKeyId=key)] == ["GetCallerIdentity"]


def test_a_disabled_region_answers_with_an_authentication_error(simulator: Simulator) -> None:
    with pytest.raises(ClientError) as refusal:
        client("cloudtrail", region="ap-east-1").lookup_events()
    assert code(refusal.value) == "UnrecognizedClientException"


def test_the_enabled_regions_are_told_by_two_services(simulator: Simulator) -> None:
    wanted = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"]
    described = client("ec2").describe_regions()["Regions"]
    listed = client("account").list_regions(
        RegionOptStatusContains=["ENABLED", "ENABLED_BY_DEFAULT"]
    )["Regions"]
    assert sorted(row["RegionName"] for row in described) == wanted
    assert sorted(row["RegionName"] for row in listed) == wanted


def logs_of(simulator: Simulator) -> list[str]:
    """The keys of the account's own log files."""
    s3, bucket = client("s3"), bucket_name(simulator.account.id)
    keys = [row["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for row in page.get("Contents", [])]  # fmt: skip
    own = f"/{simulator.account.id}_CloudTrail_"
    return [key for key in keys if own in key]


def records_in(simulator: Simulator, key: str) -> list[dict[str, Any]]:
    told = client("s3").get_object(Bucket=bucket_name(simulator.account.id), Key=key)
    found: list[dict[str, Any]] = json.loads(gzip.decompress(told["Body"].read()))["Records"]
    return found


def test_log_files_reach_further_back_than_event_history(simulator: Simulator) -> None:
    old = [key for key in logs_of(simulator) if key.rsplit("_", 2)[1] < "20251001"]
    assert old
    record = records_in(simulator, old[0])[0]
    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["eventTime"] < "2025-10-01"


@pytest.mark.parametrize("organization", [True, False])
def test_log_files_lie_where_aws_puts_them(simulator: Simulator, organization: bool) -> None:
    files = simulator.log_files(simulator.account.id)
    files.organization, files.prefix = organization, "trails/"
    owner = f"{ORGANIZATION}/" if organization else ""
    shape = (
        rf"trails/AWSLogs/{owner}123456789012/CloudTrail/([a-z0-9-]+)/(\d{{4}})/(\d\d)/(\d\d)/"
        r"123456789012_CloudTrail_\1_\2\3\4T\d{4}Z_\w{16}\.json\.gz"
    )
    found = [re.fullmatch(shape, key) for key in logs_of(simulator)]
    assert found
    assert all(found)


def test_a_day_has_several_files_and_its_evening_is_in_the_next_days_folder(
    simulator: Simulator,
) -> None:
    day = [key for key in logs_of(simulator) if "_us-east-1_20260301T" in key]
    assert len(day) == 4
    evening = records_in(simulator, day[0])
    assert "2026-02-28" in {record["eventTime"][:10] for record in evening}
    assert "2026-03-01" not in {record["eventTime"][:10] for record in evening}


def test_some_events_are_delivered_twice(simulator: Simulator) -> None:
    keys = [key for key in logs_of(simulator) if "_us-east-1_202602" in key]
    ids = [record["eventID"] for key in keys for record in records_in(simulator, key)]
    assert len(set(ids)) < len(ids)


def test_digests_and_other_accounts_lie_beside_the_logs(simulator: Simulator) -> None:
    simulator.advance()
    keys = simulator.log_files(simulator.account.id).keys(WEDNESDAY)
    assert any("/CloudTrail-Digest/" in key for key in keys)
    assert any(f"/{OTHER_ACCOUNT}/CloudTrail/" in key for key in keys)


def test_a_file_that_was_not_delivered_yet_is_not_there(simulator: Simulator, clock: Clock) -> None:
    clock.move(hours=9)
    simulator.advance()
    key = next(key for key in logs_of(simulator) if "_us-east-1_20260304T1805Z" in key)
    clock.move(hours=-9)
    with pytest.raises(ClientError) as refusal:
        records_in(simulator, key)
    assert code(refusal.value) == "NoSuchKey"


def test_the_youngest_users_have_events_of_who_made_them(simulator: Simulator) -> None:
    simulator.advance()
    young = [
        user
        for user in simulator.account.users.values()
        if user.created_at > WEDNESDAY - timedelta(days=90)
    ]
    records = [json.loads(e["CloudTrailEvent"]) for e in events(EventName="CreateUser")]
    made = {record["responseElements"]["user"]["userId"]: record for record in records}
    assert len(young) == 3
    assert set(made) == {user.id for user in young}
    assert {"Terraform" in record["userAgent"] for record in records} == {True, False}
    keys = [json.loads(e["CloudTrailEvent"]) for e in events(EventName="CreateAccessKey")]
    assert not any("secretAccessKey" in json.dumps(record) for record in keys)


def test_a_call_that_makes_something_is_logged_with_its_answer_and_no_secret(
    simulator: Simulator, clock: Clock
) -> None:
    made = client("iam").create_access_key(UserName="alex.admin")["AccessKey"]
    clock.move(minutes=6)
    (event,) = events(ResourceName="alex.admin")
    answer = json.loads(event["CloudTrailEvent"])["responseElements"]["accessKey"]
    assert answer["accessKeyId"] == made["AccessKeyId"]
    assert made["SecretAccessKey"] not in event["CloudTrailEvent"]


def test_all_seventeen_regions_can_be_enabled(clock: Clock) -> None:
    assert len(Simulator(7, 2, clock, regions=17).regions) == 17
