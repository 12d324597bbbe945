"""The verdict says what the evidence says, and what was not looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.verdict import (
    ArchiveLook,
    CredentialFact,
    Evidence,
    Happening,
    RegionLook,
    ServiceUse,
    Verdict,
    VerdictValue,
    verdict,
)

NOW = datetime(2025, 3, 6, 14, 22, tzinfo=UTC)
DORMANT_AFTER = timedelta(days=90)
REGIONS = ("eu-west-1", "us-east-1")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def looks(read_from: datetime | None = None, error: str = "") -> tuple[RegionLook, ...]:
    return tuple(
        RegionLook(region, read_from or ago(90), ago(0), error if region == "eu-west-1" else "")
        for region in REGIONS
    )


def key(last_used_at: datetime | None = None, made: float = 800, **more: object) -> CredentialFact:
    fact = CredentialFact("access-key", "AKIA1", True, ago(made), last_used_at)
    return replace(fact, **more)  # type: ignore[arg-type]


def call(at: datetime, outcome: str = "ok", action: str = "ListBuckets") -> Happening:
    return Happening(at, at, "s3", action, outcome, region="us-east-1")


QUIET = Evidence(
    created_at=ago(1000),
    regions=REGIONS,
    credentials=(key(),),
    looks=looks(),
    services=(),
    credentials_read_at=ago(0),
    services_read_at=ago(0),
)


def judged(facts: Evidence, now: datetime = NOW) -> Verdict:
    return verdict(facts, DORMANT_AFTER, now)


def test_a_user_without_any_sign_of_use_was_never_used() -> None:
    found = judged(QUIET)
    assert (found.value, found.confidence) == (VerdictValue.NEVER_USED, "high")
    assert found.last_activity_at is None


def test_a_key_used_longer_ago_than_the_window_makes_dormant() -> None:
    found = judged(replace(QUIET, credentials=(key(ago(412)),)))
    assert found.value is VerdictValue.DORMANT
    assert found.last_activity_at == ago(412)
    assert found.last_activity_source == "Access key last used"


@pytest.mark.parametrize(
    ("days", "value"), [(89.9, VerdictValue.ACTIVE), (90.1, VerdictValue.DORMANT)]
)
def test_the_window_ends_to_the_hour(days: float, value: VerdictValue) -> None:
    assert judged(replace(QUIET, credentials=(key(ago(days)),))).value is value


def test_the_latest_use_over_all_credentials_counts() -> None:
    password = CredentialFact("console-password", "", True, ago(900), ago(3))
    found = judged(replace(QUIET, credentials=(key(ago(412)), password)))
    assert found.value is VerdictValue.ACTIVE
    assert found.last_activity_source == "Password last used"


def test_a_third_key_counts_like_the_first() -> None:
    keys = tuple(key(at, id=f"AKIA{n}") for n, at in enumerate((None, ago(300), ago(2))))
    assert judged(replace(QUIET, credentials=keys)).value is VerdictValue.ACTIVE


def test_use_of_a_key_that_is_inactive_now_is_use() -> None:
    assert judged(replace(QUIET, credentials=(key(ago(5), active=False),))).value is (
        VerdictValue.ACTIVE
    )


def test_a_denied_call_is_use() -> None:
    found = judged(replace(QUIET, happenings=(call(ago(2), "denied"),)))
    assert found.value is VerdictValue.ACTIVE


def test_a_failed_sign_in_is_no_use() -> None:
    failed = call(ago(2), "failed-sign-in", "ConsoleLogin")
    found = judged(replace(QUIET, happenings=(failed,)))
    assert found.value is VerdictValue.NEVER_USED
    assert any("failed sign-in" in reason.text for reason in found.reasons)


def test_a_key_used_yesterday_without_any_event_is_active_on_the_data_plane() -> None:
    found = judged(replace(QUIET, credentials=(key(ago(1), last_used_service="s3"),)))
    assert found.value is VerdictValue.ACTIVE
    assert any("data plane only" in reason.text for reason in found.reasons)


def test_service_last_accessed_is_use() -> None:
    found = judged(replace(QUIET, services=(ServiceUse("codecommit", ago(10)),)))
    assert found.value is VerdictValue.ACTIVE
    assert found.confidence == "medium"


def test_a_region_that_refused_leaves_it_unknown_with_the_words_of_aws() -> None:
    found = judged(replace(QUIET, looks=looks(error="LookupEvents: AccessDenied: no")))
    assert found.value is VerdictValue.UNKNOWN
    assert found.coverage.missing == ("CloudTrail in eu-west-1: LookupEvents: AccessDenied: no",)


def test_a_region_that_was_not_looked_at_leaves_it_unknown() -> None:
    found = judged(replace(QUIET, looks=looks()[:1]))
    assert found.value is VerdictValue.UNKNOWN
    assert "us-east-1" in found.coverage.missing[0]


def test_a_region_read_back_half_way_leaves_it_unknown() -> None:
    assert judged(replace(QUIET, looks=looks(ago(40)))).value is VerdictValue.UNKNOWN


def test_no_known_region_leaves_it_unknown() -> None:
    assert judged(replace(QUIET, regions=(), looks=())).value is VerdictValue.UNKNOWN


def test_a_look_of_the_day_before_yesterday_does_not_speak_for_now() -> None:
    assert judged(QUIET, NOW + timedelta(days=2)).value is VerdictValue.UNKNOWN


def test_throttled_credentials_leave_it_unknown_and_say_so() -> None:
    found = judged(replace(QUIET, missing=("Credentials: Throttling: Rate exceeded",)))
    assert found.value is VerdictValue.UNKNOWN
    assert found.reasons[0].text == "Credentials: Throttling: Rate exceeded"
    assert not found.coverage.whole


def test_what_was_seen_in_use_is_active_whatever_was_not_read() -> None:
    facts = replace(QUIET, credentials=(key(ago(1)),), missing=("Access Advisor: denied",))
    found = judged(facts)
    assert (found.value, found.coverage.whole) == (VerdictValue.ACTIVE, False)


def test_a_user_in_use_needs_no_look_further_back() -> None:
    found = judged(replace(QUIET, happenings=(call(ago(1)),), looks=looks(ago(3))))
    assert found.coverage.whole


def test_a_young_user_is_never_dormant() -> None:
    found = judged(replace(QUIET, created_at=ago(20)))
    assert found.value is VerdictValue.UNKNOWN
    assert found.blockers == ("Created 20 days ago, too young to judge.",)


def test_a_young_user_that_was_used_is_active() -> None:
    facts = replace(QUIET, created_at=ago(20), credentials=(key(ago(1)),))
    assert judged(facts).value is VerdictValue.ACTIVE


def test_a_key_made_last_week_has_had_no_time_to_be_used() -> None:
    found = judged(replace(QUIET, credentials=(key(made=7),)))
    assert found.value is VerdictValue.UNKNOWN
    assert "AKIA1 was made 7 days ago" in found.blockers[0]


def test_a_credential_that_aws_does_not_trace_needs_service_last_accessed() -> None:
    git = CredentialFact("ssh-key", "APKA1", True, ago(400), traced=False)
    facts = replace(QUIET, credentials=(git,))
    assert judged(facts).value is VerdictValue.NEVER_USED
    assert judged(replace(facts, services=None)).value is VerdictValue.UNKNOWN


def test_without_service_last_accessed_the_confidence_is_medium() -> None:
    assert judged(replace(QUIET, services=None)).confidence == "medium"


def test_regions_left_out_by_the_declaration_are_said_and_lower_the_confidence() -> None:
    found = judged(replace(QUIET, regions_left_out=("sa-east-1",)))
    assert found.confidence == "medium"
    assert any("sa-east-1" in text for text in found.coverage.blind)


@pytest.mark.parametrize(
    ("days", "rhythm"),
    [
        ((1, 2, 3, 4, 5, 6, 7), "daily"),
        ((3, 10, 17, 24), "weekly"),
        ((12, 42, 73), "monthly"),
        ((3, 33), "monthly"),
        ((4, 31, 40, 77), ""),
    ],
)
def test_the_rhythm_is_told_from_the_days_of_use(days: tuple[int, ...], rhythm: str) -> None:
    found = judged(replace(QUIET, happenings=tuple(call(ago(day)) for day in days)))
    assert found.rhythm == rhythm


def test_a_job_of_each_quarter_is_active_until_its_next_run_is_overdue() -> None:
    runs = replace(QUIET, happenings=(call(ago(182)), call(ago(91))))
    found = judged(runs)
    assert (found.value, found.rhythm) == (VerdictValue.ACTIVE, "quarterly")
    assert found.next_expected_at is not None
    late = found.next_expected_at + timedelta(days=4)
    renewed = replace(runs, looks=tuple(replace(look, read_to=late) for look in runs.looks))
    assert judged(renewed, late).value is VerdictValue.DORMANT


def test_every_reason_bears_its_source() -> None:
    found = judged(replace(QUIET, credentials=(key(ago(412)),)))
    assert found.reasons
    assert all(reason.source and reason.text for reason in found.reasons)


def texts(found: Verdict) -> str:
    return " ".join(reason.text for reason in found.reasons)


def test_use_after_the_last_event_is_said_to_be_data_plane_only() -> None:
    facts = replace(QUIET, credentials=(key(ago(1)),), happenings=(call(ago(20)),))
    found = judged(facts)
    assert found.value is VerdictValue.ACTIVE
    assert "No event since 14 Feb: what it did after that is data plane only." in texts(found)


def test_a_key_used_before_event_history_begins_is_not_called_data_plane() -> None:
    assert "data plane" not in texts(judged(replace(QUIET, credentials=(key(ago(412)),))))


def test_a_key_that_only_asks_who_it_is_is_in_use_and_said_so() -> None:
    who = Happening(ago(2), ago(2), "sts", "GetCallerIdentity", "ok", region="us-east-1")
    found = judged(replace(QUIET, happenings=(who,)))
    assert (found.value, found.confidence) == (VerdictValue.ACTIVE, "medium")
    assert "Its only call is GetCallerIdentity" in texts(found)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (QUIET, "No access to any service in 400 days."),
        (
            replace(
                QUIET, happenings=(Happening(ago(3), ago(3), "sts", "GetCallerIdentity", "ok"),)
            ),
            "No access in 400 days to any service that Access Advisor tracks; it does not count "
            "calls to sts.",
        ),
        (
            replace(
                QUIET,
                happenings=(
                    Happening(ago(3), ago(3), "signin", "ConsoleLogin", "ok"),
                    Happening(ago(4), ago(4), "sts", "GetCallerIdentity", "ok"),
                ),
            ),
            "No access in 400 days to any service that Access Advisor tracks; it does not count "
            "calls to sts or sign-ins.",
        ),
        (
            replace(
                QUIET,
                services=(ServiceUse("cloudwatch", None),),
                services_read_at=ago(6),
                happenings=(Happening(ago(3), ago(3), "monitoring", "ListMetrics", "ok"),),
            ),
            "No access in 400 days to any service that Access Advisor tracks; use that others "
            "show is later than its answer, or not counted by it.",
        ),
        (
            replace(QUIET, credentials=(key(ago(500)),)),
            "No access to any service in 400 days.",
        ),
    ],
    ids=["no use", "another service", "a sign-in", "a later call", "use before that"],
)
def test_no_access_never_denies_a_call_that_another_source_shows(
    facts: Evidence, said: str
) -> None:
    [told] = [one.text for one in judged(facts).reasons if one.source == "Access Advisor"]
    assert told == said


def test_a_restore_is_evidence_of_use() -> None:
    found = judged(replace(QUIET, restored_at=ago(40)))
    assert (found.value, found.last_activity_source) == (VerdictValue.ACTIVE, "Restore")
    assert judged(replace(QUIET, restored_at=ago(140))).value is VerdictValue.DORMANT


def test_a_credential_without_a_trace_makes_silence_weaker_and_says_so() -> None:
    git = CredentialFact("ssh-key", "APKA1", True, ago(400), traced=False)
    found = judged(replace(QUIET, credentials=(git,)))
    assert found.confidence == "medium"
    assert "SSH public key APKA1: AWS does not record when it is used." in texts(found)
    assert "only service last accessed shows" in found.confidence_reason


def test_an_ssh_key_made_last_week_is_too_young_to_judge() -> None:
    git = CredentialFact("ssh-key", "APKA1", True, ago(7), traced=False)
    found = judged(replace(QUIET, credentials=(git,)))
    assert found.value is VerdictValue.UNKNOWN
    assert found.blockers == ("SSH public key APKA1 was made 7 days ago, too young to judge.",)


def test_a_password_set_anew_since_its_last_use_is_too_young_to_judge() -> None:
    password = CredentialFact("console-password", "", True, ago(10), ago(300))
    found = judged(replace(QUIET, credentials=(password,)))
    assert found.value is VerdictValue.UNKNOWN
    assert found.blockers == ("The console password was set 10 days ago, too young to judge.",)


def test_a_never_used_key_is_judged_by_its_age() -> None:
    assert judged(replace(QUIET, credentials=(key(made=89),))).value is VerdictValue.UNKNOWN
    assert judged(replace(QUIET, credentials=(key(made=91),))).value is VerdictValue.NEVER_USED


def test_what_blocks_is_marked_among_the_reasons() -> None:
    found = judged(replace(QUIET, created_at=ago(20)))
    assert [reason.text for reason in found.reasons if reason.blocks] == list(found.blockers)


def test_coverage_counts_regions_days_and_sources() -> None:
    covered = judged(QUIET).coverage
    assert (covered.regions_read, covered.regions, covered.days) == (2, 2, 90)
    assert covered.sources == ("Credentials", "CloudTrail", "Access Advisor")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (replace(QUIET, looks=looks(ago(21))), "CloudTrail covers only 21 of 90 days."),
        (replace(QUIET, looks=looks(error="no")), "CloudTrail covers only 1 of 2 Regions."),
        (replace(QUIET, missing=("Credentials: Throttling",)), "Credentials: Throttling"),
        (replace(QUIET, created_at=ago(3)), "It is too young to judge."),
    ],
)
def test_low_confidence_says_why(facts: Evidence, why: str) -> None:
    found = judged(facts)
    assert (found.confidence, found.confidence_reason) == ("low", why)


def test_high_confidence_needs_no_excuse() -> None:
    found = judged(QUIET)
    assert (found.confidence, found.confidence_reason) == ("high", "")


# Properties: whatever the evidence, more of it never makes silence out of use or of a gap.

_SOURCES = ["region", "credentials", "services", "look", "all"]
_SILENT = {VerdictValue.DORMANT, VerdictValue.NEVER_USED}
_days = st.floats(0.01, 900)
_maybe = st.none() | _days


@st.composite
def _evidence(draw: st.DrawFn) -> Evidence:
    keys = tuple(
        CredentialFact(
            draw(st.sampled_from(["access-key", "console-password", "ssh-key"])),
            f"K{number}",
            draw(st.booleans()),
            ago(draw(_days)),
            ago(used) if (used := draw(_maybe)) is not None else None,
            traced=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 3)))
    )
    read = draw(st.lists(st.sampled_from(REGIONS), unique=True))
    services = draw(st.none() | st.lists(_maybe, max_size=3))
    return Evidence(
        created_at=ago(draw(st.floats(1, 2000))),
        regions=REGIONS,
        credentials=keys,
        happenings=tuple(
            call(ago(at), draw(st.sampled_from(["ok", "denied", "failed-sign-in"])))
            for at in draw(st.lists(st.floats(0.01, 90), max_size=4))
        ),
        looks=tuple(
            RegionLook(
                region,
                ago(draw(st.sampled_from([90, 90, 30]))),
                ago(0),
                draw(st.sampled_from(["", "", "AccessDenied"])),
            )
            for region in read
        ),
        services=None
        if services is None
        else tuple(ServiceUse("s3", ago(at) if at is not None else None) for at in services),
        credentials_read_at=draw(st.sampled_from([None, ago(0)])),
        missing=draw(st.sampled_from([(), (), ("Policies and groups: Throttling",)])),
    )


@given(facts=_evidence(), kind=st.sampled_from(["call", "key", "restore", "service"]))
def test_later_use_never_makes_it_less_active(facts: Evidence, kind: str) -> None:
    later = {
        "call": replace(facts, happenings=(*facts.happenings, call(ago(0.005)))),
        "key": replace(facts, credentials=(*facts.credentials, key(ago(0.005)))),
        "restore": replace(facts, restored_at=ago(0.005)),
        "service": replace(facts, services=(ServiceUse("ec2", ago(0.005)),)),
    }[kind]
    assert judged(later).value is VerdictValue.ACTIVE


@given(facts=_evidence(), lost=st.sampled_from(_SOURCES))
def test_losing_a_source_never_turns_doubt_into_silence(facts: Evidence, lost: str) -> None:
    before = judged(facts)
    less = {
        "region": replace(
            facts, looks=tuple(replace(look, error="AccessDenied") for look in facts.looks)
        ),
        "look": replace(facts, looks=facts.looks[1:]),
        "credentials": replace(facts, credentials=(), credentials_read_at=None),
        "services": replace(facts, services=None),
        "all": replace(facts, missing=(*facts.missing, "Everything: Throttling")),
    }[lost]
    after = judged(less)
    if before.value is VerdictValue.UNKNOWN:
        assert after.value not in _SILENT
    if lost in {"region", "look", "credentials", "all"} and facts.looks:
        assert after.value not in _SILENT


@given(facts=_evidence(), gaps=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
def test_gaps_never_make_it_never_used(facts: Evidence, gaps: list[str]) -> None:
    found = judged(replace(facts, missing=(*facts.missing, *gaps)))
    assert found.value not in _SILENT
    assert set(gaps) <= set(found.coverage.missing)


@given(facts=_evidence(), shift=st.integers(-2000, 2000))
def test_the_verdict_moves_with_the_calendar(facts: Evidence, shift: int) -> None:
    by = timedelta(days=shift)

    def move(at: datetime | None) -> datetime | None:
        return at + by if at else None

    moved = replace(
        facts,
        created_at=facts.created_at + by,
        credentials=tuple(
            replace(one, created_at=move(one.created_at), last_used_at=move(one.last_used_at))
            for one in facts.credentials
        ),
        happenings=tuple(
            replace(one, first_at=one.first_at + by, last_at=one.last_at + by)
            for one in facts.happenings
        ),
        looks=tuple(
            replace(one, read_from=move(one.read_from), read_to=move(one.read_to))
            for one in facts.looks
        ),
        services=tuple(replace(one, at=move(one.at)) for one in facts.services)
        if facts.services is not None
        else None,
        credentials_read_at=move(facts.credentials_read_at),
    )
    before, after = judged(facts), judged(moved, NOW + by)
    # Only a rhythm that keeps to the calendar's months may hold a user a few days more or less.
    if before.rhythm == after.rhythm == "":
        assert after.value is before.value
        assert after.last_activity_at == move(before.last_activity_at)


HALF_A_YEAR = timedelta(days=180)


def archive(
    read_from: date | None = date(2024, 2, 1),
    read_to: date | None = date(2025, 3, 4),
    error: str = "",
    gaps: tuple[date, ...] = (),
) -> tuple[ArchiveLook, ...]:
    source = "CloudTrail logs in S3"
    return tuple(ArchiveLook(one, source, read_from, read_to, error, gaps) for one in REGIONS)


def blind(facts: Evidence) -> str:
    return " ".join(verdict(facts, HALF_A_YEAR, NOW).coverage.blind)


def test_beyond_event_history_last_used_dates_speak_alone() -> None:
    assert "Event history keeps 90 days" in blind(QUIET)


def test_an_archive_prolongs_event_history() -> None:
    told = blind(replace(QUIET, archive=archive()))
    assert "CloudTrail logs in S3: read back to 01 Feb 2024" in told
    assert "Event history keeps 90 days" not in told


def test_an_archive_that_does_not_reach_event_history_prolongs_nothing() -> None:
    told = blind(replace(QUIET, archive=archive(read_to=date(2024, 9, 1))))
    assert "nothing beyond event history in eu-west-1, us-east-1" in told
    assert "read back to" not in told


def test_use_beyond_event_history_names_the_archive_as_its_source() -> None:
    facts = replace(QUIET, archive=archive(), happenings=(call(ago(120)),))
    found = verdict(facts, HALF_A_YEAR, NOW)
    assert (found.value, found.last_activity_source) == (
        VerdictValue.ACTIVE,
        "CloudTrail logs in S3",
    )
    assert verdict(facts, DORMANT_AFTER, NOW).value is VerdictValue.DORMANT


@pytest.mark.parametrize(
    "look", [archive(error="AccessDenied"), archive(gaps=(date(2024, 11, 1),))]
)
def test_a_long_window_with_a_hole_in_its_archive_is_unknown(
    look: tuple[ArchiveLook, ...],
) -> None:
    facts = replace(QUIET, archive=look)
    found = verdict(facts, HALF_A_YEAR, NOW)
    assert found.value is VerdictValue.UNKNOWN
    assert any(
        text.startswith("CloudTrail logs in S3, eu-west-1") for text in found.coverage.missing
    )
    # Ninety days are event history's own.
    assert verdict(facts, DORMANT_AFTER, NOW).value is VerdictValue.NEVER_USED


def test_a_hole_before_the_window_changes_nothing() -> None:
    facts = replace(QUIET, archive=archive(gaps=(date(2024, 3, 1),)))
    assert verdict(facts, HALF_A_YEAR, NOW).value is VerdictValue.NEVER_USED
