"""The IAM actions that reading an account needs; the shipped reader policy is made of them.

A test holds this list and the operations named in `inventory.aws` together, both ways.
"""

from __future__ import annotations

# No resource type, or a listing of the whole account: these take Resource "*".
ACCOUNT_WIDE = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:LookupEvents",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "eks:DescribeAccessEntry",
    "eks:ListAccessEntries",
    "eks:ListAssociatedAccessPolicies",
    "eks:ListClusters",
    # Whether a use of the break-glass user would be told of.
    "events:ListRules",
    "events:ListTargetsByRule",
    "iam:GenerateCredentialReport",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountPasswordPolicy",
    "iam:GetAccountSummary",
    "iam:GetCredentialReport",
    "iam:GetServiceLastAccessedDetails",
    "iam:ListRoles",
    "iam:ListUsers",
    "iam:ListVirtualMFADevices",
    # Only policies, never what is in a bucket, a queue or a secret.
    "kms:GetKeyPolicy",
    "kms:ListKeys",
    "s3:GetBucketPolicy",
    "s3:ListAllMyBuckets",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecrets",
    "sns:GetTopicAttributes",
    "sns:ListTopics",
    "sqs:GetQueueAttributes",
    "sqs:ListQueues",
)
# Answered in the management account and for its delegated administrators alone; every other
# account's reader can do without them.
ON_THE_ORGANIZATION = (
    "organizations:DescribeOrganization",
    "organizations:DescribePolicy",
    "organizations:ListAccounts",
    "organizations:ListParents",
    "organizations:ListPoliciesForTarget",
)
# Where Identity Center is declared to be, and nowhere else. The last two are IAM's: what AWS's own
# policies in a permission set allow.
ON_IDENTITY_CENTER = (
    "identitystore:DescribeGroup",
    "identitystore:DescribeUser",
    "identitystore:ListGroupMemberships",
    "identitystore:ListGroups",
    "identitystore:ListUsers",
    "sso:DescribePermissionSet",
    "sso:GetInlinePolicyForPermissionSet",
    "sso:GetPermissionsBoundaryForPermissionSet",
    "sso:ListAccountAssignments",
    "sso:ListAccountsForProvisionedPermissionSet",
    "sso:ListCustomerManagedPolicyReferencesInPermissionSet",
    "sso:ListInstances",
    "sso:ListManagedPoliciesInPermissionSet",
    "sso:ListPermissionSets",
)
ON_POLICIES_OF_AWS = ("iam:GetPolicy", "iam:GetPolicyVersion")
# No call of ours: Identity Center decrypts for whoever asks it, where the organization's own key
# encrypts its data.
ON_IDENTITY_CENTER_KEY = ("kms:Decrypt",)
ON_USERS = (
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetAccessKeyLastUsed",
    "iam:GetLoginProfile",
    "iam:GetSSHPublicKey",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupsForUser",
    "iam:ListMFADevices",
    "iam:ListSSHPublicKeys",
    "iam:ListServiceSpecificCredentials",
    "iam:ListSigningCertificates",
    "iam:ListUserPolicies",
)
# Only for accounts that declare where their longer history is. ListObjectsV2 is s3:ListBucket, and
# S3 decrypts with a key of KMS only for who may use that key.
ON_LOG_BUCKET = ("s3:ListBucket",)
ON_LOG_FILES = ("s3:GetObject",)
ON_LOG_KEY = ("kms:Decrypt",)
ON_EVENT_DATA_STORE = (
    "cloudtrail:DescribeQuery",
    "cloudtrail:GetQueryResults",
    "cloudtrail:StartQuery",
)
# GetCallerIdentity needs no permission, and AssumeRole is the base credentials' own.
NEED_NONE = ("sts:AssumeRole", "sts:GetCallerIdentity")
