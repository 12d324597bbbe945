"""What called is told by kind, however many addresses it came from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.callers import Call, callers, kind_of

AT = datetime(2026, 3, 6, 14, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("aws-cli/2.15.30 exec-env/GitHubActions", "GitHub Actions"),
        ("Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux#5.15 exec-env/CI", "Build runner"),
        ("Boto3/1.34 exec-env/AWS_Lambda_python3.12", "Lambda function"),
        ("aws-sdk-go/1.44 exec-env/AWS_ECS_FARGATE", "ECS task"),
        ("aws-cli/2.9 exec-env/EC2", "EC2 instance"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.9.5 os/macos", "Terraform"),
        ("aws-cli/1.18.69 Darwin/20.6.0", "Mac"),
        ("aws-cli/2.31.2 os/macos#24.6 lang/python#3.13", "Mac"),
        ("aws-cli/2.1 Windows/10", "Windows computer"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) Chrome/142.0", "Browser"),
        ("aws-cli/2.15.30 Python/3.11.8 Linux/6.1", "Command line, Linux"),
        ("Boto3/1.34.51", "Program"),
        ("", "Another client"),
        ("<script>alert(1)</script>", "Another client"),
    ],
)
def test_a_user_agent_speaks_of_a_kind_of_caller(agent: str, kind: str) -> None:
    assert kind_of(agent, "203.0.113.4")[0] == kind


def test_a_call_that_aws_made_bears_the_name_of_the_service() -> None:
    assert kind_of("AWS Internal", "cloudformation.amazonaws.com") == (
        "AWS on its behalf, cloudformation",
        "cloud",
    )


def test_no_stranger_passes_for_aws() -> None:
    assert kind_of("curl/8", "evil.amazonaws.com.example") == ("Another client", "world")


def test_runners_with_an_address_each_are_one_caller() -> None:
    runner = "Boto3/1.34 exec-env/GitHubActions"
    calls = [
        Call(f"198.51.100.{number}", runner, number, AT - timedelta(days=number), AT)
        for number in range(1, 42)
    ]
    laptop = Call("203.0.113.24", "aws-cli/1.18.69 Darwin/20.6.0", 16, AT, AT)

    found = callers([laptop, *calls])

    assert [(one.kind, one.calls) for one in found] == [("GitHub Actions", 861), ("Mac", 16)]
    assert found[0].address_count == 41
    assert found[0].addresses[0] == "198.51.100.41"
    assert (found[0].first_at, found[0].last_at) == (AT - timedelta(days=41), AT)
    assert [one.is_computer for one in found] == [False, True]


def test_nobody_called_is_nobody_told() -> None:
    assert callers([]) == []
