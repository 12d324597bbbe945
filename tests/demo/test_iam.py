"""Names, ids, pages, policies: the small print of IAM."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.managed_policies import DENY_ALL
from tests.demo.cast import client, code, named, one_key, trap


def test_names_differ_in_case_only_once(simulator: Simulator) -> None:
    iam = client("iam")
    iam.create_user(UserName="Deploy-Bot")
    with pytest.raises(ClientError) as refusal:
        iam.create_user(UserName="deploy-bot")
    assert code(refusal.value) == "EntityAlreadyExists"
    assert iam.get_user(UserName="DEPLOY-BOT")["User"]["UserName"] == "Deploy-Bot"


def test_a_renamed_user_keeps_its_id(simulator: Simulator) -> None:
    iam = client("iam")
    before = iam.create_user(UserName="before")["User"]
    iam.update_user(UserName="before", NewUserName="after")
    after = iam.get_user(UserName="after")["User"]
    assert after["UserId"] == before["UserId"]
    assert after["Arn"].endswith("user/after")


def test_a_recreated_user_has_another_id(simulator: Simulator) -> None:
    iam = client("iam")
    first = iam.create_user(UserName="twice")["User"]["UserId"]
    iam.delete_user(UserName="twice")
    assert iam.create_user(UserName="twice")["User"]["UserId"] != first


def test_ids_are_of_awss_shape(simulator: Simulator) -> None:
    for user in simulator.account.users.values():
        assert user.id.startswith("AIDA")
        assert len(user.id) == 21
        assert all(len(key) == 20 and key.startswith("AKIA") for key in user.keys)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_every_page_size_lists_every_user_once(simulator: Simulator, size: int) -> None:
    simulator.page_limit = size
    pages = client("iam").get_paginator("list_users").paginate()
    found = [user["UserName"] for page in pages for user in page["Users"]]
    assert sorted(found) == sorted(user.name for user in simulator.account.users.values())


def test_authorization_details_come_in_pages_with_boundary_and_tags(simulator: Simulator) -> None:
    simulator.page_limit = 40
    pages = list(client("iam").get_paginator("get_account_authorization_details").paginate())
    users = {user["UserName"]: user for page in pages for user in page["UserDetailList"]}
    assert len(pages) > 5
    assert len(users) == 206
    assert users["full.house"]["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(
        "policy/developer-boundary"
    )
    assert users["full.house"]["UserPolicyList"][0]["PolicyDocument"]["Statement"]


def test_list_users_shows_neither_tags_nor_boundary(simulator: Simulator) -> None:
    pages = client("iam").get_paginator("list_users").paginate()
    listed = {user["UserName"]: user for page in pages for user in page["Users"]}
    assert not {"Tags", "PermissionsBoundary"} & set(listed["full.house"])


def test_a_marker_of_another_listing_is_refused(simulator: Simulator) -> None:
    iam = client("iam")
    marker = iam.list_users(MaxItems=2)["Marker"]
    with pytest.raises(ClientError) as refusal:
        iam.list_roles(Marker=marker)
    assert code(refusal.value) == "ValidationError"


def test_more_than_two_keys_are_all_listed(simulator: Simulator) -> None:
    keys = client("iam").list_access_keys(UserName=trap(simulator, "three-keys"))
    assert len(keys["AccessKeyMetadata"]) == 3


def test_a_third_key_cannot_be_created(simulator: Simulator) -> None:
    iam = client("iam")
    iam.create_user(UserName="keys")
    iam.create_access_key(UserName="keys")
    iam.create_access_key(UserName="keys")
    with pytest.raises(ClientError) as refusal:
        iam.create_access_key(UserName="keys")
    assert code(refusal.value) == "LimitExceeded"


def test_an_eleventh_managed_policy_is_refused_and_a_boundary_is_not(
    simulator: Simulator,
) -> None:
    iam, user = client("iam"), trap(simulator, "ten-policies")
    with pytest.raises(ClientError) as refusal:
        iam.attach_user_policy(UserName=user, PolicyArn=DENY_ALL)
    assert code(refusal.value) == "LimitExceeded"
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=DENY_ALL)
    shown = iam.get_user(UserName=user)["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == DENY_ALL


def test_the_last_password_use_outlives_the_password(simulator: Simulator) -> None:
    iam, user = client("iam"), "tom.baker"
    before = iam.get_user(UserName=user)["User"]["PasswordLastUsed"]
    iam.delete_login_profile(UserName=user)
    assert iam.get_user(UserName=user)["User"]["PasswordLastUsed"] == before


def test_service_credentials_of_all_users_are_swept_by_service(simulator: Simulator) -> None:
    found = client("iam").list_service_specific_credentials(
        AllUsers=True, ServiceName="bedrock.amazonaws.com"
    )["ServiceSpecificCredentials"]
    assert [each["UserName"] for each in found] == [trap(simulator, "bedrock-key")]


def test_unassigned_virtual_devices_are_listed_as_such(simulator: Simulator) -> None:
    found = client("iam").list_virtual_mfa_devices(AssignmentStatus="Unassigned")
    serials = [device["SerialNumber"] for device in found["VirtualMFADevices"]]
    assert serials == [
        "arn:aws:iam::123456789012:mfa/abandoned-setup",
        "arn:aws:iam::123456789012:mfa/old.phone",
    ]


def test_edge_names_are_found_under_their_own_name(simulator: Simulator) -> None:
    iam = client("iam")
    for name in ("..", "--help", "=2+5", "plus+sign", "comma,name", "@mentions"):
        assert iam.get_user(UserName=name)["User"]["UserName"] == name


def test_access_key_last_used_tells_never_from_without_region(simulator: Simulator) -> None:
    iam = client("iam")
    never = one_key(simulator, named(simulator, status="never-used", category="ci-cd")[0])
    shown = iam.get_access_key_last_used(AccessKeyId=never)["AccessKeyLastUsed"]
    assert shown == {"ServiceName": "N/A", "Region": "N/A"}
    simulator.advance()
    s3_only = one_key(simulator, "ci-data-artifact-sync")
    shown = iam.get_access_key_last_used(AccessKeyId=s3_only)["AccessKeyLastUsed"]
    assert shown["Region"] == "N/A"
    assert shown["LastUsedDate"].year == 2026


def test_the_account_summary_counts_the_users(simulator: Simulator) -> None:
    assert client("iam").get_account_summary()["SummaryMap"]["Users"] == 206


def test_service_last_accessed_is_for_the_session_that_asked(simulator: Simulator) -> None:
    simulator.advance()
    arn = simulator.account.user("lena.koch").arn
    iam = client("iam")
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    assert iam.get_service_last_accessed_details(JobId=job)["JobStatus"] == "IN_PROGRESS"
    done = iam.get_service_last_accessed_details(JobId=job)
    used = [s["ServiceNamespace"] for s in done["ServicesLastAccessed"] if "LastAuthenticated" in s]
    assert used == ["s3"]
    stranger = client("iam", {"AWS_ACCESS_KEY_ID": one_key(simulator, "alex.admin"),
                              "AWS_SECRET_ACCESS_KEY": "any"})  # fmt: skip
    with pytest.raises(ClientError) as refusal:
        stranger.get_service_last_accessed_details(JobId=job)
    assert code(refusal.value) == "AccessDenied"
