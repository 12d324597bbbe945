"""Listing resources and reading their policies, as far as a reader of references needs it.

A user named as principal is shown by its ARN while it exists and by its bare id afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .calls import Context, operation
from .errors import AwsError
from .state import AccessEntry, Account, Document, Resource


def shown_policy(account: Account, document: Document) -> str:
    """The policy as AWS gives it back."""

    def shown(principal: Any) -> Any:
        if isinstance(principal, dict):
            return {kind: shown(value) for kind, value in principal.items()}
        if isinstance(principal, list):
            return [shown(value) for value in principal]
        user = account.by_user_id.get(str(principal))
        return principal if user is None else user.arn

    statements = [
        {key: shown(value) if key.endswith("Principal") else value for key, value in one.items()}
        for one in document["Statement"]
    ]
    return json.dumps(document | {"Statement": statements})


def _page(
    context: Context, rows: Iterable[Resource], size: int, token: Any
) -> tuple[list[Resource], str | None]:
    """Up to `size` rows by ARN after `token`, and the token of the next page."""
    left = sorted((one for one in rows if one.arn > str(token or "")), key=lambda one: one.arn)
    part = left[: min(size, context.page_limit)]
    return part, part[-1].arn if len(left) > len(part) else None


def _here(context: Context, kind: str) -> list[Resource]:
    return [
        one
        for one in context.account.resources
        if one.kind == kind and one.region == context.call.region
    ]


def _one(rows: Iterable[Resource], fits: Callable[[Resource], bool], missing: AwsError) -> Resource:
    found = next((one for one in rows if fits(one)), None)
    if found is None:
        raise missing
    return found


@operation("s3", "GetBucketPolicy")
def get_bucket_policy(context: Context) -> dict[str, Any]:
    """NoSuchBucket, PermanentRedirect in another Region than the bucket's, NoSuchBucketPolicy."""
    name = str(context.params["Bucket"])
    buckets = [one for one in context.account.resources if one.kind == "bucket"]
    none = AwsError("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
    if name not in [one.name for one in buckets] and name.startswith("acme-cloudtrail-"):
        raise none
    missing = AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    bucket = _one(buckets, lambda one: one.name == name, missing)
    if bucket.region != context.call.region:
        message = "The bucket must be addressed using its own endpoint."
        raise AwsError("PermanentRedirect", message, 301)
    if bucket.policy is None:
        raise none
    return {"Body": shown_policy(context.account, bucket.policy), "Type": "application/json"}


def _url(context: Context, queue: Resource) -> str:
    return f"https://sqs.{queue.region}.amazonaws.com/{context.account.id}/{queue.name}"


@operation("sqs", "ListQueues")
def list_queues(context: Context) -> dict[str, Any]:
    """Without MaxResults one page of up to 1,000 and no token."""
    size = int(context.params.get("MaxResults", 1000))
    rows, token = _page(context, _here(context, "queue"), size, context.params.get("NextToken"))
    answer: dict[str, Any] = {"QueueUrls": [_url(context, one) for one in rows]} if rows else {}
    return answer | ({"NextToken": token} if token and "MaxResults" in context.params else {})


@operation("sqs", "GetQueueAttributes")
def get_queue_attributes(context: Context) -> dict[str, Any]:
    """QueueDoesNotExist."""
    words = "The specified queue does not exist."
    missing = AwsError("AWS.SimpleQueueService.NonExistentQueue", words, 400)
    url = str(context.params["QueueUrl"])
    queue = _one(_here(context, "queue"), lambda one: url.endswith(f"/{one.name}"), missing)
    if queue.policy is None:
        return {}
    return {"Attributes": {"Policy": shown_policy(context.account, queue.policy)}}


@operation("sns", "ListTopics")
def list_topics(context: Context) -> dict[str, Any]:
    rows, token = _page(context, _here(context, "topic"), 100, context.params.get("NextToken"))
    answer: dict[str, Any] = {"Topics": [{"TopicArn": one.arn} for one in rows]}
    return answer | ({"NextToken": token} if token else {})


@operation("sns", "GetTopicAttributes")
def get_topic_attributes(context: Context) -> dict[str, Any]:
    """NotFound."""
    missing = AwsError("NotFound", "Topic does not exist", 404)
    arn = context.params["TopicArn"]
    topic = _one(_here(context, "topic"), lambda one: one.arn == arn, missing)
    attributes = {"TopicArn": topic.arn, "Owner": context.account.id}
    if topic.policy is not None:
        attributes["Policy"] = shown_policy(context.account, topic.policy)
    return {"Attributes": attributes}


@operation("kms", "ListKeys")
def list_keys(context: Context) -> dict[str, Any]:
    """Those that AWS manages are among them."""
    size = int(context.params.get("Limit", 100))
    rows, token = _page(context, _here(context, "key"), size, context.params.get("Marker"))
    answer: dict[str, Any] = {
        "Keys": [{"KeyId": one.name, "KeyArn": one.arn} for one in rows],
        "Truncated": token is not None,
    }
    return answer | ({"NextMarker": token} if token else {})


@operation("kms", "GetKeyPolicy")
def get_key_policy(context: Context) -> dict[str, Any]:
    """NotFoundException."""
    asked = str(context.params["KeyId"])
    missing = AwsError("NotFoundException", f"Key '{asked}' does not exist", 400)
    key = _one(_here(context, "key"), lambda one: asked in (one.name, one.arn), missing)
    return {"Policy": shown_policy(context.account, key.policy or {}), "PolicyName": "default"}


@operation("secretsmanager", "ListSecrets")
def list_secrets(context: Context) -> dict[str, Any]:
    size = int(context.params.get("MaxResults", 100))
    rows, token = _page(context, _here(context, "secret"), size, context.params.get("NextToken"))
    answer: dict[str, Any] = {"SecretList": [{"ARN": one.arn, "Name": one.name} for one in rows]}
    return answer | ({"NextToken": token} if token else {})


@operation("secretsmanager", "GetResourcePolicy")
def get_resource_policy(context: Context) -> dict[str, Any]:
    """ResourceNotFoundException; a secret without a policy is answered without one."""
    words = "Secrets Manager can't find the specified secret."
    missing = AwsError("ResourceNotFoundException", words, 400)
    asked = context.params["SecretId"]
    secret = _one(_here(context, "secret"), lambda one: asked in (one.name, one.arn), missing)
    answer = {"ARN": secret.arn, "Name": secret.name}
    if secret.policy is not None:
        answer["ResourcePolicy"] = shown_policy(context.account, secret.policy)
    return answer


@operation("eks", "ListClusters")
def list_clusters(context: Context) -> dict[str, Any]:
    size = int(context.params.get("maxResults", 100))
    rows, token = _page(context, _here(context, "cluster"), size, context.params.get("nextToken"))
    return {"clusters": [one.name for one in rows], "nextToken": token}


def _cluster(context: Context) -> Resource:
    """ResourceNotFoundException; InvalidRequestException where aws-auth holds the entries."""
    name = context.params["clusterName"]
    missing = AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
    cluster = _one(_here(context, "cluster"), lambda one: one.name == name, missing)
    if cluster.entries_in_config_map:
        message = (
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] "
            "to perform this operation."
        )
        raise AwsError("InvalidRequestException", message, 400)
    return cluster


def _entry(context: Context) -> AccessEntry:
    cluster, arn = _cluster(context), str(context.params["principalArn"])
    if arn not in cluster.entries:
        message = f"The specified principalArn could not be found: {arn}"
        raise AwsError("ResourceNotFoundException", message, 404)
    return cluster.entries[arn]


@operation("eks", "ListAccessEntries")
def list_access_entries(context: Context) -> dict[str, Any]:
    size = min(int(context.params.get("maxResults", 100)), context.page_limit)
    after = str(context.params.get("nextToken") or "")
    left = sorted(arn for arn in _cluster(context).entries if arn > after)
    token = left[size - 1] if len(left) > size else None
    return {"accessEntries": left[:size], "nextToken": token}


@operation("eks", "DescribeAccessEntry")
def describe_access_entry(context: Context) -> dict[str, Any]:
    entry = _entry(context)
    shown = {
        "clusterName": context.params["clusterName"],
        "principalArn": entry.principal_arn,
        "kubernetesGroups": list(entry.groups),
        "type": "STANDARD",
    }
    return {"accessEntry": shown}


@operation("eks", "ListAssociatedAccessPolicies")
def list_associated_access_policies(context: Context) -> dict[str, Any]:
    entry = _entry(context)
    policies = [
        {"policyArn": arn, "accessScope": {"type": "cluster"}} for arn in sorted(entry.policies)
    ]
    return {
        "clusterName": context.params["clusterName"],
        "principalArn": entry.principal_arn,
        "associatedAccessPolicies": policies,
    }
