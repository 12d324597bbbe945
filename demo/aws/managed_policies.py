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

_ALLOWED_ACTIONS: dict[str, list[str]] = {
    "AdministratorAccess": ["*"],
    "PowerUserAccess": ["*"],
    "ReadOnlyAccess": ["*:Get*", "*:List*", "*:Describe*", "cloudtrail:LookupEvents"],
    "SecurityAudit": ["iam:Get*", "iam:List*", "iam:Generate*", "cloudtrail:LookupEvents"],
    "IAMFullAccess": ["iam:*"],
    "IAMUserChangePassword": ["iam:ChangePassword", "iam:GetAccountPasswordPolicy"],
    "AmazonS3FullAccess": ["s3:*"],
    "AmazonS3ReadOnlyAccess": ["s3:Get*", "s3:List*"],
    "AmazonEC2FullAccess": ["ec2:*", "elasticloadbalancing:*", "autoscaling:*"],
    "AmazonEC2ReadOnlyAccess": ["ec2:Describe*"],
    "AmazonEC2ContainerRegistryPowerUser": ["ecr:*"],
    "AmazonECS_FullAccess": ["ecs:*", "iam:PassRole"],
    "AmazonDynamoDBFullAccess": ["dynamodb:*"],
    "AmazonSQSFullAccess": ["sqs:*"],
    "AmazonSNSFullAccess": ["sns:*"],
    "AmazonSESFullAccess": ["ses:*"],
    "AmazonRDSReadOnlyAccess": ["rds:Describe*"],
    "AmazonAthenaFullAccess": ["athena:*", "glue:*"],
    "AmazonBedrockLimitedAccess": ["bedrock:*"],
    "AWSLambda_FullAccess": ["lambda:*"],
    "AWSCloudFormationFullAccess": ["cloudformation:*"],
    "AWSCodeCommitPowerUser": ["codecommit:*"],
    "AWSBillingReadOnlyAccess": ["ce:*", "budgets:View*", "cur:Describe*"],
    "AWSCloudTrail_ReadOnlyAccess": ["cloudtrail:*"],
    "CloudWatchReadOnlyAccess": ["cloudwatch:Get*", "cloudwatch:List*", "logs:Get*"],
    "CloudWatchLogsFullAccess": ["logs:*"],
    "CloudFrontFullAccess": ["cloudfront:*"],
}
_DENIED_BY_QUARANTINE = [
    "cloudtrail:LookupEvents", "ec2:RequestSpotInstances", "ec2:RunInstances",
    "ec2:StartInstances", "iam:AddUserToGroup", "iam:AttachUserPolicy", "iam:CreateAccessKey",
    "iam:CreateLoginProfile", "iam:CreateRole", "iam:CreateUser", "iam:PutUserPolicy",
    "iam:UpdateAccessKey", "lambda:CreateFunction", "s3:DeleteBucket", "ses:*",
]  # fmt: skip
_JOB_FUNCTIONS = {"Billing": ["aws-portal:*", "ce:*", "budgets:*"]}


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
