"""Where the verdict turns: to the second, and by each of the facts that it rests on, alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from inventory.rhythm import GRACE
from inventory.verdict import (
    ArchiveLook,
    Coverage,
    CredentialFact,
    Evidence,
    RegionLook,
    ServiceUse,
    Verdict,
    VerdictValue,
    verdict,
)
from tests.inventory.test_verdict import (
    DORMANT_AFTER,
    HALF_A_YEAR,
    NOW,
    QUIET,
    ago,
    archive,
    blind,
    call,
    judged,
    key,
    looks,
    texts,
)

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ACTIVE, DORMANT = VerdictValue.ACTIVE, VerdictValue.DORMANT
NEVER_USED, UNKNOWN = VerdictValue.NEVER_USED, VerdictValue.UNKNOWN


# ── Use ──────────────────────────────────────────────────────────────────────────────────────────


def test_use_exactly_at_the_windows_start_is_outside_of_it() -> None:
    assert judged(replace(QUIET, credentials=(key(ago(90)),))).value is DORMANT
    assert judged(replace(QUIET, credentials=(key(ago(90) + SECOND),))).value is ACTIVE


def test_a_restore_is_use_and_no_run_of_a_rhythm() -> None:
    found = judged(replace(QUIET, happenings=(call(ago(33)),), restored_at=ago(3)))
    assert (found.value, found.rhythm) == (ACTIVE, "")


def test_the_reasons_of_a_user_in_use_do_not_speak_of_silence() -> None:
    used = judged(replace(QUIET, credentials=(key(ago(1)), key(id="AKIA2"))))
    silent = judged(replace(QUIET, credentials=(key(ago(200)), key(id="AKIA2"))))
    assert "Access key AKIA2 was never used." in texts(silent)
    assert texts(used) != texts(silent)


# ── Rhythms ──────────────────────────────────────────────────────────────────────────────────────


def test_a_weekly_job_is_no_rare_one_that_would_hold_a_user() -> None:
    weekly = replace(QUIET, happenings=tuple(call(ago(day)) for day in (6, 13, 20, 27)))
    found = verdict(weekly, timedelta(days=5), NOW)
    assert (found.value, found.rhythm) == (DORMANT, "weekly")


def test_a_rhythm_that_is_only_guessed_holds_nobody() -> None:
    now = datetime(2025, 1, 3, tzinfo=UTC)
    at = datetime(2024, 10, 2, 6, tzinfo=UTC)
    facts = replace(
        QUIET,
        happenings=(call(at),),
        looks=tuple(RegionLook(one, now - DORMANT_AFTER, now) for one in QUIET.regions),
    )
    found = verdict(facts, DORMANT_AFTER, now)
    assert (found.rhythm, found.rhythm_proven) == ("quarterly", False)
    assert found.value is DORMANT


def test_a_rare_job_is_active_to_the_last_instant_of_its_grace() -> None:
    runs = replace(QUIET, happenings=(call(ago(182)), call(ago(91))))
    expected = judged(runs).next_expected_at
    assert expected is not None
    last = expected + GRACE
    renewed = replace(runs, looks=tuple(replace(look, read_to=last) for look in runs.looks))
    assert judged(renewed, last).value is ACTIVE
    assert judged(renewed, last + SECOND).value is DORMANT


# ── What was read ────────────────────────────────────────────────────────────────────────────────


def test_credentials_that_nobody_read_are_said_to_be_missing_once() -> None:
    unread = replace(QUIET, credentials_read_at=None)
    assert judged(unread).coverage.missing == ("Credentials were not read yet.",)
    assert judged(unread).value is UNKNOWN
    told = replace(unread, missing=("Credentials: Throttling",))
    assert judged(told).coverage.missing == ("Credentials: Throttling",)


@pytest.mark.parametrize("used", [ago(90), ago(412)])
def test_use_before_the_window_excuses_no_gap_in_it(used: datetime) -> None:
    facts = replace(QUIET, credentials=(key(used),), looks=looks(ago(40)))
    assert judged(facts).value is UNKNOWN


def test_a_credential_without_a_trace_counts_only_while_it_is_active() -> None:
    off = CredentialFact("ssh-key", "APKA1", False, ago(400), traced=False)
    assert judged(replace(QUIET, credentials=(off,), services=None)).value is NEVER_USED


def test_a_user_in_use_needs_no_service_last_accessed() -> None:
    git = CredentialFact("ssh-key", "APKA1", True, ago(400), traced=False)
    facts = replace(QUIET, credentials=(git, key(ago(1))), services=None)
    assert judged(facts).coverage.whole


@pytest.mark.parametrize(("read_from", "read_to"), [(None, ago(0)), (ago(90), None)])
def test_a_look_without_a_beginning_or_an_end_is_none(
    read_from: datetime | None, read_to: datetime | None
) -> None:
    half = RegionLook("eu-west-1", read_from, read_to)
    found = judged(replace(QUIET, looks=(half, looks()[1])))
    assert found.coverage.missing == ("CloudTrail in eu-west-1: not looked at.",)
    assert found.value is UNKNOWN


def test_a_look_speaks_for_a_day_and_no_second_longer() -> None:
    day = timedelta(hours=24)
    assert judged(replace(QUIET, created_at=ago(2000)), NOW + day).value is NEVER_USED
    late = judged(QUIET, NOW + day + SECOND)
    assert late.value is UNKNOWN
    assert "not looked at since 06 Mar 14:22." in late.coverage.missing[0]


@pytest.mark.parametrize(
    ("late", "value"), [(HOUR, NEVER_USED), (HOUR + SECOND, UNKNOWN), (HOUR * 1.5, UNKNOWN)]
)
def test_a_look_may_begin_an_hour_late(late: timedelta, value: VerdictValue) -> None:
    assert judged(replace(QUIET, looks=looks(ago(90) + late))).value is value


def test_coverage_counts_only_what_answered() -> None:
    blind_half = judged(replace(QUIET, looks=looks(error="no"), services=None)).coverage
    assert (blind_half.regions_read, blind_half.regions, blind_half.days) == (1, 2, 0)
    assert blind_half.sources == ("Credentials", "CloudTrail")
    nothing = judged(replace(QUIET, looks=(), services=None, credentials_read_at=None)).coverage
    assert nothing.sources == ()


def test_coverage_reaches_as_far_back_as_the_region_read_least() -> None:
    uneven = (RegionLook("eu-west-1", ago(90), NOW), RegionLook("us-east-1", ago(30), NOW))
    assert judged(replace(QUIET, happenings=(call(ago(1)),), looks=uneven)).coverage.days == 30


# ── Longer histories ─────────────────────────────────────────────────────────────────────────────

EDGE = (NOW - timedelta(days=90)).date()
START = (NOW - HALF_A_YEAR).date()
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("hole", "value"),
    [
        (START - DAY, NEVER_USED),
        (START, UNKNOWN),
        (EDGE - DAY, UNKNOWN),
        (EDGE, NEVER_USED),
        (NOW.date() - 10 * DAY, NEVER_USED),
    ],
)
def test_a_hole_counts_from_the_windows_first_day_to_event_historys(
    hole: date, value: VerdictValue
) -> None:
    found = verdict(replace(QUIET, archive=archive(gaps=(hole,))), HALF_A_YEAR, NOW)
    assert found.value is value


def test_holes_are_counted() -> None:
    holes = (EDGE - DAY, EDGE - 2 * DAY)
    found = verdict(replace(QUIET, archive=archive(gaps=holes)), HALF_A_YEAR, NOW)
    assert found.coverage.missing[0] == (
        "CloudTrail logs in S3, eu-west-1: 2 days could not be read whole."
    )


def test_a_window_of_event_history_alone_is_told_nothing_about_more() -> None:
    assert len(judged(QUIET).coverage.blind) == 1


def test_an_archive_is_told_also_where_the_window_does_not_need_it() -> None:
    told = " ".join(judged(replace(QUIET, archive=archive())).coverage.blind)
    assert "read back to 01 Feb 2024" in told


def test_an_archive_of_one_region_is_one() -> None:
    assert "read back to 01 Feb 2024" in blind(replace(QUIET, archive=archive()[:1]))


@pytest.mark.parametrize(
    ("look", "joined"),
    [
        (archive(read_from=None), False),
        (archive(read_to=None), False),
        (archive(read_to=EDGE - DAY), False),
        (archive(read_to=EDGE), True),
    ],
)
def test_an_archive_prolongs_only_what_it_touches(
    look: tuple[ArchiveLook, ...], joined: bool
) -> None:
    told = blind(replace(QUIET, archive=look))
    assert ("read back to" in told) is joined
    assert ("nothing beyond event history" in told) is not joined


def test_the_regions_that_an_archive_lacks_are_named_and_no_others() -> None:
    first, second = archive()
    told = blind(replace(QUIET, archive=(first, replace(second, read_from=None, read_to=None))))
    assert "nothing beyond event history in us-east-1." in told
    assert "read back to 01 Feb 2024" in told


def test_an_archive_is_read_back_as_far_as_its_latest_region() -> None:
    first, second = archive()
    told = blind(replace(QUIET, archive=(first, replace(second, read_from=date(2024, 6, 1)))))
    assert "read back to 01 Jun 2024" in told


ALONE = "before that, last-used dates speak alone."


def test_an_archive_that_refused_is_told_in_its_own_words_and_once() -> None:
    first, second = archive()
    broken = replace(second, read_from=None, read_to=None, error="AccessDenied: no")
    told = verdict(replace(QUIET, archive=(first, broken)), HALF_A_YEAR, NOW).coverage.blind
    assert [text for text in told if text.startswith("CloudTrail logs in S3")] == [
        f"CloudTrail logs in S3: read back to 01 Feb 2024; {ALONE}",
        "CloudTrail logs in S3, us-east-1: AccessDenied: no",
    ]


# ── Too young ────────────────────────────────────────────────────────────────────────────────────


def test_a_user_is_old_enough_at_the_very_instant() -> None:
    assert judged(replace(QUIET, created_at=ago(90))).blockers == ()
    assert judged(replace(QUIET, created_at=ago(90) + SECOND)).blockers != ()


@pytest.mark.parametrize(
    "credential",
    [
        key(made=7, active=False),
        key(created_at=None),
        key(made=90),
        key(ago(7), made=7),
        key(ago(3), made=7),
    ],
)
def test_a_credential_that_is_off_old_of_unknown_age_or_used_is_not_too_young(
    credential: CredentialFact,
) -> None:
    assert judged(replace(QUIET, credentials=(credential,))).blockers == ()


# ── Confidence ───────────────────────────────────────────────────────────────────────────────────

YESTERDAY = replace(QUIET, happenings=(call(ago(1)),))


@pytest.mark.parametrize(
    ("facts", "confidence", "why"),
    [
        (YESTERDAY, "high", ""),
        (replace(YESTERDAY, missing=("x",)), "medium", "Not every source could be read."),
        (
            replace(QUIET, happenings=(call(ago(182)), call(ago(91)))),
            "medium",
            "It runs so seldom that few runs speak for it.",
        ),
        (
            replace(QUIET, services=(ServiceUse("codecommit", ago(10)),)),
            "medium",
            "Only service last accessed shows use; it tells neither key nor address.",
        ),
        (
            replace(QUIET, restored_at=ago(40)),
            "medium",
            "Only that somebody restored it speaks for use.",
        ),
        (
            replace(QUIET, happenings=(replace(call(ago(2)), service="sts",
                                               action="GetCallerIdentity"),)),
            "medium",
            "Its only call is GetCallerIdentity.",
        ),
        (
            replace(QUIET, regions_left_out=("sa-east-1",)),
            "medium",
            "Some enabled Regions are left out.",
        ),
        (
            replace(QUIET, services=None),
            "medium",
            "Service last accessed was not asked: 90 days speak alone.",
        ),
        (
            replace(QUIET, credentials=(replace(key(), active=False, traced=False),)),
            "high",
            "",
        ),
    ],
)  # fmt: skip
def test_the_confidence_says_what_keeps_it_there(
    facts: Evidence, confidence: str, why: str
) -> None:
    found = judged(facts)
    assert (found.confidence, found.confidence_reason) == (confidence, why)


def why_unknown(*read: RegionLook, dormant_after: timedelta = DORMANT_AFTER) -> str:
    found = verdict(replace(QUIET, looks=read), dormant_after, NOW)
    assert found.value is UNKNOWN
    return found.confidence_reason


def test_the_widest_gap_is_the_one_that_is_told() -> None:
    whole, short = RegionLook("eu-west-1", ago(90), NOW), RegionLook("us-east-1", ago(30), NOW)
    assert why_unknown(whole, short) == "CloudTrail covers only 30 of 90 days."
    assert why_unknown(replace(whole, read_to=ago(5)), short) == (
        "CloudTrail covers only 30 of 90 days."
    )
    assert why_unknown(whole) == "CloudTrail covers only 1 of 2 Regions."
    assert why_unknown(whole, replace(short, error="no")) == (
        "CloudTrail covers only 1 of 2 Regions."
    )
    assert why_unknown(whole, replace(short, read_to=None)) == (
        "CloudTrail covers only 30 of 90 days."
    )


def test_a_region_that_is_not_the_accounts_any_more_tells_no_span() -> None:
    read = tuple(RegionLook(one, ago(30), ago(5)) for one in QUIET.regions)
    gone = RegionLook("ap-south-1", None, NOW, "OptInRequired")
    assert why_unknown(*read, gone) == "CloudTrail covers only 25 of 90 days."


def test_one_credential_without_a_trace_among_others_lowers_the_confidence() -> None:
    git = CredentialFact("ssh-key", "APKA1", True, ago(400), traced=False)
    found = judged(replace(QUIET, credentials=(key(), git)))
    assert (found.value, found.confidence) == (NEVER_USED, "medium")


def test_history_that_was_read_whole_but_long_ago_is_not_called_short() -> None:
    old = tuple(RegionLook(one, ago(92), ago(2)) for one in QUIET.regions)
    assert why_unknown(*old) == "CloudTrail in eu-west-1: not looked at since 04 Mar 14:22."


# ── As it is shown ───────────────────────────────────────────────────────────────────────────────


def test_what_a_verdict_looks_like() -> None:
    assert [(str(one), one.label, one.colour, one.icon) for one in VerdictValue] == [
        ("active", "In use", "ink", "activity"),
        ("dormant", "Dormant", "ink", "zzz"),
        ("never-used", "Never used", "ink", "circle-off"),
        ("unknown", "Cannot tell", "attention", "help-circle"),
    ]


def test_what_is_known_of_coverage_and_verdict_is_nothing_until_it_is_said() -> None:
    bare = Coverage(True, (), ())
    assert (bare.regions_read, bare.regions, bare.days, bare.sources) == (0, 0, 0, ())
    told = Verdict(NEVER_USED, (), "low", bare, (), None, "", "", None)
    assert (told.confidence_reason, told.rhythm_proven) == ("", False)


def test_a_young_key_blocks_silence_and_says_nothing_of_a_user_in_use() -> None:
    young = key(made=7, id="AKIA2")
    used = judged(replace(QUIET, credentials=(key(ago(1)), young)))
    assert used.value is ACTIVE
    assert used.blockers != ()
    assert not [reason for reason in used.reasons if reason.blocks]


def test_a_user_that_was_never_used_has_no_last_activity_and_no_rhythm() -> None:
    found = judged(QUIET)
    assert (found.last_activity_at, found.last_activity_source) == (None, "")
    assert (found.rhythm, found.rhythm_proven, found.next_expected_at) == ("", False, None)
