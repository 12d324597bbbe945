"""The cast as facts of plans: what each may do, and what each really does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from migrations_app.plans.facts import Origin, PlanFacts, Unlogged, Used
from migrations_app.plans.granted import statements

NOW = datetime(2025, 3, 6, 14, 22, tzinfo=UTC)
SINCE = NOW - timedelta(days=90)
ACCOUNT = "123456789012"
ADMIN = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """A document with one statement."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def call(
    service: str, action: str, *resources: str, days: int = 30, last: int = 1, regions: str = ""
) -> Used:
    """Calls on so many days, the last so many days ago."""
    at = NOW - timedelta(days=last)
    return Used(
        service=service,
        action=action,
        count=days * 3,
        first_at=at - timedelta(days=days),
        last_at=at,
        regions=tuple(regions.split()) or ("eu-west-1",),
        resources=resources,
        days=days,
    )


def person(user_name: str, *documents: object, **more: Any) -> PlanFacts:
    """One IAM user of production with these inline policies."""
    granted = tuple(
        one
        for number, document in enumerate(documents, start=1)
        for one in statements(document, Origin(f"p{number}"))
    )
    facts: dict[str, Any] = {
        "account_id": ACCOUNT,
        "account_name": "production",
        "user_name": user_name,
        "user_id": f"AIDA{user_name.upper()}",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{user_name}",
        "generated_at": NOW,
        "evidence_from": SINCE,
        "evidence_to": NOW,
        "granted": granted,
        **more,
    }
    return PlanFacts(**facts)


def deploy_bot() -> PlanFacts:
    """CI with the administrator's policy that deploys one ECS service from a bucket."""
    return person(
        "deploy-bot-prod",
        ADMIN,
        category="ci-cd",
        team="Platform",
        used=(
            call("ecs", "UpdateService", f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/shop/web"),
            call("ecs", "DescribeServices"),
            call("lambda", "UpdateFunctionCode20150331v2"),
            call("s3", "ListBuckets"),
            call("sts", "GetCallerIdentity"),
            call("route53", "ChangeResourceRecordSets", days=1, last=60),
        ),
        unlogged=(Unlogged("dynamodb", NOW - timedelta(days=2)),),
    )
