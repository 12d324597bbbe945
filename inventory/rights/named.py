"""Which resources an event names, as ARNs: in its own list, or among its parameters. Pure.

Most events say in their parameters what they act on, each service in its own words; here are those
that workloads use most. What is not understood names nothing, which narrows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# An event that names more is no evidence of a few resources.
MOST_RESOURCES = 20
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:[!-~]{1,400}")
_NAME = re.compile(r"[A-Za-z0-9_.!/=+@-]{1,255}")
# By service and parameter the ARN of what it names; {region} and {account} are the event's.
_PARAMETERS: Mapping[tuple[str, str], str] = {
    ("s3", "bucketName"): "arn:{partition}:s3:::{name}",
    ("dynamodb", "tableName"): "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    ("lambda", "functionName"): "arn:{partition}:lambda:{region}:{account}:function:{name}",
    ("ecr", "repositoryName"): "arn:{partition}:ecr:{region}:{account}:repository/{name}",
    ("ecs", "cluster"): "arn:{partition}:ecs:{region}:{account}:cluster/{name}",
    ("eks", "name"): "arn:{partition}:eks:{region}:{account}:cluster/{name}",
    ("kinesis", "streamName"): "arn:{partition}:kinesis:{region}:{account}:stream/{name}",
    ("logs", "logGroupName"): "arn:{partition}:logs:{region}:{account}:log-group:{name}",
    ("ssm", "name"): "arn:{partition}:ssm:{region}:{account}:parameter/{name}",
    ("codebuild", "projectName"): "arn:{partition}:codebuild:{region}:{account}:project/{name}",
    ("athena", "workGroup"): "arn:{partition}:athena:{region}:{account}:workgroup/{name}",
    ("rds", "dBInstanceIdentifier"): "arn:{partition}:rds:{region}:{account}:db:{name}",
    # What AWS puts behind the name of a stack is another one each time it is made.
    ("cloudformation", "stackName"): "arn:{partition}:cloudformation:{region}:{account}"
    ":stack/{name}/*",
    # A service bears its cluster's name; without one AWS takes the cluster `default`.
    ("ecs", "service"): "arn:{partition}:ecs:{region}:{account}:service/{cluster}/{name}",
    ("ecs", "services"): "arn:{partition}:ecs:{region}:{account}:service/{cluster}/{name}",
}
_QUEUE = re.compile(r"https://[^/]+/(\d{12})/([A-Za-z0-9_.-]{1,80})")


def resources_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The ARNs that a CloudTrail record names, sorted; none where they are too many.

    Whatever its shape, it never raises.
    """
    found = sorted({*_listed(record), *_parameters(record)})
    return tuple(found) if len(found) <= MOST_RESOURCES else ()


def together(some: Iterable[str] | None, more: Iterable[str] | None) -> list[str] | None:
    """What two counts of events name; None as soon as one of them named nothing, or too many."""
    if not some or not more:
        return None
    found = sorted({*some, *more})
    return found if len(found) <= MOST_RESOURCES else None


def _listed(record: Mapping[str, Any]) -> Iterator[str]:
    told = record.get("resources")
    for one in told if isinstance(told, list) else ():
        if isinstance(one, Mapping):
            yield from _arn(one.get("ARN"))


def _parameters(record: Mapping[str, Any]) -> Iterator[str]:
    told = record.get("requestParameters")
    if not isinstance(told, Mapping):
        return
    service = str(record.get("eventSource", "")).removesuffix(".amazonaws.com")
    for key, value in list(told.items())[:100]:
        for one in value[:100] if isinstance(value, list) else [value]:
            yield from _arn(one)
            if isinstance(one, str) and not one.startswith("arn:"):
                yield from _named(service, str(key), one, record)


def _arn(value: object) -> Iterator[str]:
    if isinstance(value, str) and _ARN.fullmatch(value):
        yield value


def _named(service: str, key: str, name: str, record: Mapping[str, Any]) -> Iterator[str]:
    identity = record.get("userIdentity")
    arn = str(identity.get("arn", "")) if isinstance(identity, Mapping) else ""
    request = record.get("requestParameters")
    cluster = request.get("cluster") if isinstance(request, Mapping) else None
    place = {
        "cluster": str(cluster or "default").rpartition("/")[2],
        "partition": arn.split(":")[1] if arn.count(":") > 1 else "aws",
        "region": str(record.get("awsRegion", "")),
        "account": str(record.get("recipientAccountId", "")),
    }
    if (service, key) == ("sqs", "queueUrl") and (queue := _QUEUE.fullmatch(name)):
        yield f"arn:{place['partition']}:sqs:{place['region']}:{queue[1]}:{queue[2]}"
    template = _PARAMETERS.get((service, key))
    if template and _NAME.fullmatch(name) and _NAME.fullmatch(place["cluster"]):
        yield from _arn(template.format(name=name.lstrip("/"), **place))
