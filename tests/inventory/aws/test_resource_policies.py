"""Listings that go on by tokens, and policies that cannot be read: an error is never an answer."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.aws import resource_policies
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.paging import token_listing
from inventory.aws.resource_policies import Resource, Told
from inventory.models import Account

ACCOUNT = Account(account_id="123456789012", name="production")
USER = "arn:aws:iam::123456789012:user/ci"


class Answers:
    """A session whose one client gives what each operation is told to give."""

    def __init__(self, **told: Any) -> None:
        self.told = told
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str, region: str | None = None) -> Any:
        return self

    def __getattr__(self, operation: str) -> Any:
        def answer(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            told = self.told[operation]
            told = told(arguments) if callable(told) else told
            if isinstance(told, AwsFailure):
                raise told
            return told

        return answer


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limiter, "wait", lambda self, *, first=False: None)


def read(session: Answers, kind: str, *ids: str) -> list[Told | AwsFailure]:
    rows = [Resource(kind, one, one, "eu-west-1") for one in ids]
    session_: Any = session
    answers = resource_policies.read_many(session_, ACCOUNT, rows, lambda arn: arn == USER)
    return [told for _, told in answers]


def test_a_token_that_comes_twice_is_half_a_listing_and_never_a_whole_one() -> None:
    def page(**arguments: Any) -> dict[str, Any]:
        return {"Topics": [{"TopicArn": "a"}], "NextToken": "again"}

    with pytest.raises(AwsFailure, match="HalfRead") as caught:
        token_listing(page, "ListTopics", "Topics")
    assert caught.value.retryable


def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    pages = {None: {"NextToken": "2"}, "2": {"Topics": [], "NextToken": "3"}, "3": {"Topics": [7]}}
    found = token_listing(lambda NextToken=None: pages[NextToken], "ListTopics", "Topics")
    assert found == [7]


@pytest.mark.parametrize("text", ["not json", "[1]", '"*"'])
def test_a_policy_that_is_no_document_is_a_failure_and_not_an_empty_policy(text: str) -> None:
    (told,) = read(Answers(get_bucket_policy={"Policy": text}), "bucket", "a")
    assert isinstance(told, AwsFailure)
    assert (told.code, told.retryable) == ("Unreadable", False)


@pytest.mark.parametrize(
    ("kind", "operation", "code"),
    [
        ("bucket", "get_bucket_policy", "NoSuchBucketPolicy"),
        ("bucket", "get_bucket_policy", "NoSuchBucket"),
        ("queue", "get_queue_attributes", "AWS.SimpleQueueService.NonExistentQueue"),
        ("topic", "get_topic_attributes", "NotFound"),
        ("key", "get_key_policy", "NotFoundException"),
        ("secret", "get_resource_policy", "ResourceNotFoundException"),
    ],
)
def test_what_went_meanwhile_names_nobody(kind: str, operation: str, code: str) -> None:
    assert read(Answers(**{operation: AwsFailure(code, "gone")}), kind, "a") == [Told()]


def test_an_entry_that_went_meanwhile_hides_no_other() -> None:
    other = f"{USER}-2"

    def described(arguments: dict[str, Any]) -> Any:
        if arguments["principalArn"] == USER:
            return AwsFailure("ResourceNotFoundException", "gone")
        return {"accessEntry": {"kubernetesGroups": ["system:masters"]}}

    session: Any = Answers(
        list_access_entries={"accessEntries": [USER, other, "arn:aws:iam::1:role/x"]},
        describe_access_entry=described,
        list_associated_access_policies={"associatedAccessPolicies": []},
    )
    row = Resource("cluster", "c", "c", "eu-west-1")
    ((_, told),) = resource_policies.read_many(session, ACCOUNT, [row], lambda arn: "user" in arn)
    assert isinstance(told, Told)
    assert [one.principal_arn for one in told.entries] == [other]


def test_after_the_first_throttled_answer_the_others_are_not_asked() -> None:
    throttled = AwsFailure("ThrottlingException", "Rate exceeded", retryable=True)
    session = Answers(get_key_policy=throttled)
    answers = read(session, "key", *(str(number) for number in range(100)))
    assert all(told is throttled for told in answers)
    # Each of the eight threads may have one on its way.
    assert len(session.asked) <= 16


def test_sns_has_a_word_of_its_own_for_denied() -> None:
    assert AwsFailure("AuthorizationError", "no").denied
