"""The simulated Identity Center answers in its own Region, in pages, and keeps dead assignments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.identity_center import REGION, STAGING, STORY_GROUP, IdentityCenter
from tests.demo.cast import Clock, assumed, client, code


def center(simulator: Simulator) -> IdentityCenter:
    found = simulator.account.identity_center
    assert found is not None
    return found


def pages(service: str, operation: str, key: str, **asked: Any) -> list[Any]:
    paginator = client(service, assumed("IamCleanupReader"), REGION).get_paginator(operation)
    return [one for page in paginator.paginate(**asked) for one in page[key]]


def test_the_reader_sees_people_groups_and_who_has_what(simulator: Simulator) -> None:
    simulator.page_limit = 3
    found = center(simulator)
    [told] = pages("sso-admin", "list_instances", "Instances")
    assert (told["InstanceArn"], told["IdentityStoreId"]) == (found.arn, found.store_id)
    store = {"IdentityStoreId": told["IdentityStoreId"]}
    people = {one["UserId"] for one in pages("identitystore", "list_users", "Users", **store)}
    assert people == set(found.people)
    groups = pages("identitystore", "list_groups", "Groups", **store)
    group = next(one for one in groups if one["DisplayName"] == STORY_GROUP)
    assert group["ExternalIds"][0]["Id"].startswith("00g")
    held = pages("identitystore", "list_group_memberships", "GroupMemberships",
                 GroupId=group["GroupId"], **store)  # fmt: skip
    assert len(held) == 14
    instance = {"InstanceArn": told["InstanceArn"]}
    arns = pages("sso-admin", "list_permission_sets", "PermissionSets", **instance)
    assert sorted(arns) == sorted(found.sets)
    given = found.set("DeveloperAccess").arn
    accounts = pages("sso-admin", "list_accounts_for_provisioned_permission_set", "AccountIds",
                     PermissionSetArn=given, **instance)  # fmt: skip
    assert accounts == [simulator.account.id, STAGING]


def test_another_region_has_no_instance_and_answers_nothing_of_it(simulator: Simulator) -> None:
    elsewhere = client("sso-admin", region="us-east-1")
    assert elsewhere.list_instances()["Instances"] == []
    with pytest.raises(ClientError) as refused:
        elsewhere.list_permission_sets(InstanceArn=center(simulator).arn)
    assert code(refused.value) == "AccessDeniedException"


def test_a_re_created_group_has_another_id_and_none_of_its_assignments(
    simulator: Simulator,
) -> None:
    found, before = center(simulator), center(simulator).group(STORY_GROUP)
    given = [one for one in found.assignments if one.principal_id == before.id]
    people = set(before.members.values())
    act(simulator, {"act": "recreate-group", "group": STORY_GROUP})
    after = found.group(STORY_GROUP)
    assert (after.id != before.id, after.external_id != before.external_id) == (True, True)
    assert set(after.members.values()) == people
    assert [one for one in found.assignments if one.principal_id == before.id] == given
    store = client("identitystore", region=REGION)
    with pytest.raises(ClientError) as gone:
        store.describe_group(IdentityStoreId=found.store_id, GroupId=before.id)
    assert code(gone.value) == "ResourceNotFoundException"
    assert gone.value.response["ResourceType"] == "GROUP"  # type: ignore[typeddict-item]
    assert act(simulator, {"act": "give-back", "group": STORY_GROUP})["assignments"] == 2
    assert sum(one.principal_id == after.id for one in found.assignments) == 2


def test_a_restart_finds_the_same_group(tmp_path: Path) -> None:
    path, clock = tmp_path / "account.jsonl", Clock()

    def started() -> Simulator:
        return Simulator(7, 24, clock, log_path=path, lookup_rate=0)

    first = started()
    act(first, {"act": "recreate-group", "group": STORY_GROUP})
    assert center(started()).groups == center(first).groups
    with pytest.raises(KeyError, match="no-such-group"):
        act(first, {"act": "recreate-group", "group": "no-such-group"})
