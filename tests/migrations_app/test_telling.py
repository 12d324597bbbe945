"""The one fact that tells users apart, and why a last use is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from inventory.models import IamUser
from migrations_app.telling import Client, Held, telling_fact, why_unknown

RUNNER = Client("aws-cli/2.15 exec-env/GitHubActions", "us-east-1")
LINUX = Client("aws-cli/2.15 Linux", "eu-west-1")
KEY = Held("access-key", "")


def user(**columns: Any) -> IamUser:
    columns.setdefault("user_name", "a")
    columns.setdefault("judged_at", datetime(2026, 3, 6, tzinfo=UTC))
    return IamUser(**columns)


@pytest.mark.parametrize(
    ("columns", "client", "held", "fact"),
    [
        ({"tags": {"Repo": "acme/deploy-repo.git"}}, RUNNER, [KEY], "GitHub Actions, deploy-repo"),
        ({}, RUNNER, [KEY], "GitHub Actions, us-east-1"),
        ({}, Client("Boto3 exec-env/EC2", "us-east-1"), [KEY], "EC2 instance, us-east-1"),
        ({"path": "/service/"}, LINUX, [KEY], "path /service/"),
        ({}, LINUX, [KEY], "eu-west-1"),
        ({"groups": ["ops"]}, None, [KEY], "group ops"),
        ({"created_by": "Jonas Weber"}, None, [], "made by Jonas Weber"),
        ({}, None, [KEY], ""),
        ({"user_name": "ses-smtp-user.20230114-101500"}, None, [KEY], "SMTP credentials"),
        ({}, LINUX, [Held("service-specific", "bedrock.amazonaws.com")], "Bedrock API key"),
        ({}, None, [Held("ssh-key", "")], "SSH key"),
        ({}, None, [Held("signing-certificate", "")], "signing certificate"),
        (
            {"rhythm": "quarterly", "last_activity_at": datetime(2025, 12, 31, 23, tzinfo=UTC)},
            RUNNER,
            [KEY],
            "last seen at quarter end",
        ),
        (
            {"rhythm": "yearly", "last_activity_at": datetime(2026, 1, 2, 2, tzinfo=UTC)},
            RUNNER,
            [KEY],
            "last seen at the end of the year",
        ),
        (
            {"rhythm": "monthly", "last_activity_at": datetime(2026, 2, 28, 2, tzinfo=UTC)},
            RUNNER,
            [KEY],
            "last seen at month end",
        ),
        (
            {"rhythm": "quarterly", "last_activity_at": datetime(2026, 4, 1, 2, tzinfo=UTC)},
            RUNNER,
            [KEY],
            "last seen at quarter end",
        ),
        (
            {"rhythm": "quarterly", "last_activity_at": datetime(2026, 2, 12, tzinfo=UTC)},
            RUNNER,
            [KEY],
            "GitHub Actions, us-east-1",
        ),
        (
            {"attached_policies": ["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"]},
            RUNNER,
            [KEY],
            "quarantined by AWS",
        ),
    ],
)
def test_the_most_telling_fact_is_told(
    columns: dict[str, Any], client: Client | None, held: list[Held], fact: str
) -> None:
    assert telling_fact(user(**columns), client, held) == fact


def test_a_repository_that_is_only_a_name_is_cut() -> None:
    fact = telling_fact(user(tags={"repository": "x" * 300}), None, [KEY])

    assert fact == "x" * 40


@pytest.mark.parametrize(
    ("columns", "held", "why"),
    [
        ({"judged_at": None}, [], "not judged yet"),
        ({"user_name": "ses-smtp-user.1"}, [KEY], "SMTP is not logged"),
        ({"coverage": {"gaps": {"credentials": "AccessDenied"}}}, [KEY], "credentials not read"),
        (
            {"coverage": {"missing": ["CloudTrail in eu-west-1: no.", "Policies: no."]}},
            [KEY],
            "1 Region not read",
        ),
        ({}, [Held("ssh-key", "")], "SSH is not logged"),
        ({"coverage": {"blockers": ["Created 3 days ago."]}}, [KEY], "too young to judge"),
        ({}, [KEY], "not read whole"),
    ],
)
def test_what_is_unknown_says_why(columns: dict[str, Any], held: list[Held], why: str) -> None:
    assert why_unknown(user(**columns), held) == why
