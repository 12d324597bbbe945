"""Facts of a plan stand in one order, whatever order they came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from migrations_app.plans.facts import Condition, Granted, Origin, PlanFacts, Unlogged, Used

NOW = datetime(2025, 3, 6, 14, tzinfo=UTC)


def test_the_same_facts_in_another_order_are_the_same_facts() -> None:
    region = Condition("StringEquals", "aws:RequestedRegion", ("eu-west-1", "eu-central-1"))
    facts = PlanFacts(
        account_id="123456789012",
        account_name="production",
        user_name="deploy",
        user_id="AIDAEXAMPLE",
        arn="arn:aws:iam::123456789012:user/deploy",
        generated_at=NOW,
        evidence_from=NOW,
        evidence_to=NOW,
        tags=(("team", "platform"), ("app", "shop")),
        granted=(
            Granted(Origin("b"), actions=("s3:*", "ec2:*"), resources=("*",)),
            Granted(Origin("a"), actions=("sqs:*",), resources=("*",), conditions=(region,)),
        ),
        used=(Used("s3", "ListBuckets", 1, NOW, NOW), Used("ec2", "RunInstances", 1, NOW, NOW)),
        unlogged=(Unlogged("sqs", NOW), Unlogged("dynamodb", NOW)),
        key_ids=("AKIA…WXYZ", "AKIA…ABCD"),
    )
    names = ("tags", "granted", "used", "unlogged", "key_ids")
    random = Random(1)
    for _ in range(20):
        shuffled: dict[str, Any] = {
            name: tuple(random.sample(getattr(facts, name), 2)) for name in names
        }
        again = replace(facts, **shuffled)
        assert again == facts
        assert repr(again) == repr(facts)
    assert region.values == ("eu-central-1", "eu-west-1")


def test_a_tag_is_found_whatever_its_case() -> None:
    facts = PlanFacts("1", "a", "n", "i", "arn:aws-cn:iam::1:user/n", NOW, NOW, NOW)
    tagged = replace(facts, tags=(("Email", "x@example.com"),))
    assert tagged.tag("email") == "x@example.com"
    assert tagged.tag("team") == ""
    assert tagged.partition == "aws-cn"
