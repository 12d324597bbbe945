"""What users do beside looking around: calls about one bucket, table, queue or stack of theirs.

Every other time that a user does its usual thing it does one of these instead, as far as it may by
its policies. Which ones are its own follows from its name, and when from the moment, so the account
is the same in every run, and no bigger than without them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zlib import crc32

from .evaluation import effect, identity_documents
from .rhythm import Habit
from .state import Account, User

_BUCKETS = ("acme-artifacts-prod", "acme-ci-cache", "acme-data-lake", "acme-logs")
_TABLES = ("carts", "invoices", "orders", "sessions")
_QUEUES = ("jobs", "partner-events", "year-end")
_STACKS = ("checkout", "ledger", "network", "reports")
_SERVICES = ("api", "checkout", "worker")
_LOG_GROUPS = ("/acme/audit", "/aws/lambda/checkout", "/ecs/worker")

# What habits are called in policies, where the event bears another name.
_IN_POLICIES = {
    "lambda:ListFunctions20150331": "lambda:ListFunctions",
    "monitoring:ListMetrics": "cloudwatch:ListMetrics",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One call. `names`: the parameters that say what it is about, drawn for each user."""

    service: str
    event: str
    names: tuple[tuple[str, tuple[str, ...]], ...]
    read_only: bool = True


_ON_BUCKETS = (("bucketName", _BUCKETS),)
_LOOKS_AT_BUCKETS = (
    Work("s3", "GetBucketLocation", _ON_BUCKETS),
    Work("s3", "GetBucketAcl", _ON_BUCKETS),
)
_LOOKS_AT_LOGS = (Work("logs", "GetLogGroupFields", (("logGroupName", _LOG_GROUPS),)),)
_KEEPS_QUEUES = (
    Work("sqs", "ListQueueTags", (("queueUrl", _QUEUES),)),
    Work("sqs", "SetQueueAttributes", (("queueUrl", _QUEUES),), read_only=False),
)
_LOOKS_AT_TABLES = (Work("dynamodb", "DescribeTable", (("tableName", _TABLES),)),)
_BY_POLICY: dict[str, tuple[Work, ...]] = {
    "AmazonS3FullAccess": (
        *_LOOKS_AT_BUCKETS,
        Work("s3", "PutBucketLifecycle", _ON_BUCKETS, read_only=False),
    ),
    "AmazonS3ReadOnlyAccess": _LOOKS_AT_BUCKETS,
    "AWSBillingReadOnlyAccess": (Work("ce", "GetCostAndUsage", ()),),
    "AmazonAthenaFullAccess": (
        Work("athena", "StartQueryExecution", (("workGroup", ("analysts", "reports")),), False),
    ),
    "AmazonECS_FullAccess": (
        Work("ecs", "DescribeServices", (("cluster", ("shop",)), ("services", _SERVICES))),
        Work("ecs", "UpdateService", (("cluster", ("shop",)), ("service", _SERVICES)), False),
    ),
    "AmazonSQSFullAccess": _KEEPS_QUEUES,
    "AWSCloudFormationFullAccess": (
        Work("cloudformation", "DescribeStackEvents", (("stackName", _STACKS),)),
        Work("cloudformation", "UpdateStack", (("stackName", _STACKS),), read_only=False),
    ),
    "CloudWatchReadOnlyAccess": _LOOKS_AT_LOGS,
    "PowerUserAccess": (*_LOOKS_AT_TABLES, *_KEEPS_QUEUES),
    "ReadOnlyAccess": (*_LOOKS_AT_TABLES, *_LOOKS_AT_BUCKETS),
    "SecurityAudit": (Work("s3", "GetBucketPolicy", _ON_BUCKETS), *_LOOKS_AT_TABLES),
}


def at_work(habit: Habit, at: datetime, account: Account, user: User) -> Habit:
    """The habit as it is done this time: as ever, or about something that its user works on.

    Never as ever where no policy of the user allows that.
    """
    own = list(works_of(account, user)) if habit.works else []
    if not own:
        return habit
    drawn = crc32(f"{user.name}-{at.isoformat()}".encode())
    if drawn % 2 and _may(account, user, habit):
        return habit
    chosen = own[drawn // 2 % len(own)]
    return replace(
        habit,
        service=chosen.service,
        event=chosen.event,
        read_only=chosen.read_only,
        about=tuple(_named(chosen, account, user, habit.region)),
    )


def _may(account: Account, user: User, habit: Habit) -> bool:
    event = f"{habit.service}:{habit.event}"
    action = _IN_POLICIES.get(event, event)
    documents = identity_documents(account, user)
    return any(effect(document, action, "*", {}) == "Allow" for document in documents)


def works_of(account: Account, user: User) -> Iterator[Work]:
    """What it may do by its policies, in the order of these."""
    held = [*user.attached]
    for name in user.groups:
        group = account.groups.get(name)
        held += group.attached if group else []
    found: dict[Work, None] = {}
    for arn in held:
        found |= dict.fromkeys(_BY_POLICY.get(arn.rpartition("/")[2], ()))
    yield from found


def _named(work: Work, account: Account, user: User, region: str) -> Iterator[tuple[str, Any]]:
    """The same things for the same user, whatever it does with them."""
    for name, choices in work.names:
        mine = random.Random(f"{user.name}-{choices}").choice(choices)
        if name == "queueUrl":
            mine = f"https://sqs.{region}.amazonaws.com/{account.id}/{mine}"
        yield name, [mine] if name == "services" else mine
