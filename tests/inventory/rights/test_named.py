"""An event names resources by its own list, by ARNs it was given, and by names that are known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.rights.named import MOST_RESOURCES, resources_of

BASE = {
    "userIdentity": {"arn": "arn:aws:iam::123456789012:user/deploy"},
    "awsRegion": "eu-west-1",
    "recipientAccountId": "123456789012",
}
HERE = "eu-west-1:123456789012"


def event(service: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    source = {"eventSource": f"{service}.amazonaws.com", "requestParameters": parameters}
    return BASE | source | more


@pytest.mark.parametrize(
    ("service", "parameters", "arns"),
    [
        ("s3", {"bucketName": "shop-logs"}, ["arn:aws:s3:::shop-logs"]),
        ("dynamodb", {"tableName": "orders"}, [f"arn:aws:dynamodb:{HERE}:table/orders"]),
        ("lambda", {"functionName": "pay"}, [f"arn:aws:lambda:{HERE}:function:pay"]),
        ("ecs", {"cluster": "main"}, [f"arn:aws:ecs:{HERE}:cluster/main"]),
        ("ssm", {"name": "/shop/db"}, [f"arn:aws:ssm:{HERE}:parameter/shop/db"]),
        (
            "sqs",
            {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/210987654321/jobs"},
            ["arn:aws:sqs:eu-west-1:210987654321:jobs"],
        ),
        (
            "sns",
            {"topicArn": f"arn:aws:sns:{HERE}:alerts", "subject": "arn: nothing"},
            [f"arn:aws:sns:{HERE}:alerts"],
        ),
        (
            "ecs",
            {"services": [f"arn:aws:ecs:{HERE}:service/main/{name}" for name in "ab"]},
            [f"arn:aws:ecs:{HERE}:service/main/{name}" for name in "ab"],
        ),
        (
            "ecs",
            {"cluster": "main", "service": "web"},
            [f"arn:aws:ecs:{HERE}:cluster/main", f"arn:aws:ecs:{HERE}:service/main/web"],
        ),
        (
            "ecs",
            {"cluster": f"arn:aws:ecs:{HERE}:cluster/main", "services": ["web", "jobs"]},
            [
                f"arn:aws:ecs:{HERE}:cluster/main",
                f"arn:aws:ecs:{HERE}:service/main/jobs",
                f"arn:aws:ecs:{HERE}:service/main/web",
            ],
        ),
        ("ecs", {"service": "web"}, [f"arn:aws:ecs:{HERE}:service/default/web"]),
        ("ecs", {"service": "web", "cluster": "a b"}, []),
        ("cloudformation", {"stackName": "shop"}, [f"arn:aws:cloudformation:{HERE}:stack/shop/*"]),
        ("rds", {"dBInstanceIdentifier": "shop"}, [f"arn:aws:rds:{HERE}:db:shop"]),
        ("ec2", {"instanceId": "i-0abc"}, []),
        ("s3", {"bucketName": "no spaces here"}, []),
        ("s3", None, []),
    ],
)  # fmt: skip
def test_parameters_name_what_a_call_acts_on(
    service: str, parameters: Any, arns: list[str]
) -> None:
    assert list(resources_of(event(service, parameters))) == arns


def test_the_events_own_list_counts() -> None:
    told = [{"ARN": f"arn:aws:kms:{HERE}:key/1", "type": "AWS::KMS::Key"}, {"type": "x"}, None]
    assert resources_of(event("kms", resources=told)) == (f"arn:aws:kms:{HERE}:key/1",)


def test_the_partition_is_the_callers() -> None:
    told = event("s3", {"bucketName": "b"}, userIdentity={"arn": "arn:aws-cn:iam::1:user/u"})
    assert resources_of(told) == ("arn:aws-cn:s3:::b",)


def test_an_event_that_names_very_many_names_none() -> None:
    arns = [f"arn:aws:ecs:{HERE}:service/main/{number}" for number in range(MOST_RESOURCES + 1)]
    assert resources_of(event("ecs", {"services": arns})) == ()
    assert len(resources_of(event("ecs", {"services": arns[1:]}))) == MOST_RESOURCES


JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
)


@given(JSON)
def test_whatever_a_record_holds_nothing_breaks(value: Any) -> None:
    record = {"resources": value, "requestParameters": value, "userIdentity": value}
    for arn in resources_of(record | {"eventSource": value}):
        assert arn.startswith("arn:aws")
