"""The new policy allows what was used, nothing that was not granted, and says each doubt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.rights import known_actions
from inventory.rights.known_actions import wildcard
from migrations_app.plans import hcl, policy, policy_hcl, statements
from migrations_app.plans.facts import Condition, Origin, PlanFacts, Unlogged, Used
from migrations_app.plans.policy import Policy
from tests.hcl_text import formatted
from tests.migrations_app.plans.people import (
    ACCOUNT,
    ADMIN,
    NOW,
    SINCE,
    allow,
    call,
    deploy_bot,
    person,
)
from tests.migrations_app.plans.test_hcl import value_of

QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"
SERVICE = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/shop/web"
REGION = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
NO_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}


def by_action(drafted: Policy, action: str) -> list[statements.Statement]:
    return [one for one in drafted.statements if action in one.actions]


def used_by(*documents: object, calls: tuple[Used, ...], **more: Any) -> Policy:
    return policy.draft(person("deploy", *documents, used=calls, **more))


def test_the_cast_gets_what_it_used_and_its_former_rights_are_counted() -> None:
    drafted = policy.draft(deploy_bot())
    assert drafted.used == (
        "ecs:DescribeServices",
        "ecs:UpdateService",
        "lambda:UpdateFunctionCode",
        "route53:ChangeResourceRecordSets",
        "s3:ListAllMyBuckets",
    )
    assert drafted.granted == known_actions.everything()
    assert drafted.words == f"Used 5 of {known_actions.everything():,} granted actions."
    assert 0.99 < drafted.dropped_share < 1
    assert [one.sid for one in drafted.statements] == [
        "SeenEcs",
        "SeenEcsNo2",
        "SeenLambda",
        "SeenS3",
        "RareRoute53",
        "GuessedDynamodb",
        "GuessedS3",
    ]


def test_an_action_stands_on_what_its_events_named() -> None:
    drafted = used_by(ADMIN, calls=(call("ecs", "UpdateService", SERVICE),))
    (one,) = by_action(drafted, "ecs:UpdateService")
    assert one.resources == (SERVICE,)


def test_it_stands_on_everything_only_with_the_reason() -> None:
    drafted = used_by(ADMIN, calls=(call("ecs", "UpdateService"), call("s3", "ListBuckets")))
    (one,) = by_action(drafted, "ecs:UpdateService")
    assert (one.resources, one.why) == (("*",), ("No event names a resource.",))
    (one,) = by_action(drafted, "s3:ListAllMyBuckets")
    assert (one.resources, one.why) == (("*",), ("AWS takes no resource for it.",))
    assert "ecs:UpdateService" in {one.action for one in drafted.widened}
    assert "s3:ListAllMyBuckets" not in {one.action for one in drafted.widened}


def test_where_no_event_names_a_resource_it_stays_on_what_was_granted() -> None:
    drafted = used_by(allow("sqs:*", on=[QUEUE]), calls=(call("sqs", "SetQueueAttributes"),))
    assert {one.resources for one in drafted.statements} == {(QUEUE,)}


def test_what_an_event_names_outside_the_grant_is_not_allowed_by_it() -> None:
    other = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/shop/other"
    drafted = used_by(
        allow("ecs:UpdateService", on=f"arn:aws:ecs:*:{ACCOUNT}:service/shop/w*"),
        calls=(call("ecs", "UpdateService", SERVICE, other),),
    )
    assert {one.resources for one in drafted.statements} == {(SERVICE,)}


def test_instances_stand_as_a_pattern_and_what_the_call_needs_besides_is_added() -> None:
    instance = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-0abc1234"
    drafted = used_by(ADMIN, calls=(call("ec2", "RunInstances", instance),))
    (one,) = by_action(drafted, "ec2:RunInstances")
    assert f"arn:aws:ec2:*:{ACCOUNT}:instance/*" in one.resources
    assert f"arn:aws:ec2:*:{ACCOUNT}:subnet/*" in one.resources
    assert "arn:aws:ec2:*::image/*" in one.resources
    assert instance not in one.resources


@pytest.mark.parametrize(
    ("granted", "kept"),
    [("*", ("", ":*")), (":log-group:/shop/*", ("", ":*")), (":log-group:/shop/web:*", (":*",))],
)
def test_a_log_group_is_allowed_in_both_of_its_forms(granted: str, kept: tuple[str, ...]) -> None:
    here = f"arn:aws:logs:eu-west-1:{ACCOUNT}"
    calls = (call("logs", "PutRetentionPolicy", f"{here}:log-group:/shop/web"),)
    resource = granted if granted == "*" else here + granted
    drafted = used_by(allow("logs:*", on=resource), calls=calls)
    (found,) = by_action(drafted, "logs:PutRetentionPolicy")
    assert found.resources == tuple(f"{here}:log-group:/shop/web{end}" for end in kept)
    assert not [one for one in drafted.widened if one.action == "logs:PutRetentionPolicy"]


def test_objects_stand_as_their_bucket() -> None:
    seen = call("s3", "GetObject", "arn:aws:s3:::photos/a/1.jpg", "arn:aws:s3:::photos/2.jpg")
    drafted = used_by(allow("s3:Get*"), calls=(seen,))
    (one,) = drafted.statements
    assert (one.actions, one.resources) == (("s3:GetObject",), ("arn:aws:s3:::photos/*",))
    assert drafted.notes == ("CloudTrail logs the reads and writes of objects of s3 here.",)


def test_what_was_never_granted_is_never_allowed_and_said() -> None:
    drafted = used_by(allow("s3:*"), calls=(call("ecs", "UpdateService", SERVICE),))
    assert drafted.statements == ()
    assert drafted.used == ()
    assert "no policy of today allows it: ecs:UpdateService" in drafted.notes[0]


def test_what_is_denied_on_everything_is_not_granted() -> None:
    deny = {"Statement": {"Effect": "Deny", "Action": "ecs:*", "Resource": "*"}}
    drafted = used_by(ADMIN, deny, calls=(call("ecs", "UpdateService", SERVICE),))
    assert drafted.statements == ()
    assert drafted.granted < known_actions.everything()


def test_our_own_fence_takes_no_right_from_the_plan() -> None:
    fenced = deploy_bot()
    deny = person("x", {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}).granted
    named = replace(deny[0], origin=Origin("AWSDenyAll", "aws-managed"))
    drafted = policy.draft(replace(fenced, granted=(*fenced.granted, named)))
    assert drafted == policy.draft(fenced)


def test_a_deny_of_old_about_what_is_kept_stays() -> None:
    deny = {
        "Statement": [
            {"Effect": "Deny", "Action": "ecs:*", "Resource": SERVICE + "-old"},
            {"Effect": "Deny", "Action": "kms:*", "Resource": "arn:aws:kms:*:*:key/x"},
            {
                "Effect": "Deny",
                "NotAction": "iam:*",
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1"]}},
            },
        ]
    }
    drafted = used_by(ADMIN, deny, calls=(call("ecs", "UpdateService", SERVICE),))
    denied = [one for one in drafted.statements if one.effect == "Deny"]
    assert [one.actions or one.not_actions for one in denied] == [("iam:*",), ("ecs:*",)]
    assert denied[0].conditions[0].values == ("eu-west-1",)


def test_a_deny_without_mfa_is_left_out_and_said() -> None:
    deny = {"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": NO_MFA}}
    drafted = used_by(ADMIN, deny, calls=(call("ecs", "UpdateService", SERVICE),))
    assert [one.effect for one in drafted.statements] == ["Allow"]
    assert "aws:MultiFactorAuthPresent" in drafted.warnings[0]


def test_the_condition_of_the_only_statement_stays() -> None:
    drafted = used_by(
        allow("ecs:*", Condition=REGION), calls=(call("ecs", "UpdateService", SERVICE),)
    )
    (one,) = drafted.statements
    assert one.conditions == (Condition("StringEquals", "aws:RequestedRegion", ("eu-west-1",)),)
    assert one.resources == (SERVICE,)


def test_where_another_statement_asks_for_nothing_neither_does_the_new_one() -> None:
    drafted = used_by(
        allow("ecs:*", Condition=REGION),
        allow("ecs:Update*"),
        calls=(call("ecs", "UpdateService", SERVICE),),
    )
    (one,) = drafted.statements
    assert (one.conditions, one.resources) == ((), (SERVICE,))


def test_without_a_named_resource_the_statement_without_a_condition_is_enough() -> None:
    drafted = used_by(
        allow("ecs:*", Condition=REGION), allow("ecs:*"), calls=(call("ecs", "UpdateService"),)
    )
    assert [one.conditions for one in drafted.statements] == [()]


def test_two_statements_for_two_resources_keep_each_its_condition() -> None:
    other = SERVICE + "-2"
    drafted = used_by(
        allow("ecs:*", on=SERVICE, Condition=REGION),
        allow("ecs:*", on=other),
        calls=(call("ecs", "UpdateService", SERVICE, other),),
    )
    assert {(one.resources, bool(one.conditions)) for one in drafted.statements} == {
        ((SERVICE,), True),
        ((other,), False),
    }


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        (call("ecs", "UpdateService", days=1, last=60), "Used on one day only, 2025-01-05."),
        (call("ecs", "UpdateService", days=9, last=200), "Last used on 2024-08-18, not since."),
    ],
)
def test_what_was_used_once_or_long_ago_is_kept_and_marked(calls: Used, why: str) -> None:
    drafted = used_by(ADMIN, calls=(calls,))
    (one,) = by_action(drafted, "ecs:UpdateService")
    assert one.sid == "RareEcs"
    assert why in one.why


def test_data_calls_are_guessed_from_what_was_granted_only() -> None:
    told = (Unlogged("sqs", NOW - timedelta(days=2), "Access key last used"),)
    drafted = used_by(allow("sqs:Send*", "sqs:PurgeQueue", on=QUEUE), calls=(), unlogged=told)
    (one,) = drafted.statements
    assert (one.sid, one.actions, one.resources) == ("GuessedSqs", ("sqs:SendMessage",), (QUEUE,))
    assert one.why[0] == (
        "CloudTrail does not show sent and received messages in sqs; Access key last used saw the "
        "service used on 2025-03-04."
    )
    assert [one.action for one in drafted.widened] == ["sqs:SendMessage"]


def test_who_may_do_what_is_guessed_only_where_it_was_named() -> None:
    told = (Unlogged("s3", NOW),)
    assert "s3:PutObjectAcl" not in used_by(allow("s3:*"), calls=(), unlogged=told).actions
    named = used_by(allow("s3:PutObjectAcl"), calls=(), unlogged=told)
    assert named.actions == ("s3:PutObjectAcl",)


def test_a_service_used_before_the_events_begin_keeps_its_reads_and_the_rest_is_said() -> None:
    told = (Unlogged("ec2", SINCE - timedelta(days=100)),)
    drafted = used_by(ADMIN, calls=(), unlogged=told)
    assert "ec2:Describe*" in drafted.actions
    assert not [one for one in drafted.actions if one.startswith("ec2:Run")]
    assert "before the events begin" in drafted.warnings[0]
    assert "ask its owner" in drafted.warnings[0]


def test_managing_its_own_keys_ends_with_the_user() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:user/deploy"
    drafted = used_by(
        allow("iam:*AccessKey*", "iam:ChangePassword", on="arn:aws:iam::*:user/${aws:username}"),
        calls=(call("iam", "CreateAccessKey", own), call("iam", "ChangePassword")),
    )
    assert drafted.statements == ()
    assert "iam:ChangePassword and iam:CreateAccessKey" in drafted.notes[0]


def test_a_name_in_a_resource_is_written_out() -> None:
    drafted = used_by(
        allow("s3:GetObject", on="arn:aws:s3:::home/${aws:username}/*"),
        calls=(),
        unlogged=(Unlogged("s3", NOW),),
    )
    assert drafted.statements[0].resources == ("arn:aws:s3:::home/deploy/*",)


def test_a_way_to_administrator_rights_is_said() -> None:
    drafted = used_by(ADMIN, calls=(call("iam", "AttachUserPolicy"),))
    assert drafted.powerful
    assert "It can lead to administrator rights: iam:AttachUserPolicy." in drafted.warnings
    assert not used_by(ADMIN, calls=(call("ec2", "DescribeInstances"),)).powerful


def test_passing_a_role_is_kept_where_a_call_may_need_it_though_no_event_shows_it() -> None:
    drafted = used_by(ADMIN, calls=(call("ec2", "RunInstances"),))
    (one,) = by_action(drafted, "iam:PassRole")
    assert one.sid == "GuessedIam"
    assert one.why[0] == "No event shows it, and it may be needed for ec2:RunInstances."
    assert "ec2:CreateTags" in drafted.actions
    assert any("Name the roles" in one for one in drafted.warnings)
    assert "It can lead to administrator rights: iam:PassRole with ec2:RunInstances." in (
        drafted.warnings
    )
    narrow = used_by(allow("ec2:RunInstances"), calls=(call("ec2", "RunInstances"),))
    assert narrow.actions == ("ec2:RunInstances",)


def test_not_action_counts_everything_but() -> None:
    document = {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}
    drafted = used_by(document, calls=(call("iam", "ListUsers"), call("ec2", "DescribeVpcs")))
    assert drafted.used == ("ec2:DescribeVpcs",)
    iam = len(known_actions.granted(["iam:*"], ()))
    assert drafted.granted == known_actions.everything() - iam


def test_what_is_not_known_is_said() -> None:
    facts = replace(
        deploy_bot(),
        unread=(Origin("legacy", "managed"),),
        boundary="arn:aws:iam::1:policy/b",
        used=(call("ecs", "NoSuchCall"),),
    )
    drafted = policy.draft(facts)
    assert any("policy legacy" in one for one in drafted.warnings)
    assert any("arn:aws:iam::1:policy/b" in one for one in drafted.warnings)
    assert any("ecs:nosuchcall" in one for one in drafted.notes)


def test_terraform_and_json_say_the_same() -> None:
    drafted = policy.draft(deploy_bot())
    text = hcl.document([policy_hcl.block("deploy", drafted.statements)])
    assert formatted(text) == text
    told = hcl2.loads(text)["data"][0]['"aws_iam_policy_document"']['"deploy"']["statement"]
    made = json.loads(statements.written(statements.document(drafted.statements)))["Statement"]
    assert [value_of(one["sid"]) for one in told] == [one["Sid"] for one in made]
    for one, other in zip(told, made, strict=True):
        assert value_of(one["actions"]) == other["Action"]
        assert value_of(one["resources"]) == other["Resource"]
    assert "# CloudTrail does not show reads and writes of items in dynamodb" in text
    assert json.loads(policy_hcl.why(drafted.statements))["RareRoute53"][0].startswith("Used on")


PATTERNS = st.sampled_from(
    ["*", "s3:*", "s3:Get*", "ecs:UpdateService", "ec2:Describe*", "sqs:*", "dynamodb:*Item"]
)
CALLS = st.sampled_from(
    [("s3", "ListBuckets"), ("s3", "GetBucketAcl"), ("ecs", "UpdateService"), ("sqs", "ListQueues"),
     ("ec2", "DescribeVpcs"), ("ec2", "RunInstances"), ("dynamodb", "DescribeTable")]
)  # fmt: skip


def matches(patterns: list[str], action: str) -> bool:
    return any(wildcard(one.lower()).match(action.lower()) for one in patterns)


@given(
    st.lists(PATTERNS, max_size=3),
    st.lists(CALLS, max_size=5, unique=True),
    st.lists(st.sampled_from(["s3", "sqs", "dynamodb", "ec2", "ecs"]), max_size=3, unique=True),
)
def test_nothing_is_ever_allowed_that_was_not_granted(
    patterns: list[str], calls: list[tuple[str, str]], told: list[str]
) -> None:
    facts = person(
        "x",
        *([allow(*patterns)] if patterns else []),
        used=tuple(call(*one) for one in calls),
        unlogged=tuple(Unlogged(one, NOW) for one in told),
    )
    drafted = policy.draft(facts)
    assert all(matches(patterns, one) for one in drafted.actions)
    assert policy.draft(shuffled(facts)) == drafted


def shuffled(facts: PlanFacts) -> PlanFacts:
    return replace(
        facts, used=facts.used[::-1], granted=facts.granted[::-1], unlogged=facts.unlogged[::-1]
    )
