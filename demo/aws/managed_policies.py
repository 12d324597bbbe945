"""The AWS managed policies that the simulated account knows, with the documents that matter.

AWS has more than a thousand; these are the ones its users hold. Documents are shortened to what
evaluation needs, except AWSDenyAll and the administrator ones, which are AWS's own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from .ids import drawn_id
from .state import Document, Policy

DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_READ_SERVICES = _words(
    "acm apigateway athena autoscaling cloudformation cloudfront cloudtrail cloudwatch codecommit "
    "config dynamodb ec2 ecr ecs eks elasticache elasticfilesystem elasticloadbalancing events "
    "firehose glue guardduty iam kinesis kms lambda logs organizations rds redshift route53 s3 "
    "secretsmanager ses sns sqs ssm states tag"
)
_ALLOWED_ACTIONS: dict[str, list[str]] = {
    "AdministratorAccess": ["*"],
    "ReadOnlyAccess": [
        *(f"{service}:{verb}*" for service in _READ_SERVICES for verb in ("Describe", "List")),
        "cloudtrail:Get*", "cloudtrail:LookupEvents", "cloudwatch:Get*", "ec2:Get*",
        "iam:Generate*", "iam:Get*", "lambda:Get*", "logs:Get*", "s3:Get*", "sqs:Get*",
        "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken",
    ],
    "SecurityAudit": [
        *(f"{service}:{verb}*" for service in _READ_SERVICES for verb in ("Describe", "List")),
        "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents",
        "iam:GenerateCredentialReport", "iam:Get*", "s3:GetBucket*", "sts:GetCallerIdentity",
    ],
    "IAMFullAccess": ["iam:*", "organizations:DescribeAccount", "organizations:ListRoots"],
    "IAMUserChangePassword": ["iam:ChangePassword", "iam:GetAccountPasswordPolicy"],
    "AmazonS3FullAccess": ["s3:*", "s3-object-lambda:*"],
    "AmazonS3ReadOnlyAccess": ["s3:Get*", "s3:List*", "s3:Describe*"],
    "AmazonEC2FullAccess": ["ec2:*", "elasticloadbalancing:*", "autoscaling:*", "cloudwatch:*"],
    "AmazonEC2ReadOnlyAccess": ["ec2:Describe*", "elasticloadbalancing:Describe*"],
    "AmazonEC2ContainerRegistryPowerUser": [
        "ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:PutImage", "ecr:UploadLayerPart",
        "ecr:InitiateLayerUpload", "ecr:CompleteLayerUpload", "ecr:Describe*", "ecr:List*",
    ],
    "AmazonECS_FullAccess": ["ecs:*", "ec2:Describe*", "elasticloadbalancing:*", "logs:*"],
    "AmazonDynamoDBFullAccess": ["dynamodb:*", "dax:*"],
    "AmazonSQSFullAccess": ["sqs:*"],
    "AmazonSNSFullAccess": ["sns:*"],
    "AmazonSESFullAccess": ["ses:*"],
    "AmazonRDSReadOnlyAccess": ["rds:Describe*", "rds:ListTagsForResource"],
    "AmazonAthenaFullAccess": ["athena:*", "glue:Get*", "glue:CreateTable", "s3:GetBucketLocation"],
    "AmazonBedrockLimitedAccess": ["bedrock:*"],
    "AWSLambda_FullAccess": ["lambda:*", "cloudformation:DescribeStacks", "logs:Describe*"],
    "AWSCloudFormationFullAccess": ["cloudformation:*"],
    "AWSCodeCommitPowerUser": ["codecommit:Git*", "codecommit:Get*", "codecommit:CreateBranch"],
    "AWSBillingReadOnlyAccess": ["ce:Get*", "ce:List*", "budgets:ViewBudget", "cur:Describe*"],
    "AWSCloudTrail_ReadOnlyAccess": [
        "cloudtrail:Get*", "cloudtrail:Describe*", "cloudtrail:List*", "cloudtrail:LookupEvents",
    ],
    "CloudWatchReadOnlyAccess": ["cloudwatch:Get*", "cloudwatch:List*", "logs:Get*"],
    "CloudWatchLogsFullAccess": ["logs:*"],
    "CloudFrontFullAccess": ["cloudfront:*"],
}  # fmt: skip
# Beside what the lists above allow: to whom a role may be passed, as AWS writes it.
_PASSES_TO = {
    "AmazonECS_FullAccess": "ecs-tasks.amazonaws.com",
    "AWSLambda_FullAccess": "lambda.amazonaws.com",
}
_NOT_FOR_POWER_USERS = ["iam:*", "organizations:*", "account:*"]
_FOR_POWER_USERS = [
    "account:GetAccountInformation", "account:ListRegions", "iam:CreateServiceLinkedRole",
    "iam:DeleteServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization",
]  # fmt: skip
_DENIED_BY_QUARANTINE = [
    "cloudtrail:LookupEvents", "ec2:RequestSpotInstances", "ec2:RunInstances",
    "ec2:StartInstances", "iam:AddUserToGroup", "iam:AttachUserPolicy", "iam:CreateAccessKey",
    "iam:CreateLoginProfile", "iam:CreateRole", "iam:CreateUser", "iam:PutUserPolicy",
    "iam:UpdateAccessKey", "lambda:CreateFunction", "s3:DeleteBucket", "ses:*",
]  # fmt: skip
_JOB_FUNCTIONS = {
    "Billing": ["aws-portal:*", "ce:*", "budgets:*"],
    "ViewOnlyAccess": [
        *(f"{service}:List*" for service in _READ_SERVICES), "ec2:Describe*", "rds:Describe*",
    ],
}  # fmt: skip


def _statement(effect: str, actions: list[str]) -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": actions, "Resource": ["*"]}],
    }


def managed_policies() -> dict[str, Policy]:
    """All of them by ARN."""
    documents: dict[str, Document] = {
        name: _statement("Allow", actions) for name, actions in _ALLOWED_ACTIONS.items()
    }
    documents["AdministratorAccess"]["Statement"] = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}
    ]
    documents["PowerUserAccess"] = _power_user()
    for name, service in _PASSES_TO.items():
        documents[name]["Statement"].append(
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": service}},
            }
        )
    documents["AWSDenyAll"] = _statement("Deny", ["*"])
    documents["AWSDenyAll"]["Statement"][0]["Sid"] = "DenyAll"
    for version in ("", "V2", "V3", "V4"):
        name = f"AWSCompromisedKeyQuarantine{version}"
        documents[name] = _statement("Deny", _DENIED_BY_QUARANTINE)
    made = {
        f"arn:aws:iam::aws:policy/{name}": _policy(name, "/", document)
        for name, document in documents.items()
    }
    for name, actions in _JOB_FUNCTIONS.items():
        policy = _policy(name, "/job-function/", _statement("Allow", actions))
        made[policy.arn] = policy
    return made


def _power_user() -> Document:
    document = _statement("Allow", _FOR_POWER_USERS)
    everything_else = {"Effect": "Allow", "NotAction": _NOT_FOR_POWER_USERS, "Resource": "*"}
    document["Statement"].insert(0, everything_else)
    return document


def _policy(name: str, path: str, document: Document) -> Policy:
    return Policy(
        name=name,
        id=drawn_id("ANPA", 17, "aws-managed", name),
        path=path,
        arn=f"arn:aws:iam::aws:policy{path}{name}",
        created_at=datetime(2015, 2, 6, 18, 40, tzinfo=UTC),
        document=document,
        version="v2" if name == "AWSDenyAll" else "v1",
    )
