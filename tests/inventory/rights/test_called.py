"""What a call needs is named as policies name it, and every such name is a real action."""

from __future__ import annotations

import pytest

from inventory.rights import called, known_actions


@pytest.mark.parametrize(
    ("service", "event", "needed"),
    [
        ("s3", "ListBuckets", ("s3:listallmybuckets",)),
        ("s3", "GetBucketEncryption", ("s3:getencryptionconfiguration",)),
        ("s3", "CopyObject", ("s3:getobject", "s3:putobject")),
        ("lambda", "Invoke", ("lambda:invokefunction",)),
        ("lambda", "UpdateFunctionCode20150331v2", ("lambda:updatefunctioncode",)),
        ("lambda", "ListFunctions20150331", ("lambda:listfunctions",)),
        ("cloudfront", "CreateInvalidation2020_05_31", ("cloudfront:createinvalidation",)),
        ("monitoring", "PutMetricAlarm", ("cloudwatch:putmetricalarm",)),
        ("kms", "ReEncrypt", ("kms:reencryptfrom", "kms:reencryptto")),
        ("apigateway", "GetRestApis", ("apigateway:get",)),
        ("apigateway", "CreateDeployment", ("apigateway:post",)),
        ("ec2", "RunInstances", ("ec2:runinstances",)),
        ("signin", "ConsoleLogin", ()),
        ("sts", "GetCallerIdentity", ()),
    ],
)
def test_a_call_needs_these_actions(service: str, event: str, needed: tuple[str, ...]) -> None:
    assert called.actions_of(service, event) == needed
    assert all(known_actions.is_known(action) for action in needed)


def test_every_action_of_the_table_exists() -> None:
    named = {action for actions in called._ACTIONS.values() for action in actions}
    named |= {f"apigateway:{verb}" for verb in called._HTTP.values()}
    assert {one for one in named if not known_actions.is_known(one)} == set()
