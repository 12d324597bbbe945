"""What listening makes of attempts: hits, knocks, neither; and what each way of closing does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.events import Event
from inventory import clock
from inventory.models import Activity, TrailCoverage
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes, tripwire
from migrations_app.changes import hits
from migrations_app.models import Departure, Hit, Notice
from tests import cast
from tests.migrations_app.stage import Killed, Stage, everything

pytestmark = pytest.mark.django_db
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"


@pytest.fixture
def watched(stage: Stage) -> Departure:
    """Fenced six minutes ago."""
    departure = stage.user("full.house", give=everything)
    stage.fenced(departure)
    stage.skip(minutes=6)
    departure.refresh_from_db()
    return departure


def hear(stage: Stage, departure: Departure) -> list[Hit]:
    """Once CloudTrail shows what happened, a round of listening."""
    stage.skip(minutes=20)
    stage.listen()
    departure.refresh_from_db()
    return list(departure.hits.order_by("pk"))


# ── What is a hit, what is a knock, what is neither ──────────────────────────────────────────────


def test_a_denied_call_is_a_hit_that_says_who_where_and_with_what(
    stage: Stage, watched: Departure
) -> None:
    stage.act("call", watched, region="eu-west-1", ip="203.0.113.77", agent="terraform/1.9")
    (hit,) = hear(stage, watched)
    assert (hit.kind, hit.source) == (Hit.Kind.HIT, "trail")
    assert hit.what.startswith("ec2:DescribeInstances")
    assert hit.details["region"] == "eu-west-1"
    assert hit.details["where"] == "203.0.113.77"
    assert "terraform" in hit.details["with"]
    assert hit.details["error"]
    assert hit.details["key"].startswith("AKIA")


def test_a_sign_in_is_a_hit(stage: Stage, watched: Departure) -> None:
    stage.act("sign-in", watched)
    found = hear(stage, watched)
    assert [hit.kind for hit in found] == [Hit.Kind.HIT]


def test_data_plane_use_is_a_hit_by_its_last_used_date(stage: Stage, watched: Departure) -> None:
    stage.act("data", watched)
    (hit,) = hear(stage, watched)
    assert (hit.kind, hit.source) == (Hit.Kind.HIT, "last-used")
    assert "s3" in hit.what


def test_a_failed_sign_in_is_a_knock_and_holds_nothing(stage: Stage, watched: Departure) -> None:
    stage.act("failed-sign-in", watched)
    (hit,) = hear(stage, watched)
    assert hit.kind == Hit.Kind.KNOCK
    stage.skip(days=8)
    stage.listen()
    watched.refresh_from_db()
    assert changes.shut_waits_for(watched) == []


def test_a_new_credential_is_a_hit(stage: Stage, watched: Departure) -> None:
    made = stage.administrator(
        "CreateServiceSpecificCredential",
        UserName="full.house",
        ServiceName="codecommit.amazonaws.com",
    )
    found = made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
    (hit,) = hear(stage, watched)
    assert (hit.source, hit.what) == ("credential", f"a credential was made: {found}")


def test_a_detached_fence_is_a_hit(stage: Stage, watched: Departure) -> None:
    stage.administrator("DetachUserPolicy", UserName="full.house", PolicyArn=DENY)
    (hit,) = hear(stage, watched)
    assert hit.source == "fence"


def test_a_key_made_active_again_is_a_hit_in_the_soak(stage: Stage) -> None:
    departure = stage.user()
    stage.shut(departure)
    key = next(iter(stage.in_aws(departure).keys))
    stage.administrator(
        "UpdateAccessKey", UserName=departure.user.user_name, AccessKeyId=key, Status="Active"
    )
    (hit,) = hear(stage, departure)
    assert hit.what == f"a credential is Active again: {key}"


def test_a_new_console_password_is_a_hit_in_the_soak(stage: Stage) -> None:
    departure = stage.user()
    stage.shut(departure)
    stage.administrator(
        "CreateLoginProfile", UserName=departure.user.user_name, Password="not-a-real-1"
    )
    (hit,) = hear(stage, departure)
    assert "console password" in hit.what


def test_our_own_calls_are_neither(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    stage.skip(hours=3)
    assert hear(stage, departure) == []


@pytest.mark.parametrize("kind", ["call", "data", "failed-sign-in"])
def test_within_five_minutes_of_the_fence_it_is_neither(stage: Stage, kind: str) -> None:
    departure = stage.user("full.house", give=everything)
    stage.fenced(departure)
    stage.skip(minutes=4)
    stage.act(kind, departure)
    assert hear(stage, departure) == []


def test_a_role_session_with_the_same_name_is_somebody_else(
    stage: Stage, watched: Departure
) -> None:
    from demo.aws.acts import act

    act(stage.simulator, {"act": "session", "role": "ci-runner", "session": "full.house"})
    assert hear(stage, watched) == []


def test_further_attempts_count_on_the_open_hit(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    first = hear(stage, watched)[0]
    stage.act("call", watched, region="eu-west-1")
    (hit,) = hear(stage, watched)
    assert hit.pk == first.pk
    assert hit.count == 2
    assert hit.last_at > first.last_at
    assert hit.first_at == first.first_at


def test_the_same_attempt_heard_twice_counts_once(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    hear(stage, watched)
    (hit,) = hear(stage, watched)
    assert hit.count == 1


def test_owner_and_security_are_told_at_once(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    told = Notice.objects.filter(kind="hit", key__startswith=f"hit:{hit.pk}")
    assert {(notice.team, notice.role) for notice in told} == {
        (stage.people.payments, ""),
        (None, "engineer"),
    }


# ── Nothing that was seen is lost ────────────────────────────────────────────────────────────────


def test_a_listener_that_dies_after_reading_loses_no_hit(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.act("call", watched)
    stage.skip(minutes=20)
    with monkeypatch.context() as patch:

        def die(*_: Any) -> None:
            raise Killed

        patch.setattr(hits, "record", die)
        with pytest.raises(Killed):
            stage.listen()
    assert Activity.objects.filter(user=watched.user).exists()
    (hit,) = hear(stage, watched)
    assert hit.source == "trail"
    assert "DescribeInstances" in hit.what


def test_a_dismissed_attempt_is_not_found_again_by_later_rounds(
    stage: Stage, watched: Departure
) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    changes.dismiss(hit, stage.people.jonas, "A monitoring probe")
    assert [one.closed for one in hear(stage, watched)] == ["dismissed"]


# ── What a hit holds, and how it closes ──────────────────────────────────────────────────────────


def test_an_open_hit_holds_the_shut_whatever_the_clock_says(
    stage: Stage, watched: Departure
) -> None:
    stage.act("call", watched)
    hear(stage, watched)
    stage.skip(days=8)
    stage.listen()
    assert stage.shut_by_itself() == []
    watched.refresh_from_db()
    assert changes.shut_waits_for(watched) == ["full.house was called."]


def test_dismissed_leaves_the_clock_as_it_was(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    before = watched.clock_started_at
    changes.dismiss(hit, stage.people.jonas, "A monitoring probe")
    watched.refresh_from_db()
    assert watched.clock_started_at == before
    stage.skip(days=8)
    stage.listen()
    assert len(stage.shut_by_itself()) == 1


def test_a_further_attempt_opens_a_dismissed_hit_again(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    changes.dismiss(hit, stage.people.jonas, "A monitoring probe")
    stage.act("call", watched)
    assert [one.closed for one in hear(stage, watched)] == ["dismissed", ""]


def test_only_an_engineer_dismisses_and_says_why(stage: Stage, watched: Departure) -> None:
    hit = cast.hit(watched)
    with pytest.raises(NotAllowed):
        changes.dismiss(hit, stage.people.sara, "It is nothing")
    with pytest.raises(Refused, match="Say why"):
        changes.dismiss(hit, stage.people.jonas, "  ")


def test_caller_fixed_starts_the_clock_again_at_the_click(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    stage.skip(days=3)
    at = clock.now()
    changes.caller_fixed(hit, stage.people.sara, "The pipeline has the new role")
    watched.refresh_from_db()
    assert watched.clock_started_at is not None
    assert at <= watched.clock_started_at <= clock.now()
    stage.skip(days=6)
    stage.listen()
    assert stage.shut_by_itself() == []


def test_the_clock_starts_at_the_last_attempt_where_that_is_later(
    stage: Stage, watched: Departure
) -> None:
    later = clock.now() + timedelta(hours=2)
    hit = cast.hit(watched, last_at=later)
    changes.caller_fixed(hit, stage.people.sara)
    watched.refresh_from_db()
    assert watched.clock_started_at == later


def test_a_restore_closes_the_hit(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched)
    (hit,) = hear(stage, watched)
    stage.restored(watched)
    hit.refresh_from_db()
    assert hit.closed == Hit.Closed.RESTORED


def test_a_hit_is_closed_once(stage: Stage, watched: Departure) -> None:
    hit = cast.hit(watched)
    changes.dismiss(hit, stage.people.jonas, "A monitoring probe")
    with pytest.raises(Stale):
        changes.dismiss(hit, stage.people.mei, "Me too")


# ── Extensions, rhythms, gaps ────────────────────────────────────────────────────────────────────


def test_an_extension_holds_until_the_end_of_its_day(stage: Stage, watched: Departure) -> None:
    until = (clock.now() + timedelta(days=12)).date()
    extended = changes.extend(watched, stage.people.sara, until, "The quarter closes")
    assert extended.due_at is not None
    assert extended.due_at.date() == until
    stage.skip(days=10)
    stage.listen()
    assert stage.shut_by_itself() == []


@pytest.mark.parametrize(("days", "allowed"), [(-1, False), (89, True), (92, False)])
def test_an_extension_ends_ninety_days_after_the_fence(
    stage: Stage, watched: Departure, days: int, allowed: bool
) -> None:
    until = (clock.now() + timedelta(days=days)).date()
    if allowed:
        assert changes.extend(watched, stage.people.sara, until, "A slow vendor").not_before
    else:
        with pytest.raises(Refused, match="Choose a date"):
            changes.extend(watched, stage.people.sara, until, "A slow vendor")


def test_an_extension_never_shortens(stage: Stage, watched: Departure) -> None:
    far, near = (clock.now() + timedelta(days=days) for days in (20, 10))
    changes.extend(watched, stage.people.sara, far.date(), "The quarter closes")
    watched.refresh_from_db()
    changes.extend(watched, stage.people.sara, near.date(), "Sooner after all")
    watched.refresh_from_db()
    assert watched.not_before is not None
    assert watched.not_before.date() == far.date()


def test_another_teams_lead_does_not_extend(stage: Stage, watched: Departure) -> None:
    until = (clock.now() + timedelta(days=5)).date()
    with pytest.raises(NotAllowed):
        changes.extend(watched, stage.people.priya, until, "Please")


def test_a_rare_rhythm_holds_until_three_days_after_the_next_run(stage: Stage) -> None:
    departure = stage.user()
    expected = clock.now() + timedelta(days=40)
    stage.shut(departure)
    departure.refresh_from_db()
    departure.user.rhythm, departure.user.next_expected_at = "quarterly", expected
    departure.user.save()
    from migrations_app.changes.forward import _not_before

    assert _not_before(departure, clock.now()) == {
        "not_before": expected + timedelta(days=3),
        "not_before_reason": "its next expected run",
    }


def test_a_run_that_is_overdue_still_has_its_three_days(stage: Stage) -> None:
    departure = stage.user()
    expected = clock.now() - timedelta(days=1)
    departure.user.rhythm, departure.user.next_expected_at = "monthly", expected
    from migrations_app.changes.forward import _not_before

    assert _not_before(departure, clock.now())["not_before"] == expected + timedelta(days=3)


def test_a_rare_rhythm_never_shortens_an_extension(stage: Stage) -> None:
    departure, now = stage.user(), clock.now()
    departure.user.rhythm = "monthly"
    departure.user.next_expected_at = now + timedelta(days=5)
    departure.not_before, departure.not_before_reason = now + timedelta(days=60), "Year-end"
    from migrations_app.changes.forward import _not_before

    kept = {"not_before": departure.not_before, "not_before_reason": "Year-end"}
    assert _not_before(departure, now) == kept


def test_one_run_at_the_years_edge_is_no_known_rhythm(stage: Stage) -> None:
    departure, now = stage.user(), clock.now()
    departure.user.rhythm = "yearly"
    departure.user.next_expected_at = now + timedelta(days=200)
    departure.user.coverage |= {"rhythm_proven": False}
    from migrations_app.changes.forward import _not_before

    assert _not_before(departure, now)["not_before"] is None


@pytest.mark.parametrize("broken", ["region", "never"])
def test_a_gap_in_listening_holds_the_shut(stage: Stage, watched: Departure, broken: str) -> None:
    stage.skip(days=8)
    if broken == "region":
        stage.fault("access-denied", "LookupEvents", region="eu-west-1", count=None)
    else:
        TrailCoverage.objects.filter(user=watched.user, region="eu-west-1").delete()
        stage.fault("throttling", "LookupEvents", region="eu-west-1", count=None)
    stage.listen()
    assert stage.shut_by_itself() == []
    watched.refresh_from_db()
    assert any("not read whole" in why for why in changes.shut_waits_for(watched))
    stage.simulator.faults.clear()
    stage.listen()
    assert len(stage.shut_by_itself()) == 1


def test_last_used_dates_read_before_the_watch_ended_do_not_count(
    stage: Stage, watched: Departure
) -> None:
    stage.skip(days=8)
    stage.fault("access-denied", "GetAccessKeyLastUsed", count=None)
    stage.listen()
    assert stage.shut_by_itself() == []


def test_whoever_is_due_is_listened_to_first(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    others = [cast.departure(f"other.{n}", "disabled", stage.people.payments) for n in range(3)]
    Departure.objects.filter(pk=others[2].pk).update(
        clock_started_at=clock.now() - timedelta(days=30)
    )

    def look(departure: Departure, _: object) -> None:
        heard.append(departure.pk)

    monkeypatch.setattr(tripwire, "look", look)
    stage.listen()
    assert heard[0] == others[2].pk
    assert len(heard) == 4


def test_a_user_that_cannot_be_read_silences_no_other(stage: Stage, watched: Departure) -> None:
    broken = stage.user("ci-broken")
    stage.skip(days=2)
    stage.fenced(broken)
    stage.skip(minutes=6)
    Departure.objects.filter(pk=broken.pk).update(last_used_read_at=None)
    Departure.objects.filter(pk=watched.pk).update(last_used_read_at=clock.now())
    assert [row.pk for row in tripwire.in_order(stage.people.account)] == [broken.pk, watched.pk]
    stage.fault("access-denied", "ListAccessKeys", match={"UserName": "ci-broken"}, count=None)
    stage.act("call", watched)
    assert [hit.source for hit in hear(stage, watched)] == ["trail"]
    broken.refresh_from_db()
    assert broken.last_used_read_at is None


def test_an_attempt_that_cloudtrail_delivers_late_is_a_hit(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The moved last-used date would tell it too.
    monkeypatch.setattr(tripwire, "_last_used", lambda *_: ())
    late = timedelta(minutes=25)
    monkeypatch.setattr(Event, "visible_at", property(lambda event: event.at + late))
    stage.act("call", watched)
    for _ in range(3):
        stage.skip(minutes=14)
        stage.listen()
    assert [hit.source for hit in watched.hits.all()] == ["trail"]
