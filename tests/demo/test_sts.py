"""Roles are assumed with trust, external id and a session policy, or not at all."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.managed_policies import ADMINISTRATOR, DENY_ALL
from tests.demo.cast import (
    EXTERNAL_ID,
    ROLE,
    Clock,
    assumed,
    client,
    code,
    events,
    key_credentials,
    one_key,
)


def narrowed(arn: str) -> str:
    """A session policy for one user."""
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_products_own_credentials_are_a_role_session(simulator: Simulator) -> None:
    arn = client("sts", PRODUCT_CREDENTIALS).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/iam-cleanup/worker"


@pytest.mark.parametrize(
    ("role", "external_id"),
    [("IamCleanupReader", "wrong"), ("IamCleanupReader", None), ("NoSuchRole", EXTERNAL_ID),
     ("ci-runner-of-somebody", EXTERNAL_ID)],
)  # fmt: skip
def test_a_wrong_role_or_external_id_is_denied(
    simulator: Simulator, role: str, external_id: str | None
) -> None:
    asked = {"RoleArn": ROLE.format(role), "RoleSessionName": "worker"}
    if external_id is not None:
        asked["ExternalId"] = external_id
    with pytest.raises(ClientError) as refusal:
        client("sts", PRODUCT_CREDENTIALS).assume_role(**asked)
    assert code(refusal.value) == "AccessDenied"


def test_a_stranger_is_not_trusted(simulator: Simulator) -> None:
    stranger = client("sts", key_credentials(one_key(simulator, "ci-plat-nightly-eu")))
    with pytest.raises(ClientError) as refusal:
        stranger.assume_role(
            RoleArn=ROLE.format("IamCleanupDeleter"), RoleSessionName="x1", ExternalId=EXTERNAL_ID
        )
    assert code(refusal.value) == "AccessDenied"


def test_the_reader_reads_and_does_not_write(simulator: Simulator) -> None:
    iam = client("iam", assumed("IamCleanupReader"))
    assert iam.list_users(MaxItems=1)["Users"]
    with pytest.raises(ClientError) as refusal:
        iam.attach_user_policy(UserName="tom.baker", PolicyArn=DENY_ALL)
    assert code(refusal.value) == "AccessDenied"
    assert "no identity-based policy allows the iam:AttachUserPolicy action" in str(refusal.value)


def test_the_actor_attaches_the_fence_and_nothing_else(simulator: Simulator) -> None:
    iam = client("iam", assumed("IamCleanupActor"))
    iam.attach_user_policy(UserName="tom.baker", PolicyArn=DENY_ALL)
    with pytest.raises(ClientError) as refusal:
        iam.attach_user_policy(UserName="tom.baker", PolicyArn=ADMINISTRATOR)
    assert code(refusal.value) == "AccessDenied"


def test_no_role_touches_break_glass(simulator: Simulator) -> None:
    for role in ("IamCleanupActor", "IamCleanupDeleter"):
        with pytest.raises(ClientError) as refusal:
            client("iam", assumed(role)).delete_login_profile(UserName="break-glass")
        assert "with an explicit deny in an identity-based policy" in str(refusal.value)


def test_a_session_policy_narrows_to_its_user(simulator: Simulator) -> None:
    arn = simulator.account.user("tom.baker").arn
    iam = client("iam", assumed("IamCleanupActor", Policy=narrowed(arn)))
    iam.attach_user_policy(UserName="tom.baker", PolicyArn=DENY_ALL)
    with pytest.raises(ClientError) as refusal:
        iam.attach_user_policy(UserName="marta.ruiz", PolicyArn=DENY_ALL)
    assert "no session policy allows" in str(refusal.value)


def test_a_session_policy_gives_nothing_the_role_lacks(simulator: Simulator) -> None:
    iam = client("iam", assumed("IamCleanupActor", Policy=narrowed("*")))
    with pytest.raises(ClientError) as refusal:
        iam.create_access_key(UserName="tom.baker")
    assert code(refusal.value) == "AccessDenied"


def test_a_group_is_left_on_the_groups_arn(simulator: Simulator) -> None:
    arn = simulator.account.user("full.house").arn
    iam = client("iam", assumed("IamCleanupDeleter", Policy=narrowed(arn)))
    with pytest.raises(ClientError) as refusal:
        iam.remove_user_from_group(UserName="full.house", GroupName="ops")
    assert "on resource: group ops" in str(refusal.value)


def test_a_session_carries_its_source_identity_into_the_trail(
    simulator: Simulator, clock: Clock
) -> None:
    given = assumed("IamCleanupActor", SourceIdentity="mei")
    client("iam", given).attach_user_policy(UserName="tom.baker", PolicyArn=DENY_ALL)
    clock.move(minutes=6)
    (event,) = events(EventName="AttachUserPolicy")
    record = json.loads(event["CloudTrailEvent"])
    assert record["userIdentity"]["sessionContext"]["sourceIdentity"] == "mei"
    assert event["Username"] == "worker-1"


def test_a_policy_that_is_too_long_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ClientError) as refusal:
        assumed("IamCleanupActor", Policy=narrowed("x" * 2048))
    assert code(refusal.value) == "PackedPolicyTooLarge"


def test_sessions_of_a_fenced_user_are_denied_too(simulator: Simulator) -> None:
    key = one_key(simulator, "ci-plat-nightly-eu")
    given = client("sts", key_credentials(key)).get_session_token()["Credentials"]
    client("iam").attach_user_policy(UserName="ci-plat-nightly-eu", PolicyArn=DENY_ALL)
    session = client("cloudtrail", {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    })  # fmt: skip
    with pytest.raises(ClientError) as refusal:
        session.lookup_events()
    assert "explicit deny" in str(refusal.value)
