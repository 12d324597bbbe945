"""Resources and their policies as AWS shows them, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.resources import PARTNER
from demo.aws.state import Resource
from tests.demo.cast import Clock, assumed, client


def find(simulator: Simulator, kind: str, name: str = "") -> Resource:
    return next(
        one
        for one in simulator.account.resources
        if one.kind == kind and (not name or one.name == name)
    )


def test_a_principal_is_an_arn_while_the_user_lives_and_a_bare_id_afterwards(
    simulator: Simulator,
) -> None:
    user = simulator.account.user(PARTNER)
    s3 = client("s3", assumed("IamCleanupReader"), "eu-west-1")

    def principal() -> Any:
        text = s3.get_bucket_policy(Bucket="acme-artifacts-prod")["Policy"]
        return json.loads(text)["Statement"][0]["Principal"]["AWS"]

    assert principal() == user.arn
    del simulator.account.by_user_id[user.id]
    assert principal() == user.id


def test_buckets_show_their_region_only_when_they_are_asked_for_in_pages(
    simulator: Simulator,
) -> None:
    s3 = client("s3")
    assert "BucketRegion" not in s3.list_buckets()["Buckets"][0]
    first = s3.list_buckets(MaxBuckets=2)
    rest = s3.list_buckets(MaxBuckets=1000, ContinuationToken=first["ContinuationToken"])
    names = [one["Name"] for one in (*first["Buckets"], *rest["Buckets"])]
    assert len(names) == len(set(names)) == 9
    assert all(one["BucketRegion"] for one in first["Buckets"])


def test_resources_are_in_their_own_region_only(simulator: Simulator) -> None:
    assert "QueueUrls" not in client("sqs", region="us-west-2").list_queues(MaxResults=10)
    assert client("eks").list_clusters()["clusters"] == []
    assert client("eks", region="eu-central-1").list_clusters()["clusters"]


def test_every_seed_draws_the_same_account_again() -> None:
    one, other = (Simulator(5, 206, Clock(), lookup_rate=0) for _ in range(2))
    assert one.account.resources == other.account.resources


def test_an_account_too_small_for_a_user_names_it_nowhere() -> None:
    small = Simulator(7, 3, Clock(), lookup_rate=0)
    assert {one.kind for one in small.account.resources} >= {"bucket", "key", "cluster"}


ERRORS: list[tuple[str, str, dict[str, Any], str]] = [
    ("s3", "get_bucket_policy", {"Bucket": "nobody"}, "NoSuchBucket"),
    ("s3", "get_bucket_policy", {"Bucket": "acme-data-lake"}, "NoSuchBucketPolicy"),
    ("s3", "get_bucket_policy", {"Bucket": "acme-artifacts-prod"}, "PermanentRedirect"),
    ("sns", "get_topic_attributes", {"TopicArn": "arn:aws:sns:x"}, "NotFound"),
    ("kms", "get_key_policy", {"KeyId": "x"}, "NotFoundException"),
    ("secretsmanager", "get_resource_policy", {"SecretId": "x"}, "ResourceNotFoundException"),
    ("eks", "list_access_entries", {"clusterName": "nobody"}, "ResourceNotFoundException"),
]


@pytest.mark.parametrize(("service", "operation", "arguments", "code"), ERRORS)
def test_errors_are_those_of_aws(
    simulator: Simulator, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError, match=code):
        getattr(client(service), operation)(**arguments)


def test_a_cluster_with_an_aws_auth_map_shows_no_entries(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        client("eks", region="eu-central-1").list_access_entries(clusterName="platform-old")


def test_a_region_that_is_not_enabled_knows_nobody(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        client("kms", region="ap-east-1").list_keys()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sqs", "list_queues", "AccessDeniedException"),
        ("sns", "list_topics", "AuthorizationError"),
        ("kms", "list_keys", "AccessDeniedException"),
        ("secretsmanager", "list_secrets", "AccessDeniedException"),
        ("eks", "list_clusters", "AccessDeniedException"),
        ("s3", "list_buckets", "AccessDenied"),
    ],
)
def test_each_service_refuses_in_its_own_words(
    simulator: Simulator, service: str, operation: str, code: str
) -> None:
    simulator.account.role("IamCleanupReader").inline = {}
    with pytest.raises(ClientError) as caught:
        getattr(client(service, assumed("IamCleanupReader")), operation)()
    assert caught.value.response["Error"]["Code"] == code


def test_there_is_a_key_that_only_a_user_administers(simulator: Simulator) -> None:
    user = simulator.account.user(PARTNER)
    keys = [one for one in simulator.account.resources if one.kind == "key"]
    held = [one for one in keys if one.policy and user.id in json.dumps(one.policy)]
    assert len(held) == 1
    assert find(simulator, "key").policy is not None
