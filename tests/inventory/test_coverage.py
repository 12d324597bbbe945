"""What was read is said by source; what was not is never left out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from inventory.coverage import SourceRead, by_reason, last_accessed, sources
from inventory.models import Account, ArchiveCoverage, IamUser

READ = {
    "credentials_at": "2026-03-06T14:08:00+00:00",
    "details_at": "2026-03-06T14:08:00+00:00",
    "report_at": "2026-03-06T13:55:00+00:00",
    "services_at": "2026-03-06T06:00:00+00:00",
    "services_from": "2025-01-30T06:00:00+00:00",
    "regions": [
        {
            "region": "us-east-1",
            "from": "2025-12-06T14:02:00+00:00",
            "to": "2026-03-06T14:02:00+00:00",
            "error": "",
        }
    ],
}


def user(account: dict[str, Any] | None = None, **coverage: Any) -> IamUser:
    account = {"enabled_regions": ["us-east-1"], **(account or {})}
    return IamUser(account=Account(**account), coverage=READ | coverage)


def named(of: IamUser, archive: list[ArchiveCoverage] | None = None) -> dict[str, SourceRead]:
    return {one.name: one for one in sources(of, of.coverage, archive or [])}


def test_each_source_says_until_when_and_how_far_back_it_was_read() -> None:
    found = named(user())

    assert list(found) == [
        "Credential report",
        "Credentials",
        "Policies",
        "CloudTrail event history",
        "Access Advisor",
    ]
    assert all(one.whole for one in found.values())
    trail = found["CloudTrail event history"]
    assert (trail.since, trail.at) == (
        datetime(2025, 12, 6, 14, 2, tzinfo=UTC),
        datetime(2026, 3, 6, 14, 2, tzinfo=UTC),
    )
    assert found["Access Advisor"].since == datetime(2025, 1, 30, 6, tzinfo=UTC)


def test_seventeen_refused_regions_make_one_sentence() -> None:
    regions = [
        {"region": f"r-{number}", "from": None, "to": None, "error": "AccessDenied: no."}
        for number in range(17)
    ]
    trail = named(user({"enabled_regions": []}, regions=regions))["CloudTrail event history"]

    assert trail.missing == ("17 Regions: AccessDenied: no.",)
    assert (trail.at, trail.whole, len(trail.regions), trail.read) == (None, False, 17, ())


def test_an_enabled_region_that_nobody_looked_at_is_missing() -> None:
    found = named(user({"enabled_regions": ["us-east-1", "eu-west-1"]}))

    assert found["CloudTrail event history"].missing == ("eu-west-1: not looked at.",)


def test_a_region_that_the_declaration_leaves_out_is_not_called_missing() -> None:
    declared = {"enabled_regions": ["us-east-1", "eu-west-1"], "regions": ["us-east-1"]}

    assert named(user(declared))["CloudTrail event history"].whole


@pytest.mark.parametrize(
    ("gap", "source"),
    [
        ("credentials", "Credentials"),
        ("policies", "Policies"),
        ("services", "Access Advisor"),
    ],
)
def test_what_the_last_sync_could_not_read_is_said_in_its_words(gap: str, source: str) -> None:
    found = named(user(gaps={gap: "AccessDenied: not authorized"}))

    assert found[source].missing == ("AccessDenied: not authorized",)
    assert not found[source].whole


def test_nothing_read_yet_is_not_whole() -> None:
    nothing = IamUser(account=Account(), coverage={})

    assert not any(one.whole for one in sources(nothing, {}))


def test_the_longer_history_is_as_long_as_its_shortest_region() -> None:
    rows = [
        ArchiveCoverage(region="a", read_from=date(2025, 10, 1), read_to=date(2026, 3, 5)),
        ArchiveCoverage(
            region="b",
            read_from=date(2025, 12, 1),
            read_to=date(2026, 3, 4),
            gaps={"2026-01-01": {"text": "damaged", "again": False}},
        ),
        ArchiveCoverage(region="c", error="AccessDenied"),
    ]
    declared = {"trail_archive": {"s3": "s3://logs"}}

    archive = named(user(declared), rows)["CloudTrail logs in S3"]

    assert archive.since == datetime(2025, 12, 1, tzinfo=UTC)
    assert archive.at == datetime(2026, 3, 4, tzinfo=UTC)
    assert archive.missing == ("c: AccessDenied.", "1 day could not be read whole.")


def test_a_longer_history_that_nobody_declared_is_no_source() -> None:
    assert "CloudTrail logs in S3" not in named(user())


def test_regions_are_told_by_their_reason() -> None:
    assert by_reason({"b": "denied.", "a": "denied", "c": "disabled"}) == (
        "a, b: denied.",
        "c: disabled.",
    )


def test_times_that_are_none_are_left_out() -> None:
    rows = [{"service": "s3", "at": "2026-03-01T08:00:00Z"}, {"service": "ec2", "at": None}]

    assert list(last_accessed(user(services=rows))) == ["s3"]
    assert last_accessed(user(services=None)) == {}
