"""A test of access ticks off what the handed out roles may do, names what is missing, and changes
nothing."""

from __future__ import annotations

from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.state import Account as AwsAccount
from inventory import access, clock
from inventory.models import AccessTest, Person
from migrations_app import connecting
from migrations_app.connecting import Wanted
from tests.inventory.syncs import fault
from tests.migrations_app.prospect import (
    STAGING,
    WANTED,
    WITH_CHANGES,
    line,
    lines,
    looked_at,
    make_roles,
    without,
)

pytestmark = pytest.mark.django_db


def test_the_handed_out_roles_pass_their_own_test(
    simulator: Simulator, staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    make_roles(staging, row)
    test = looked_at(row, ada)
    assert test.status == AccessTest.Status.DONE
    for role in ("reader", "actor", "deleter"):
        assert access.passed(test.checks, role), access.first_wrong(test.checks, role)
        assert lines(test, "waiting", role) == lines(test, "failed", role) == []
    assert lines(test, "attention") == []
    # And nothing was changed by it.
    reads = ("Get", "List", "Describe", "Generate", "Lookup", "Assume")
    assert [one for one in simulator.counts if not one.startswith(reads)] == []


def test_a_role_that_is_not_there_is_told_in_the_words_of_aws(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    test = looked_at(row, ada)
    assume = line(test, "The role can be assumed")
    assert assume["status"] == "failed"
    assert "AccessDenied" in assume["said"]
    assert "IamCleanupReader exists" in assume["advice"]
    assert line(test, "iam:ListUsers")["status"] == "untried"
    assert not access.passed(test.checks, "reader")


def test_another_external_id_in_the_trust_policy_is_refused(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    trust = staging.roles["iamcleanupreader"].trust
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "ic-somebody-elses"}}
    assert line(looked_at(row, ada), "The role can be assumed")["status"] == "failed"


@pytest.mark.parametrize(
    ("condition", "failed"),
    [
        (None, ["Refused without the external ID", "Refused with another external ID"]),
        ({"StringLike": {"sts:ExternalId": "*"}}, ["Refused with another external ID"]),
        (
            {"StringLikeIfExists": {"sts:ExternalId": "ic-*"}},
            ["Refused without the external ID", "Refused with another external ID"],
        ),
    ],
)
def test_a_trust_policy_that_does_not_ask_for_the_external_id_does_not_pass(
    staging: AwsAccount, ada: Person, condition: dict[str, Any] | None, failed: list[str]
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    statement = staging.roles["iamcleanupreader"].trust["Statement"][0]
    statement.pop("Condition")
    if condition:
        statement["Condition"] = condition
    test = looked_at(row, ada)
    assert lines(test, "failed") == failed
    assert "sts:ExternalId" in line(test, failed[0])["advice"]
    assert not access.passed(test.checks, "reader")


def test_one_missing_permission_is_named_and_nothing_else(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    without(staging, "iamcleanupreader", "iam:GetLoginProfile")
    test = looked_at(row, ada)
    assert lines(test, "failed") == ["iam:GetLoginProfile"]
    said = line(test, "iam:GetLoginProfile")["said"]
    assert "not authorized to perform: iam:GetLoginProfile" in said
    assert not access.passed(test.checks, "reader")


def test_each_permission_shows_when_it_is_missing(staging: AwsAccount, ada: Person) -> None:
    """What needs a thing to look at cannot be tried where nothing can be listed."""
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    staging.roles["iamcleanupreader"].inline.clear()
    test = looked_at(row, ada)
    assert [one for one in lines(test, "done") if ":" in one] == []
    assert set(lines(test, "untried")) == {
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetTrailStatus",
        "eks:DescribeAccessEntry",
        "eks:ListAccessEntries",
        "eks:ListAssociatedAccessPolicies",
        "events:ListTargetsByRule",
        "iam:GetAccessKeyLastUsed",
        "kms:GetKeyPolicy",
        "organizations:DescribePolicy",
        "s3:GetBucketPolicy",
        "secretsmanager:GetResourcePolicy",
        "sns:GetTopicAttributes",
        "sqs:GetQueueAttributes",
        "Can give nobody access",
    }


def test_a_permission_that_reading_can_do_without_is_shown_and_does_not_block(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    without(staging, "iamcleanupreader", "sqs:ListQueues")
    test = looked_at(row, ada)
    assert lines(test, "attention") == ["sqs:ListQueues"]
    assert access.passed(test.checks, "reader")


def test_after_it_was_mended_the_test_passes(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    without(staging, "iamcleanupreader", "iam:GetUser")
    assert not access.passed(looked_at(row, ada).checks, "reader")
    make_roles(staging, row)
    assert access.passed(looked_at(row, ada).checks, "reader")
    assert AccessTest.objects.count() == 2


def test_a_service_control_policy_is_named_as_such(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    deny = {"Effect": "Deny", "Action": "iam:ListSSHPublicKeys", "Resource": "*"}
    staging.scps.append({"Statement": [deny]})
    found = line(looked_at(row, ada), "iam:ListSSHPublicKeys")
    assert found["status"] == "failed"
    assert "service control policy" in found["said"]
    assert "organization" in found["advice"]


def test_a_region_that_is_not_enabled_is_named(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(Wanted(STAGING, "staging", regions=("us-east-1", "ap-east-1")), ada)
    make_roles(staging, row)
    test = looked_at(row, ada)
    assert lines(test, "failed") == ["cloudtrail:LookupEvents ap-east-1"]
    assert "cloudtrail:LookupEvents us-east-1" in lines(test, "done")


def test_all_enabled_regions_are_tried_where_none_are_named(
    simulator: Simulator, staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(Wanted(STAGING, "staging"), ada)
    make_roles(staging, row)
    tried = [one for one in lines(looked_at(row, ada), "done") if "LookupEvents" in one]
    assert len(tried) == len(simulator.regions)


def test_a_throttled_answer_is_unknown_and_never_a_yes(
    simulator: Simulator, staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    fault(simulator, "throttling", "GetAccountSummary")
    test = looked_at(row, ada)
    found = line(test, "iam:GetAccountSummary")
    assert found["status"] == "attention"
    assert "not known" in found["advice"]
    assert not access.passed(test.checks, "reader")


def test_a_connection_that_breaks_is_unknown_too(
    simulator: Simulator, staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    fault(simulator, "reset", "ListUsers")
    assert line(looked_at(row, ada), "iam:ListUsers")["status"] == "attention"


def test_a_change_role_without_a_write_is_told_by_its_policy(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    make_roles(staging, row)
    without(staging, "iamcleanupdeleter", "iam:DeleteUser")
    test = looked_at(row, ada)
    assert lines(test, "failed", "deleter") == ["iam:DeleteUser"]
    assert access.passed(test.checks, "reader")
    assert access.passed(test.checks, "actor")


def test_a_change_role_that_could_give_access_does_not_pass(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    make_roles(staging, row)
    staging.roles["iamcleanupactor"].attached = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    test = looked_at(row, ada)
    assert lines(test, "failed", "actor") == ["Can give nobody access"]
    assert "iam:CreateAccessKey" in line(test, "Can give nobody access", "actor")["said"]


def test_a_change_role_that_takes_no_source_identity_is_shown(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    make_roles(staging, row)
    staging.roles["iamcleanupactor"].trust["Statement"].pop()
    test = looked_at(row, ada)
    assert lines(test, "attention", "actor") == ["Says in CloudTrail who approved"]
    assert access.passed(test.checks, "actor")


def test_the_write_worker_alone_assumes_the_change_roles(
    simulator: Simulator, staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    make_roles(staging, row)
    test = connecting.ask_test(row.account(), ada)
    simulator.calls.clear()
    assert access.run_test(test.pk, "read") is not None
    asked = [
        one["params"]["RoleArn"] for one in simulator.calls if one["operation"] == "AssumeRole"
    ]
    assert {arn.rpartition("/")[2] for arn in asked} == {"IamCleanupReader"}
    simulator.calls.clear()
    assert access.run_test(test.pk, "write") is None
    asked = [
        one["params"]["RoleArn"] for one in simulator.calls if one["operation"] == "AssumeRole"
    ]
    assert {arn.rpartition("/")[2] for arn in asked} == {"IamCleanupActor", "IamCleanupDeleter"}


def test_asking_twice_joins_the_open_test_and_a_second_worker_does_nothing(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    first = connecting.ask_test(row.account(), ada)
    assert connecting.ask_test(row.account(), ada) == first
    lease = clock.real_now() + access.testing.LEASE
    AccessTest.objects.update(status="running", lease_until=lease)
    assert access.run_test(first.pk, "read") is None
    assert lines(AccessTest.objects.get(), "done") == []


def test_a_killed_worker_leaves_a_test_that_the_next_one_finishes(
    staging: AwsAccount, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = connecting.prepare(WANTED, ada)
    make_roles(staging, row)
    test = connecting.ask_test(row.account(), ada)
    monkeypatch.setattr(access.testing, "SLICE_SECONDS", 0.0)
    assert access.run_test(test.pk, "read") == test
    monkeypatch.undo()
    AccessTest.objects.update(lease_until=clock.real_now() - access.testing.LEASE)
    assert access.lying_about() == [test]
