"""Policies of buckets, queues, topics, keys and secrets, and the access entries of EKS clusters.

What can name an IAM user outside IAM. Each is listed and then asked one by one, since AWS has no
bulk call; only one kind in one Region is in memory at a time. Grants on KMS keys are left out: they
end with their grantee and keep nobody else from anything.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask, token_listing
from inventory.aws.session import AwsSession
from inventory.models import Account
from inventory.referrers import references
from inventory.referrers.principals import Document
from inventory.referrers.references import AccessEntry

# AWS publishes few of these rates; this is far below each that it does.
PER_SECOND = 20.0
_THREADS = 8
# No policy there, or the resource went between the listing and the question.
_NONE_THERE = frozenset(
    {
        "NoSuchBucketPolicy",
        "NoSuchBucket",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
    }
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One bucket, queue, topic, key, secret or cluster; `id` is what its own calls take."""

    kind: str
    name: str
    id: str
    region: str


@dataclass(frozen=True, slots=True)
class Told:
    """What one resource says: its policy, or the entries of known users where it is a cluster."""

    document: Document | None = None
    entries: tuple[AccessEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reader:
    service: str
    names: Callable[[Any, str], list[Resource]]
    read: Callable[[Any, Resource, Callable[[str], bool]], Told]


def listed(session: AwsSession, kind: str, region: str) -> list[Resource]:
    """Every resource of `kind` in `region` ("" for buckets), by id. Raises AwsFailure."""
    reader = _READERS[kind]
    client = session.client(reader.service, region or None)
    return sorted(reader.names(client, region), key=lambda one: one.id)


def read_many(
    session: AwsSession,
    account: Account,
    resources: Iterable[Resource],
    is_user: Callable[[str], bool],
) -> list[tuple[Resource, Told | AwsFailure]]:
    """What each resource says, or why it could not be read.

    After the first that AWS throttled to the end or did not answer at all the others are not asked:
    they come with that same failure.
    """
    stopped = threading.Event()
    last: list[AwsFailure] = []

    def one(resource: Resource) -> Told | AwsFailure:
        if stopped.is_set():
            return last[0]
        reader = _READERS[resource.kind]
        limiter = Limiter(
            f"{reader.service}:{account.account_id}:{resource.region or 'all'}", PER_SECOND
        )
        limiter.wait()
        try:
            return reader.read(
                session.client(reader.service, resource.region or None), resource, is_user
            )
        except AwsFailure as failed:
            if failed.code in _NONE_THERE:
                return Told()
            if failed.retryable:
                last.append(failed)
                stopped.set()
            return failed

    asked = list(resources)
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(zip(asked, pool.map(one, asked), strict=True))


def _buckets(s3: Any, _: str) -> list[Resource]:
    # Only a paged request is answered with each bucket's Region.
    found = token_listing(
        s3.list_buckets,
        "ListBuckets",
        "Buckets",
        ("ContinuationToken", "ContinuationToken"),
        MaxBuckets=1000,
    )
    return [
        Resource(references.BUCKET, one["Name"], one["Name"], one.get("BucketRegion") or "")
        for one in found
    ]


def _bucket(s3: Any, one: Resource, _: Callable[[str], bool]) -> Told:
    return _policy(ask(s3.get_bucket_policy, "GetBucketPolicy", Bucket=one.id).get("Policy"))


def _queues(sqs: Any, region: str) -> list[Resource]:
    urls = token_listing(sqs.list_queues, "ListQueues", "QueueUrls", MaxResults=1000)
    return [Resource(references.QUEUE, url.rpartition("/")[2], url, region) for url in urls]


def _queue(sqs: Any, one: Resource, _: Callable[[str], bool]) -> Told:
    told = ask(
        sqs.get_queue_attributes,
        "GetQueueAttributes",
        QueueUrl=one.id,
        AttributeNames=["Policy"],
    )
    return _policy(told.get("Attributes", {}).get("Policy"))


def _topics(sns: Any, region: str) -> list[Resource]:
    found = token_listing(sns.list_topics, "ListTopics", "Topics")
    arns = [one["TopicArn"] for one in found]
    return [Resource(references.TOPIC, arn.rpartition(":")[2], arn, region) for arn in arns]


def _topic(sns: Any, one: Resource, _: Callable[[str], bool]) -> Told:
    told = ask(sns.get_topic_attributes, "GetTopicAttributes", TopicArn=one.id)
    return _policy(told.get("Attributes", {}).get("Policy"))


def _keys(kms: Any, region: str) -> list[Resource]:
    found = token_listing(kms.list_keys, "ListKeys", "Keys", ("Marker", "NextMarker"), Limit=1000)
    return [Resource(references.KEY, one["KeyId"], one["KeyId"], region) for one in found]


def _key(kms: Any, one: Resource, _: Callable[[str], bool]) -> Told:
    # Keys that AWS manages are asked too: telling them apart costs the same one call.
    told = ask(kms.get_key_policy, "GetKeyPolicy", KeyId=one.id, PolicyName="default")
    return _policy(told.get("Policy"))


def _secrets(client: Any, region: str) -> list[Resource]:
    found = token_listing(client.list_secrets, "ListSecrets", "SecretList", MaxResults=100)
    return [Resource(references.SECRET, one["Name"], one["ARN"], region) for one in found]


def _secret(client: Any, one: Resource, _: Callable[[str], bool]) -> Told:
    told = ask(client.get_resource_policy, "GetResourcePolicy", SecretId=one.id)
    return _policy(told.get("ResourcePolicy"))


def _clusters(eks: Any, region: str) -> list[Resource]:
    names = token_listing(
        eks.list_clusters, "ListClusters", "clusters", ("nextToken", "nextToken"), maxResults=100
    )
    return [Resource(references.CLUSTER, name, name, region) for name in names]


def _cluster(eks: Any, one: Resource, is_user: Callable[[str], bool]) -> Told:
    """Raises AwsFailure InvalidRequestException where a cluster keeps its entries in aws-auth."""
    arns = token_listing(
        eks.list_access_entries,
        "ListAccessEntries",
        "accessEntries",
        ("nextToken", "nextToken"),
        clusterName=one.id,
        maxResults=100,
    )
    found = (_entry(eks, one.id, arn) for arn in arns if is_user(arn))
    return Told(entries=tuple(entry for entry in found if entry is not None))


def _entry(eks: Any, cluster: str, arn: str) -> AccessEntry | None:
    """None where it went between the listing and the question: the others still count."""
    try:
        told = ask(
            eks.describe_access_entry, "DescribeAccessEntry", clusterName=cluster, principalArn=arn
        )
    except AwsFailure as failed:
        if failed.code in _NONE_THERE:
            return None
        raise
    policies = token_listing(
        eks.list_associated_access_policies,
        "ListAssociatedAccessPolicies",
        "associatedAccessPolicies",
        ("nextToken", "nextToken"),
        clusterName=cluster,
        principalArn=arn,
    )
    return AccessEntry(
        arn,
        tuple(sorted(one["policyArn"].rpartition("/")[2] for one in policies)),
        tuple(sorted(told["accessEntry"].get("kubernetesGroups", ()))),
    )


def _policy(text: str | None) -> Told:
    if not text:
        return Told()
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AwsFailure("Unreadable", "The policy is no JSON document.")
    return Told(document)


_READERS = {
    references.BUCKET: _Reader("s3", _buckets, _bucket),
    references.QUEUE: _Reader("sqs", _queues, _queue),
    references.TOPIC: _Reader("sns", _topics, _topic),
    references.KEY: _Reader("kms", _keys, _key),
    references.SECRET: _Reader("secretsmanager", _secrets, _secret),
    references.CLUSTER: _Reader("eks", _clusters, _cluster),
}
