"""The evidence on a user's page: services, callers, lanes, references and what was looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import ArchiveCoverage, IamUser, Person, TrailCoverage
from inventory.reads import reads_of
from migrations_app.lifecycle import State
from migrations_app.models import Departure, PlanAccess
from migrations_app.user_page import profile, profile_activity
from tests import cast
from tests.migrations_app.browsing import address, at_most, browser, text_of

pytestmark = pytest.mark.django_db
RUNNER = "aws-cli/2.15.30 exec-env/GitHubActions"
LAPTOP = "aws-cli/1.18.69 Darwin/20.6.0"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def page(person: Person, row: Departure, query: str = "") -> str:
    return text_of(browser(person).get(address(row.user) + query))


def days_ago(days: int) -> str:
    return (clock.now() - timedelta(days=days)).isoformat()


def accessed(**services: int) -> dict[str, Any]:
    rows = [{"service": name, "at": days_ago(days)} for name, days in services.items()]
    return {"services": rows, "services_at": days_ago(0), "services_from": days_ago(400)}


def seen(user: IamUser) -> profile_activity.Seen:
    return profile_activity.seen(user, list(user.credentials.all()), clock.now())


def test_access_advisor_stands_beside_cloudtrail_for_each_service(everybody: cast.Cast) -> None:
    user = cast.iam_user("a", coverage=accessed(ecr=1, s3=2, dynamodb=3, iam=200, ec2=4))
    cast.activity(user, clock.now().date(), 5, service="ecr", action="GetAuthorizationToken")

    rows = seen(user).services

    assert [(row.name, row.calls, row.why) for row in rows] == [
        ("ECR", 5, ""),
        ("S3", 0, "object calls are not in event history"),
        ("DynamoDB", 0, "calls to data are not in event history"),
        ("EC2", 0, "no call in event history"),
        ("IAM", 0, "longer ago than event history keeps"),
    ]
    assert rows[0].accessed_at is not None
    text = page(everybody.vera, cast.departure(user))
    assert "object calls are not in event history" in text


def test_a_service_with_two_names_is_one_row(everybody: cast.Cast) -> None:
    user = cast.iam_user("a", coverage=accessed(cloudwatch=1))
    cast.activity(user, clock.now().date(), service="monitoring", action="ListMetrics")

    (row,) = seen(user).services

    assert row.name == "CloudWatch"
    assert row.accessed_at is not None


def test_a_failed_sign_in_is_nobodys_call(everybody: cast.Cast) -> None:
    user = cast.iam_user("a")
    cast.activity(
        user,
        clock.now().date(),
        service="signin",
        action="ConsoleLogin",
        outcome="failed-sign-in",
        source_address="203.0.113.99",
    )

    found = seen(user)

    assert (found.calls, found.actions, found.services) == (0, 0, ())
    assert profile_activity.called_from(user) == []


def test_a_denied_call_is_counted_as_one(everybody: cast.Cast) -> None:
    user = cast.iam_user("a")
    cast.activity(user, clock.now().date(), 3, outcome="denied")

    assert (seen(user).calls, seen(user).denied) == (3, 3)


def test_the_lanes_show_every_source_that_knows_a_day(everybody: cast.Cast) -> None:
    now = clock.now()
    user = cast.iam_user(
        "a", coverage=accessed(s3=3), has_console_password=True, password_last_used_at=now
    )
    cast.access_key(user, last_used_at=now - timedelta(days=2))
    cast.activity(user, now.date(), service="signin", action="ConsoleLogin")
    cast.activity(user, now.date() - timedelta(days=9), service="signin", action="ConsoleLogin")

    lanes = seen(user).lanes

    assert [lane.title for lane in lanes.lanes] == [
        "CloudTrail",
        "Credential report",
        "Access Advisor",
        "Console",
    ]
    assert all(lane.path for lane in lanes.lanes)
    assert sum(title == "Console" for title, *_ in lanes.rows) == 2
    text = page(everybody.vera, cast.departure(user), "?as=table")
    assert "Access Advisor" in text


def test_the_new_access_has_a_lane_beside_the_old_one(everybody: cast.Cast) -> None:
    now = clock.now()
    row = cast.departure(cast.iam_user("a"), "owner-assigned", everybody.payments)
    plan = cast.plan(row, seen={"role": "github-deploy"})
    for days, count in ((120, 9), (3, 4), (1, 2)):
        at = now - timedelta(days=days)
        PlanAccess.objects.create(plan=plan, day=at.date(), count=count, first_at=at, last_at=at)

    lanes = seen(row.user).lanes

    assert [(lane.title, lane.note) for lane in lanes.lanes][-1] == ("New access", "github-deploy")
    assert [each[2] for each in lanes.rows if each[0] == "New access"] == [4, 2]
    first = now - timedelta(days=3)
    assert f"new access first seen {first:%-d %b %Y %H:%M} UTC" in lanes.sentence
    assert "New access" in page(everybody.vera, row, "?as=table")


def test_access_advisor_that_nobody_asked_is_not_shown_as_silence(everybody: cast.Cast) -> None:
    user = cast.iam_user("a")
    cast.activity(user, clock.now().date())

    text = page(everybody.vera, cast.departure(user))

    assert "not asked yet" in text
    assert "not tracked" not in text


def test_a_service_that_access_advisor_saw_no_access_to_is_not_called_untracked(
    everybody: cast.Cast,
) -> None:
    told = accessed(s3=3)
    told["services"].append({"service": "ec2", "at": None})
    user = cast.iam_user("a", coverage=told)
    for service in ("ec2", "signin"):
        cast.activity(user, clock.now().date(), service=service, action="Look")

    services = {one.name: one.tracked for one in seen(user).services}

    assert services == {"EC2": True, "Console sign-in": False, "S3": True}
    text = page(everybody.vera, cast.departure(user))
    assert "none until" in text
    assert "not tracked" in text


def test_a_rare_rhythm_says_when_silence_begins_to_mean_something(everybody: cast.Cast) -> None:
    soon = clock.now() + timedelta(days=20)
    user = cast.iam_user("a", verdict="active", rhythm="quarterly", next_expected_at=soon)

    assert "silence until then says nothing" in page(everybody.vera, cast.departure(user))


def test_older_calls_of_the_longer_history_are_named_beside_the_90_days(
    everybody: cast.Cast,
) -> None:
    everybody.account.trail_archive = {"s3": "s3://logs"}
    everybody.account.save()
    user = cast.iam_user("a")
    cast.activity(user, clock.now().date() - timedelta(days=150), 12)
    today = clock.now().date()
    ArchiveCoverage.objects.create(
        account=everybody.account,
        region="us-east-1",
        read_from=today - timedelta(days=300),
        read_to=today,
    )

    text = page(everybody.vera, cast.departure(user))

    assert "12 older calls of" in text
    assert " to <time" not in text[text.index("12 older calls") :][:300]
    assert "CloudTrail logs in S3" in text
    assert "1 of 1 Region" in text


def test_a_laptop_among_the_callers_of_a_pipeline_stands_out(everybody: cast.Cast) -> None:
    user = cast.iam_user("a", category="ci-cd")
    today = clock.now().date()
    for number in range(9):
        cast.activity(user, today, 100, source_address=f"198.51.100.{number}", user_agent=RUNNER)
    cast.activity(user, today, 16, source_address="203.0.113.24", user_agent=LAPTOP)
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)

    text = page(everybody.sara, row)

    assert "GitHub Actions" in text
    assert "9 addresses" in text
    assert "203.0.113.24" in text
    assert "Somebody&#x27;s computer" in text or "Somebody's computer" in text
    other = page(everybody.priya, row)
    assert "Where it was called from" not in other
    assert "203.0.113.24" not in other


def test_a_caller_seen_in_one_minute_has_one_time(everybody: cast.Cast) -> None:
    user = cast.iam_user("a")
    cast.activity(user, clock.now().date(), 2, source_address="203.0.113.24", user_agent=LAPTOP)

    text = page(everybody.jonas, cast.departure(user))

    told = text[text.index("203.0.113.24") :]
    assert " to <time" not in told[: told.index("</div>")]


def test_who_trusts_it_is_a_reason_with_what_to_do(everybody: cast.Cast) -> None:
    references = [
        {"kind": "role-trust", "name": "terraform-admin", "text": "Role trust", "blocks": True},
        {"kind": "role-mention", "name": "ecs-exec-debug", "text": "Role trust"},
        {"kind": "key", "name": "2973bb4e", "text": "Key policy, its only administrator",
         "blocks": True},
    ]  # fmt: skip
    row = cast.departure(cast.iam_user("a", references=references))

    found = profile.judged(row.user, row, reads_of(row.user.account_id), clock.now()).reasons

    assert [(reason.text, reason.blocks) for reason in found] == [
        ("2 role trust policies name this user. Edit them before deletion.", True),
        ("2973bb4e: Key policy, its only administrator. It blocks deletion.", True),
    ]


def test_regions_that_fail_alike_are_one_reason(everybody: cast.Cast) -> None:
    reasons = [
        {"text": f"CloudTrail in r-{number}: AccessDenied: no.", "source": "Not looked at"}
        for number in range(17)
    ]
    row = cast.departure(cast.iam_user("a", verdict="unknown", verdict_reasons=reasons))

    found = profile.judged(row.user, row, reads_of(row.user.account_id), clock.now()).reasons

    assert [reason.text for reason in found] == ["CloudTrail in 17 Regions: AccessDenied: no."]


def test_what_was_looked_at_is_told_per_source(everybody: cast.Cast) -> None:
    coverage = {
        **accessed(s3=1),
        "credentials_at": days_ago(0),
        "gaps": {"policies": "AccessDenied: iam:GetAccountAuthorizationDetails"},
        "blind": ["Not looked at, because the declaration leaves them out: ap-east-1."],
    }
    user, now = cast.iam_user("a", coverage=coverage, coverage_whole=False), clock.now()
    TrailCoverage.objects.create(
        user=user,
        region="us-east-1",
        read_from=now - timedelta(days=90),
        read_to=now,
        looked_at=now,
    )
    TrailCoverage.objects.create(
        user=user, region="eu-west-1", error="OptInRequired", looked_at=now
    )

    text = page(everybody.vera, cast.departure(user))

    assert "not every source was read whole" in text
    assert "1 of 2 Regions" in text
    assert "eu-west-1: OptInRequired." in text
    assert "AccessDenied: iam:GetAccountAuthorizationDetails" in text
    assert "the declaration leaves them out: ap-east-1." in text


def test_a_busy_user_with_a_longer_history_costs_no_more(everybody: cast.Cast) -> None:
    everybody.account.trail_archive = {"s3": "s3://logs"}
    everybody.account.save()
    user = cast.iam_user("a", coverage=accessed(s3=1, ec2=2, iam=300))
    for days in range(0, 200, 5):
        cast.activity(
            user,
            clock.now().date() - timedelta(days=days),
            source_address=f"198.51.100.{days}",
            user_agent=RUNNER,
        )
    row = cast.departure(user, State.OWNER_ASSIGNED)
    jonas = browser(everybody.jonas)

    with at_most(24):
        jonas.get(address(row.user))


def test_the_numbers_hold_services_and_coverage_too(everybody: cast.Cast) -> None:
    user = cast.iam_user("a", coverage=accessed(s3=1))
    cast.departure(user)

    told = browser(everybody.vera).get(address(user, "evidence.json")).json()

    assert [one["service"] for one in told["services"]] == ["S3"]
    assert told["services"][0]["last_call_at"] is None
    assert [one["source"] for one in told["coverage"]["sources"]][-1] == "Access Advisor"
