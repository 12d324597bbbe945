"""The furniture of the account: groups, roles, its own policies."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .authentication import ADMIN_ROLE, PRODUCT_ROLE
from .ids import drawn_id
from .instances import Instance
from .managed_policies import ADMINISTRATOR, DENY_ALL, managed_policies
from .state import Account, Document, Group, Policy, Role
from .trail_settings import TrailSetting

EXTERNAL_ID = "demo-external-id"
SSO_READ_ROLE = "AWSReservedSSO_ReadOnlyAccess_51c0d2be99e17f40"
SSO_PATH = "/aws-reserved/sso.amazonaws.com/eu-central-1/"
RUNNER_ROLE = "ci-runner"
# Whoever may change a function or pass this role to one is an administrator by two calls.
FUNCTION_ROLE = "lambda-platform-admin"
TRUSTING_ROLE = "partner-upload"
GROUPS = {
    "developers": ["ReadOnlyAccess", "IAMUserChangePassword"],
    "data-engineers": ["AmazonAthenaFullAccess", "AmazonS3ReadOnlyAccess"],
    "ops": ["AmazonEC2FullAccess", "CloudWatchReadOnlyAccess"],
    "finance-readers": ["AWSBillingReadOnlyAccess"],
    "marketing": ["AmazonS3ReadOnlyAccess"],
    "security-auditors": ["SecurityAudit"],
    "admins": ["AdministratorAccess"],
    "deployers": ["AWSCloudFormationFullAccess", "AmazonECS_FullAccess"],
}
_READS = [
    "iam:Generate*", "iam:Get*", "iam:List*", "cloudtrail:LookupEvents", "cloudtrail:StartQuery",
    "cloudtrail:DescribeQuery", "cloudtrail:GetQueryResults", "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors", "ec2:DescribeRegions",
    "ec2:DescribeInstances", "organizations:DescribeOrganization", "organizations:ListAccounts",
    "account:ListRegions", "s3:ListAllMyBuckets", "s3:ListBucket", "s3:GetObject",
    "s3:GetBucketLocation", "sts:GetCallerIdentity",
    "s3:GetBucketPolicy", "sqs:ListQueues", "sqs:GetQueueAttributes", "sns:ListTopics",
    "sns:GetTopicAttributes", "kms:ListKeys", "kms:GetKeyPolicy", "secretsmanager:ListSecrets",
    "secretsmanager:GetResourcePolicy", "eks:ListClusters", "eks:ListAccessEntries",
    "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies",
    "sso:List*", "sso:Describe*", "sso:Get*", "identitystore:List*", "identitystore:Describe*",
    "events:ListRules", "events:ListTargetsByRule", "organizations:DescribePolicy",
    "organizations:ListParents", "organizations:ListPoliciesForTarget",
]  # fmt: skip
_FENCE_AND_SHUT = [
    "iam:UpdateAccessKey", "iam:UpdateSSHPublicKey", "iam:UpdateServiceSpecificCredential",
    "iam:UpdateSigningCertificate", "iam:DeleteLoginProfile", "iam:TagUser", "iam:UntagUser",
    "iam:PutUserPermissionsBoundary", "iam:DeleteUserPermissionsBoundary",
]  # fmt: skip
_DELETES = [
    "iam:DeleteAccessKey", "iam:DeleteLoginProfile", "iam:DeleteSSHPublicKey",
    "iam:DeleteServiceSpecificCredential", "iam:DeleteSigningCertificate",
    "iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice", "iam:RemoveUserFromGroup",
    "iam:DeleteUserPolicy", "iam:DetachUserPolicy", "iam:DeleteUser",
]  # fmt: skip


def _allow(actions: list[str], condition: dict[str, Any] | None = None) -> Document:
    statement: Document = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return statement | ({"Condition": condition} if condition else {})


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _guard(account: Account) -> Document:
    """No write on the break-glass user, its MFA devices and groups (AWS_FACTS.md 8)."""
    kinds = ("user", "mfa", "group")
    resources = [account.arn(f"{kind}/breakglass/*") for kind in kinds]
    return {
        "Sid": "NeverTouchBreakGlass",
        "Effect": "Deny",
        "NotAction": ["iam:Get*", "iam:List*", "iam:Generate*"],
        "Resource": resources,
    }


def _trust(principals: list[str], condition: dict[str, Any] | None = None) -> Document:
    statement: Document = {
        "Effect": "Allow",
        "Principal": {"AWS": principals},
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
    }
    return _policy(statement | ({"Condition": condition} if condition else {}))


def _federated(account: Account) -> Document:
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": account.arn("saml-provider/AWSSSO")},
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        }
    )


def _served(service: str) -> Document:
    return _policy(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    )


def furnish(account: Account, seed: int, born_at: datetime) -> None:
    """Put everything but users into an empty account."""
    account.policies = managed_policies()
    made_at = born_at - timedelta(days=1600)
    for name, policies in GROUPS.items():
        group = Group(
            name, drawn_id("AGPA", 17, seed, name), "/", account.arn(f"group/{name}"), made_at
        )
        group.attached = [f"arn:aws:iam::aws:policy/{policy}" for policy in policies]
        account.groups[name] = group
    for name, document in _own_policies().items():
        arn = account.arn(f"policy/{name}")
        policy_id = drawn_id("ANPA", 17, seed, name)
        account.policies[arn] = Policy(name, policy_id, "/", arn, made_at, document)
    for role in _roles(account, seed, made_at):
        account.roles[role.name.lower()] = role
    _settle(account, seed)


def trust_from(account: Account, product: Account) -> None:
    """Let the product of another account assume this one's three roles, as an organization does."""
    theirs = product.role(PRODUCT_ROLE).arn
    external = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    for role in account.roles.values():
        if role.name.startswith("IamCleanup"):
            role.trust = _trust([theirs], external)


def _settle(account: Account, seed: int) -> None:
    """A trail in every Region, and a few instances, one of which works with somebody's keys."""
    account.trails = [TrailSetting("organization-trail", account.id)]
    for place, (region, profile) in enumerate(
        (("us-east-1", RUNNER_ROLE), ("eu-central-1", RUNNER_ROLE), ("eu-central-1", ""))
    ):
        instance_id = drawn_id("i-", 17, seed, "instance", place).lower()
        account.instances.append(Instance(instance_id, region, profile))


def _own_policies() -> dict[str, Document]:
    return {
        "developer-boundary": _policy(_allow(["ec2:*", "s3:*", "ecs:*", "logs:*", "sts:*"])),
        "payments-deploy": _policy(_allow(["ecs:*", "ecr:*", "cloudformation:*"])),
        "artifact-bucket-rw": _policy(_allow(["s3:GetObject", "s3:PutObject", "s3:ListBucket"])),
    }


def _roles(account: Account, seed: int, made_at: datetime) -> list[Role]:
    def role(name: str, trust: Document, path: str = "/") -> Role:
        arn = account.arn(f"role{path}{name}")
        return Role(name, drawn_id("AROA", 17, seed, name), path, arn, made_at, trust=trust)

    product = role(PRODUCT_ROLE, _trust([account.arn("root")]))
    product.inline["assume"] = _policy(
        _allow(["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"])
    )
    made = [product]
    external = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    fence = {"ArnEquals": {"iam:PolicyARN": DENY_ALL}}
    grants = {
        "IamCleanupReader": [_allow(_READS)],
        "IamCleanupActor": [
            _allow(_READS),
            _allow(_FENCE_AND_SHUT),
            _allow(["iam:AttachUserPolicy", "iam:DetachUserPolicy"], fence),
            _guard(account),
        ],
        "IamCleanupDeleter": [_allow(_READS), _allow(_DELETES), _guard(account)],
    }
    for name, statements in grants.items():
        each = role(name, _trust([product.arn], external))
        each.inline["iam-cleanup"] = _policy(*statements)
        made.append(each)
    for name, policy in ((ADMIN_ROLE, ADMINISTRATOR), (SSO_READ_ROLE, "ReadOnlyAccess")):
        each = role(name, _federated(account), SSO_PATH)
        each.attached = [
            policy if policy.startswith("arn:") else f"arn:aws:iam::aws:policy/{policy}"
        ]
        made.append(each)
    runner = role(RUNNER_ROLE, _trust([account.arn("root")]))
    runner.attached = ["arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"]
    function = role(FUNCTION_ROLE, _served("lambda.amazonaws.com"), "/platform/")
    function.attached = [ADMINISTRATOR]
    return [*made, runner, function]


def let_trust(account: Account, seed: int, made_at: datetime, arns: list[str]) -> None:
    """A role whose trust policy names these users."""
    role = Role(
        name=TRUSTING_ROLE,
        id=drawn_id("AROA", 17, seed, TRUSTING_ROLE),
        path="/",
        arn=account.arn(f"role/{TRUSTING_ROLE}"),
        created_at=made_at,
        trust=_trust(arns),
    )
    role.attached = ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]
    account.roles[role.name] = role
