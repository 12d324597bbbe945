"""Service last accessed: a job, 400 days back, readable only by the session that began it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .calls import Context, operation
from .errors import denied, no_such_entity
from .evaluation import explicitly_denied, identity_documents
from .paging import page
from .state import Account, AdvisorJob, Use, User

NAMES = {
    "athena": "Amazon Athena", "autoscaling": "Amazon EC2 Auto Scaling",
    "bedrock": "Amazon Bedrock", "budgets": "AWS Budget Service",
    "ce": "AWS Cost Explorer Service", "cloudformation": "AWS CloudFormation",
    "cloudfront": "Amazon CloudFront", "cloudtrail": "AWS CloudTrail",
    "cloudwatch": "Amazon CloudWatch", "codecommit": "AWS CodeCommit",
    "dynamodb": "Amazon DynamoDB", "ec2": "Amazon EC2",
    "ecr": "Amazon Elastic Container Registry", "ecs": "Amazon Elastic Container Service",
    "elasticloadbalancing": "Elastic Load Balancing", "glue": "AWS Glue",
    "iam": "AWS Identity and Access Management", "kms": "AWS Key Management Service",
    "lambda": "AWS Lambda", "logs": "Amazon CloudWatch Logs", "rds": "Amazon RDS",
    "s3": "Amazon S3", "secretsmanager": "AWS Secrets Manager", "ses": "Amazon SES",
    "signin": "AWS Sign-In", "sns": "Amazon SNS", "sqs": "Amazon SQS",
    "sts": "AWS Security Token Service",
}  # fmt: skip
# Where a service's name in events is not the one that policies know it by.
_NAMESPACES = {"monitoring": "cloudwatch"}
_TRACKED = timedelta(days=400)


def _user_by_arn(account: Account, arn: str) -> User:
    for user in account.users.values():
        if user.arn == arn:
            return user
    raise no_such_entity(f"ARN {arn} does not exist.")


def _allowed(account: Account, user: User) -> set[str]:
    """The services that an Allow of the user's policies names, whatever resources it names."""
    found: set[str] = set()
    for document in identity_documents(account, user):
        statements = document.get("Statement", [])
        for statement in statements if isinstance(statements, list) else [statements]:
            if statement["Effect"] != "Allow":
                continue
            # All but a few actions: every service, as far as this list goes.
            actions = statement.get("Action", "*")
            for action in actions if isinstance(actions, list) else [actions]:
                service = str(action).partition(":")[0].lower()
                found |= set(NAMES) if service == "*" else {service} & set(NAMES)
    return found


def _services(account: Account, user: User, now: datetime) -> list[dict[str, Any]]:
    """What the user's policies allow, with the last use; nothing under a deny of everything.

    What it used counts as allowed: the account's own life asks no policy but a deny.
    """
    if explicitly_denied(account, user, "s3:ListAllMyBuckets") and explicitly_denied(
        account, user, "ec2:DescribeInstances"
    ):
        return []
    uses: dict[str, Use] = {}
    for service, used in user.services.items():
        namespace = _NAMESPACES.get(service, service)
        known = uses.get(namespace)
        if known is None or used.at > known.at:
            uses[namespace] = used
    shown = []
    for namespace in sorted(_allowed(account, user) | uses.keys()):
        service_name = NAMES.get(namespace, namespace)
        row: dict[str, Any] = {"ServiceName": service_name, "ServiceNamespace": namespace}
        last = uses.get(namespace)
        if last is not None and last.at > now - _TRACKED:
            row |= {
                "LastAuthenticated": last.at,
                "LastAuthenticatedEntity": user.arn,
                "LastAuthenticatedRegion": last.region,
                "TotalAuthenticatedEntities": 1,
            }
        else:
            row["TotalAuthenticatedEntities"] = 0
        shown.append(row)
    return shown


@operation("iam", "GenerateServiceLastAccessedDetails", writes=True)
def generate_service_last_accessed_details(context: Context) -> dict[str, Any]:
    """For a user's ARN. NoSuchEntity."""
    user = _user_by_arn(context.account, str(context.params["Arn"]))
    number = context.new_id("", 32).lower()
    job_id = "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))
    context.account.jobs[job_id] = AdvisorJob(
        id=job_id,
        arn=user.arn,
        principal_id=context.caller.principal_id,
        granularity=str(context.params.get("Granularity", "SERVICE_LEVEL")),
        started_at=context.now,
        services=_services(context.account, user, context.now),
    )
    return {"JobId": job_id}


@operation("iam", "GetServiceLastAccessedDetails")
def get_service_last_accessed_details(context: Context) -> dict[str, Any]:
    """IN_PROGRESS once, then COMPLETED, in pages. AccessDenied for anybody but the session that
    began it."""
    job = context.account.jobs.get(str(context.params["JobId"]))
    if job is None:
        raise no_such_entity(f"Job {context.params['JobId']} does not exist.")
    if job.principal_id != context.caller.principal_id:
        raise denied("The job was generated by another principal.")
    answer: dict[str, Any] = {"JobCreationDate": job.started_at, "JobType": job.granularity}
    if "job-failed" in context.shaped_by:
        error = {"Message": "The job could not be completed.", "Code": "JobFailed"}
        return answer | {"JobStatus": "FAILED", "ServicesLastAccessed": [], "Error": error}
    if job.polls_left or "job-stuck" in context.shaped_by:
        job.polls_left = max(0, job.polls_left - 1)
        return answer | {"JobStatus": "IN_PROGRESS", "ServicesLastAccessed": []}
    return answer | {
        "JobStatus": "COMPLETED",
        "JobCompletionDate": job.started_at,
        **page(
            context,
            "ServicesLastAccessed",
            job.services,
            lambda row: str(row["ServiceNamespace"]),
            lambda row: row,
        ),
    }
