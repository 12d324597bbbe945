"""Identity Center is read to the last page, and only AWS's word makes something gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from demo.aws.account import Simulator
from demo.aws.identity_center import REGION, STAGING, STORY_GROUP, STORY_SET, IdentityCenter
from inventory.aws.identity_center import Assignment, Reader
from inventory.aws.session import AwsFailure, open_session
from tests.inventory.syncs import fault, production

pytestmark = pytest.mark.django_db


@pytest.fixture
def center(simulator: Simulator) -> IdentityCenter:
    found = simulator.account.identity_center
    assert found is not None
    return found


@pytest.fixture
def reader(simulator: Simulator) -> Reader:
    return Reader(open_session(production(), "reader"), REGION)


def test_everything_is_read_to_the_last_page(
    simulator: Simulator, center: IdentityCenter, reader: Reader
) -> None:
    simulator.page_limit = 2
    assert {one.id for one in reader.people()} == set(center.people)
    for one in reader.people():
        told = center.people[one.id]
        assert (one.active, one.emails) == (told.enabled, (told.user_name,))
    groups = {one.name: one for one in reader.groups()}
    story = center.group(STORY_GROUP)
    assert groups[STORY_GROUP].external_id == story.external_id
    assert reader.members(story.id) == sorted(story.members.values())
    assert sorted(reader.set_arns()) == sorted(center.sets)
    given = reader.permission_set(center.set(STORY_SET).arn)
    assert (given.name, given.session, given.boundary) == (STORY_SET, "PT4H", "")
    assert given.managed == ("arn:aws:iam::aws:policy/ReadOnlyAccess",)
    assert given.inline["Statement"][0]["Action"][0] == "ec2:StartInstances"
    assert reader.accounts(given.arn) == [simulator.account.id, STAGING]
    assert reader.assignments(given.arn, STAGING) == [Assignment(STAGING, given.arn, story.id)]
    assert reader.managed_policy(given.managed[0])["Statement"][0]["Effect"] == "Allow"


def test_policies_that_cannot_be_taken_for_read_are_named(
    center: IdentityCenter, reader: Reader
) -> None:
    one = center.set(STORY_SET)
    one.boundary, one.customer_managed = "arn:aws:iam::aws:policy/PowerUserAccess", [("/x/", "own")]
    told = reader.permission_set(one.arn)
    assert told.boundary == one.boundary
    assert told.customer_managed == (("/x/", "own"),)


def test_a_region_without_an_instance_says_so(simulator: Simulator) -> None:
    with pytest.raises(AwsFailure, match=r"NoInstance.*us-east-1"):
        Reader(open_session(production(), "reader"), "us-east-1")


def test_gone_is_what_aws_says_is_gone_and_not_what_a_key_hides(
    center: IdentityCenter, reader: Reader
) -> None:
    story = center.group(STORY_GROUP)
    assert not reader.group_is_gone(story.id)
    center.locked.add(story.id)
    with pytest.raises(AwsFailure, match="ResourceNotFoundException"):
        reader.group_is_gone(story.id)
    center.locked.clear()
    del center.groups[story.id]
    assert reader.group_is_gone(story.id)
    person = next(iter(center.people))
    assert not reader.person_is_gone(person)
    del center.people[person]
    assert reader.person_is_gone(person)
    arn = center.set(STORY_SET).arn
    assert not reader.set_is_gone(arn)
    del center.sets[arn]
    assert reader.set_is_gone(arn)


@pytest.mark.parametrize(
    "operation",
    ["ListUsers", "ListGroups", "ListGroupMemberships", "ListPermissionSets", "DescribeGroup"],
)
def test_what_is_refused_is_never_an_empty_list(
    simulator: Simulator, center: IdentityCenter, reader: Reader, operation: str
) -> None:
    fault(simulator, "access-denied", operation)
    story = center.group(STORY_GROUP)
    asked: dict[str, Callable[[], object]] = {
        "ListUsers": reader.people,
        "ListGroups": reader.groups,
        "ListGroupMemberships": lambda: reader.members(story.id),
        "ListPermissionSets": reader.set_arns,
        "DescribeGroup": lambda: reader.group_is_gone(story.id),
    }
    with pytest.raises(AwsFailure) as refused:
        asked[operation]()
    assert (refused.value.denied, refused.value.operation) == (True, operation)
