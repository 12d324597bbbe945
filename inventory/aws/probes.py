"""For each permission of the reader one harmless request that shows whether it is there.

Each only looks. Where a request needs something to look at, the first of its kind is taken; where
AWS says that there is no such thing it has let the request through. Nothing that is read is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

# Nobody is called so; AWS looks at the permission before it looks for the user.
NOBODY = "iam-cleanup-access-test"
_NOWHERE = "00000000-0000-0000-0000-000000000000"
_NOT_THERE = frozenset({"NoSuchEntity", "NoSuchEntityException"})
_NO_ORGANIZATION = frozenset({"AWSOrganizationsNotInUseException"})
_MOST_USERS = 20


class Untried(Exception):
    """There is nothing here that the request could be tried on; the text says what."""


class Ground:
    """What requests are tried on in one account; each thing is looked for when it is first needed.

    What cannot be listed is not there for this purpose: that listing has a line of its own.
    """

    def __init__(self, session: AwsSession, region: str) -> None:
        self.session, self.region = session, region
        self.iam = session.client("iam")
        self.organizations = session.client("organizations")

    def client(self, service: str) -> Any:
        """The client of a regional service in the Region where it is tried."""
        return self.session.client(service, self.region)

    @cached_property
    def users(self) -> tuple[str, ...]:
        """The names of the first users; NOBODY where there is none."""
        try:
            told = ask(self.iam.list_users, "ListUsers", MaxItems=_MOST_USERS)
        except AwsFailure:
            return (NOBODY,)
        return tuple(str(user["UserName"]) for user in told["Users"]) or (NOBODY,)

    @property
    def user(self) -> str:
        return self.users[0]

    @property
    def user_arn(self) -> str:
        partition, account = self.session.partition, self.session.account_id
        return f"arn:{partition}:iam::{account}:user/{NOBODY}"

    @cached_property
    def access_key(self) -> str:
        for name in self.users:
            try:
                told = ask(self.iam.list_access_keys, "ListAccessKeys", UserName=name)
            except AwsFailure:
                break
            if told["AccessKeyMetadata"]:
                return str(told["AccessKeyMetadata"][0]["AccessKeyId"])
        raise Untried("None of the first users has an access key to try it on.")

    @cached_property
    def trail(self) -> str:
        found = self._first(self.client("cloudtrail").describe_trails, "DescribeTrails")
        return self._one(found.get("trailList"), "TrailARN", "trail")

    @cached_property
    def cluster(self) -> str:
        found = self._first(self.client("eks").list_clusters, "ListClusters")
        return self._one(found.get("clusters"), "", "EKS cluster")

    @cached_property
    def cluster_entry(self) -> str:
        call = self.client("eks").list_access_entries
        found = self._first(call, "ListAccessEntries", clusterName=self.cluster)
        return self._one(found.get("accessEntries"), "", "access entry")

    @cached_property
    def key(self) -> str:
        found = self._first(self.client("kms").list_keys, "ListKeys", Limit=1)
        return self._one(found.get("Keys"), "KeyId", "KMS key")

    @cached_property
    def bucket(self) -> tuple[str, str]:
        """Name and Region: only a paged request is answered with the Region."""
        found = self._first(self.client("s3").list_buckets, "ListBuckets", MaxBuckets=1)
        name = self._one(found.get("Buckets"), "Name", "bucket")
        return name, str(found["Buckets"][0].get("BucketRegion") or self.region)

    @cached_property
    def secret(self) -> str:
        found = self._first(self.client("secretsmanager").list_secrets, "ListSecrets", MaxResults=1)
        return self._one(found.get("SecretList"), "ARN", "secret")

    @cached_property
    def rule(self) -> str:
        found = self._first(self.client("events").list_rules, "ListRules", Limit=1)
        return self._one(found.get("Rules"), "Name", "EventBridge rule")

    @cached_property
    def organization_policy(self) -> str:
        found = self._first(
            self.organizations.list_policies_for_target,
            "ListPoliciesForTarget",
            **self.own_policies,
        )
        return self._one(found.get("Policies"), "Id", "policy of the organization")

    @property
    def own_policies(self) -> dict[str, str]:
        return {"TargetId": self.session.account_id, "Filter": "SERVICE_CONTROL_POLICY"}

    @cached_property
    def topic(self) -> str:
        found = self._first(self.client("sns").list_topics, "ListTopics")
        return self._one(found.get("Topics"), "TopicArn", "SNS topic")

    @cached_property
    def queue(self) -> str:
        found = self._first(self.client("sqs").list_queues, "ListQueues", MaxResults=1)
        return self._one(found.get("QueueUrls"), "", "queue")

    def _first(self, call: Callable[..., Any], operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            found: dict[str, Any] = ask(call, operation, **arguments)
        except AwsFailure as failed:
            raise Untried("It needs what could not be listed.") from failed
        return found

    def _one(self, found: list[Any] | None, key: str, noun: str) -> str:
        if not found:
            raise Untried(f"There is no {noun} in {self.region} to try it on.")
        return str(found[0][key] if key else found[0])


@dataclass(frozen=True, slots=True)
class _Probe:
    """`fine`: codes by which AWS lets the request through and finds nothing there."""

    look: Callable[[Ground], object]
    fine: frozenset[str] = frozenset()


def probe(action: str, ground: Ground) -> None:
    """Nothing where the role may do `action`. Raises AwsFailure, or Untried."""
    known = _PROBES.get(action)
    if known is None:
        raise Untried("This shows when it is first used.")
    try:
        known.look(ground)
    except AwsFailure as failed:
        if failed.code not in known.fine:
            raise


def lookup(session: AwsSession, region: str) -> None:
    """One event of the history in `region`. Raises AwsFailure."""
    client = session.client("cloudtrail", region)
    ask(client.lookup_events, "LookupEvents", MaxResults=1)


def _of_user(call: Callable[[Ground], Callable[..., Any]], operation: str, **more: Any) -> _Probe:
    """A request about the first user."""

    def look(ground: Ground) -> object:
        return ask(call(ground), operation, UserName=ground.user, **more)

    return _Probe(look, _NOT_THERE)


def _listing(call: Callable[[Ground], Callable[..., Any]], operation: str, **more: Any) -> _Probe:
    """A request that needs nothing to look at."""
    return _Probe(lambda ground: ask(call(ground), operation, **more))


_ACCOUNT: Mapping[str, _Probe] = {
    "ec2:DescribeRegions": _listing(lambda g: g.client("ec2").describe_regions, "DescribeRegions"),
    "ec2:DescribeInstances": _listing(
        lambda g: g.client("ec2").describe_instances, "DescribeInstances", MaxResults=5
    ),
    "iam:GenerateCredentialReport": _listing(
        lambda g: g.iam.generate_credential_report, "GenerateCredentialReport"
    ),
    "iam:GetCredentialReport": _Probe(
        lambda g: ask(g.iam.get_credential_report, "GetCredentialReport"),
        frozenset({"ReportNotPresent", "ReportInProgress", "ReportExpired"}),
    ),
    "iam:GetAccountAuthorizationDetails": _listing(
        lambda g: g.iam.get_account_authorization_details,
        "GetAccountAuthorizationDetails",
        MaxItems=1,
    ),
    "iam:GetAccountPasswordPolicy": _Probe(
        lambda g: ask(g.iam.get_account_password_policy, "GetAccountPasswordPolicy"), _NOT_THERE
    ),
    "iam:GetAccountSummary": _listing(lambda g: g.iam.get_account_summary, "GetAccountSummary"),
    "iam:GetServiceLastAccessedDetails": _Probe(
        lambda g: ask(
            g.iam.get_service_last_accessed_details,
            "GetServiceLastAccessedDetails",
            JobId=_NOWHERE,
        ),
        _NOT_THERE,
    ),
    "iam:ListRoles": _listing(lambda g: g.iam.list_roles, "ListRoles", MaxItems=1),
    "iam:ListUsers": _listing(lambda g: g.iam.list_users, "ListUsers", MaxItems=1),
    "iam:ListVirtualMFADevices": _listing(
        lambda g: g.iam.list_virtual_mfa_devices, "ListVirtualMFADevices", MaxItems=1
    ),
    "organizations:DescribeOrganization": _Probe(
        lambda g: ask(g.organizations.describe_organization, "DescribeOrganization"),
        _NO_ORGANIZATION,
    ),
    "organizations:DescribePolicy": _Probe(
        lambda g: ask(
            g.organizations.describe_policy, "DescribePolicy", PolicyId=g.organization_policy
        )
    ),
    "organizations:ListParents": _Probe(
        lambda g: ask(g.organizations.list_parents, "ListParents", ChildId=g.session.account_id),
        _NO_ORGANIZATION,
    ),
    "organizations:ListPoliciesForTarget": _Probe(
        lambda g: ask(
            g.organizations.list_policies_for_target, "ListPoliciesForTarget", **g.own_policies
        ),
        _NO_ORGANIZATION,
    ),
    "organizations:ListAccounts": _Probe(
        lambda g: ask(g.organizations.list_accounts, "ListAccounts", MaxResults=1),
        _NO_ORGANIZATION,
    ),
}
_USERS: Mapping[str, _Probe] = {
    "iam:GenerateServiceLastAccessedDetails": _Probe(
        lambda g: ask(
            g.iam.generate_service_last_accessed_details,
            "GenerateServiceLastAccessedDetails",
            Arn=g.user_arn,
        ),
        _NOT_THERE,
    ),
    "iam:GetAccessKeyLastUsed": _Probe(
        lambda g: ask(
            g.iam.get_access_key_last_used, "GetAccessKeyLastUsed", AccessKeyId=g.access_key
        )
    ),
    "iam:GetLoginProfile": _of_user(lambda g: g.iam.get_login_profile, "GetLoginProfile"),
    "iam:GetSSHPublicKey": _of_user(
        lambda g: g.iam.get_ssh_public_key,
        "GetSSHPublicKey",
        SSHPublicKeyId="APKAIAMCLEANUPTEST00",
        Encoding="SSH",
    ),
    "iam:GetUser": _of_user(lambda g: g.iam.get_user, "GetUser"),
    "iam:GetUserPolicy": _of_user(
        lambda g: g.iam.get_user_policy, "GetUserPolicy", PolicyName=NOBODY
    ),
    "iam:ListAccessKeys": _of_user(lambda g: g.iam.list_access_keys, "ListAccessKeys"),
    "iam:ListAttachedUserPolicies": _of_user(
        lambda g: g.iam.list_attached_user_policies, "ListAttachedUserPolicies"
    ),
    "iam:ListGroupsForUser": _of_user(lambda g: g.iam.list_groups_for_user, "ListGroupsForUser"),
    "iam:ListMFADevices": _of_user(lambda g: g.iam.list_mfa_devices, "ListMFADevices"),
    "iam:ListSSHPublicKeys": _of_user(lambda g: g.iam.list_ssh_public_keys, "ListSSHPublicKeys"),
    "iam:ListServiceSpecificCredentials": _of_user(
        lambda g: g.iam.list_service_specific_credentials, "ListServiceSpecificCredentials"
    ),
    "iam:ListSigningCertificates": _of_user(
        lambda g: g.iam.list_signing_certificates, "ListSigningCertificates"
    ),
    "iam:ListUserPolicies": _of_user(lambda g: g.iam.list_user_policies, "ListUserPolicies"),
}
_RESOURCES: Mapping[str, _Probe] = {
    "cloudtrail:DescribeTrails": _listing(
        lambda g: g.client("cloudtrail").describe_trails, "DescribeTrails"
    ),
    "cloudtrail:GetEventSelectors": _Probe(
        lambda g: ask(
            g.client("cloudtrail").get_event_selectors, "GetEventSelectors", TrailName=g.trail
        )
    ),
    "cloudtrail:GetTrailStatus": _Probe(
        lambda g: ask(g.client("cloudtrail").get_trail_status, "GetTrailStatus", Name=g.trail)
    ),
    "eks:ListClusters": _listing(lambda g: g.client("eks").list_clusters, "ListClusters"),
    "eks:ListAccessEntries": _Probe(
        lambda g: ask(
            g.client("eks").list_access_entries, "ListAccessEntries", clusterName=g.cluster
        )
    ),
    "eks:DescribeAccessEntry": _Probe(
        lambda g: ask(
            g.client("eks").describe_access_entry,
            "DescribeAccessEntry",
            clusterName=g.cluster,
            principalArn=g.cluster_entry,
        )
    ),
    "eks:ListAssociatedAccessPolicies": _Probe(
        lambda g: ask(
            g.client("eks").list_associated_access_policies,
            "ListAssociatedAccessPolicies",
            clusterName=g.cluster,
            principalArn=g.cluster_entry,
        )
    ),
    "events:ListRules": _listing(lambda g: g.client("events").list_rules, "ListRules", Limit=1),
    "events:ListTargetsByRule": _Probe(
        lambda g: ask(
            g.client("events").list_targets_by_rule, "ListTargetsByRule", Rule=g.rule, Limit=1
        )
    ),
    "kms:ListKeys": _listing(lambda g: g.client("kms").list_keys, "ListKeys", Limit=1),
    "kms:GetKeyPolicy": _Probe(
        lambda g: ask(
            g.client("kms").get_key_policy, "GetKeyPolicy", KeyId=g.key, PolicyName="default"
        )
    ),
    "s3:ListAllMyBuckets": _listing(lambda g: g.client("s3").list_buckets, "ListBuckets"),
    "s3:GetBucketPolicy": _Probe(
        lambda g: ask(
            g.session.client("s3", g.bucket[1]).get_bucket_policy,
            "GetBucketPolicy",
            Bucket=g.bucket[0],
        ),
        frozenset({"NoSuchBucketPolicy"}),
    ),
    "secretsmanager:ListSecrets": _listing(
        lambda g: g.client("secretsmanager").list_secrets, "ListSecrets", MaxResults=1
    ),
    "secretsmanager:GetResourcePolicy": _Probe(
        lambda g: ask(
            g.client("secretsmanager").get_resource_policy, "GetResourcePolicy", SecretId=g.secret
        )
    ),
    "sns:ListTopics": _listing(lambda g: g.client("sns").list_topics, "ListTopics"),
    "sns:GetTopicAttributes": _Probe(
        lambda g: ask(g.client("sns").get_topic_attributes, "GetTopicAttributes", TopicArn=g.topic)
    ),
    "sqs:ListQueues": _listing(lambda g: g.client("sqs").list_queues, "ListQueues", MaxResults=1),
    "sqs:GetQueueAttributes": _Probe(
        lambda g: ask(
            g.client("sqs").get_queue_attributes,
            "GetQueueAttributes",
            QueueUrl=g.queue,
            AttributeNames=["Policy"],
        )
    ),
}
_PROBES: Mapping[str, _Probe] = {**_ACCOUNT, **_USERS, **_RESOURCES}
