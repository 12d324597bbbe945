"""What listening makes of attempts: hits, knocks, neither; and what each way of closing does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.events import Event
from demo.aws.state import User
from inventory import clock
from inventory.aws import holdings
from inventory.aws.failure import AwsFailure
from inventory.models import Activity, Alert, TrailCoverage
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes, tripwire
from migrations_app.changes import hits
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Hit, Notice
from tests import cast
from tests.migrations_app.stage import BOUNDARY, Killed, Stage, everything, one_key, ten_policies

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
    assert sum(hit.tally["minute"].values()) == hit.count


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


def test_the_deny_of_somebody_else_is_missed_as_well(stage: Stage) -> None:
    """It stood in for our fence, so without it the user has access again."""

    def denied(stage: Stage, user: User) -> None:
        one_key(stage, user)
        user.attached.append(DENY)

    departure = stage.user(give=denied)
    stage.fenced(departure)
    departure.refresh_from_db()
    assert (departure.state, departure.fence) == (State.DISABLED, "")
    stage.administrator("DetachUserPolicy", UserName="ci-pay-old", PolicyArn=DENY)
    assert [hit.source for hit in hear(stage, departure)] == ["fence"]


def test_the_fence_that_a_deletion_took_off_before_it_stopped_is_no_hit(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.fault("access-denied", "DeleteUser", count=None)
    stage.ran("delete", [departure])
    departure.refresh_from_db()
    assert departure.partly_deleted
    assert hear(stage, departure) == []


@pytest.mark.parametrize(("refused", "found"), [("UpdateSSHPublicKey", 0), ("DetachUserPolicy", 1)])
def test_what_a_failed_restore_gave_back_is_no_hit(
    stage: Stage, *, refused: str, found: int
) -> None:
    departure = stage.user(give=everything)
    stage.shut(departure)
    stage.skip(minutes=6)
    stage.fault("access-denied", refused, count=None)
    assert stage.restored(departure).status == "failed"
    stage.simulator.faults.clear()
    if found:
        # Nothing was given back, so what somebody does is still theirs.
        stage.administrator("DetachUserPolicy", UserName="ci-pay-old", PolicyArn=DENY)
    assert len(hear(stage, departure)) == found


def test_the_fence_of_a_deletion_that_stopped_earlier_is_missed(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.fault("access-denied", "DetachUserPolicy", count=None)
    stage.ran("delete", [departure])
    stage.simulator.faults.clear()
    departure.refresh_from_db()
    assert departure.partly_deleted
    stage.administrator("DetachUserPolicy", UserName="ci-pay-old", PolicyArn=DENY)
    assert [hit.source for hit in hear(stage, departure)] == ["fence"]


def test_a_fence_whose_boundary_was_replaced_is_a_hit(stage: Stage) -> None:
    departure = stage.user(give=ten_policies)
    stage.fenced(departure)
    departure.refresh_from_db()
    assert departure.fence == "boundary"
    stage.administrator(
        "PutUserPermissionsBoundary",
        UserName=departure.user.user_name,
        PermissionsBoundary=BOUNDARY,
    )
    (hit,) = hear(stage, departure)
    assert hit.what == "the fence was replaced in AWS by the boundary developer-boundary"


def test_a_key_made_active_during_the_watch_is_a_hit(stage: Stage, watched: Departure) -> None:
    keys = stage.in_aws(watched).keys.values()
    asleep = next(key.id for key in keys if key.status == "Inactive")
    stage.administrator(
        "UpdateAccessKey", UserName="full.house", AccessKeyId=asleep, Status="Active"
    )
    (hit,) = hear(stage, watched)
    assert hit.what == f"a credential is Active again: {asleep}"


def test_what_ended_and_happens_again_is_told_again(stage: Stage, watched: Departure) -> None:
    """While it stands it is told once."""
    fence = {"UserName": "full.house", "PolicyArn": DENY}
    stage.administrator("DetachUserPolicy", **fence)
    (hit,) = hear(stage, watched)
    changes.dismiss(hit, stage.people.jonas, "By mistake")
    assert len(hear(stage, watched)) == 1
    stage.administrator("AttachUserPolicy", **fence)
    assert len(hear(stage, watched)) == 1
    stage.administrator("DetachUserPolicy", **fence)
    assert [one.closed for one in hear(stage, watched)] == ["dismissed", ""]


@pytest.mark.parametrize("event", ["GetCallerIdentity", "GetSessionToken"])
def test_calls_that_no_fence_denies_are_hits_too(
    stage: Stage, watched: Departure, event: str
) -> None:
    stage.act("call", watched, service="sts", event=event)
    (hit,) = hear(stage, watched)
    assert (hit.kind, hit.what.partition(",")[0]) == (Hit.Kind.HIT, f"sts:{event}")


def test_a_policy_or_group_given_behind_the_fence_is_no_attempt(
    stage: Stage, watched: Departure
) -> None:
    """It gives nothing while the fence stands; what a sync saw change shows it."""
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    stage.administrator("AttachUserPolicy", UserName="full.house", PolicyArn=arn)
    assert hear(stage, watched) == []


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


# ── Who calls ────────────────────────────────────────────────────────────────────────────────────


def callers(hit: Hit) -> dict[str, int]:
    """By source address, how often."""
    return {row.details.get("where", ""): row.count for row in hit.callers.all()}


def test_each_caller_is_told_with_its_own_times_and_the_user_is_closed_once(
    stage: Stage, watched: Departure
) -> None:
    for ip in ("203.0.113.1", "203.0.113.2", "203.0.113.1"):
        stage.act("call", watched, ip=ip)
        stage.skip(minutes=5)
    (hit,) = hear(stage, watched)
    assert hit.count == 3
    assert callers(hit) == {"203.0.113.1": 2, "203.0.113.2": 1}
    often = hit.callers.get(count=2)
    assert often.last_at - often.first_at >= timedelta(minutes=10)
    changes.dismiss(hit, stage.people.jonas, "Two probes")
    assert not watched.hits.filter(closed="").exists()


def test_a_new_caller_of_an_open_hit_is_told_too(stage: Stage, watched: Departure) -> None:
    stage.act("call", watched, ip="203.0.113.1")
    (hit,) = hear(stage, watched)
    stage.act("call", watched, ip="203.0.113.2")
    hear(stage, watched)
    titles = Notice.objects.filter(kind="hit", team=stage.people.payments).values_list("title")
    assert sorted(title for (title,) in titles) == [
        "full.house was called",
        "full.house was called in another way",
    ]
    assert callers(hit) == {"203.0.113.1": 1, "203.0.113.2": 1}


def test_an_earlier_attempt_of_another_caller_that_shows_later_is_no_less_a_hit(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who was heard first is dismissed; the other one is somebody else."""
    late = timedelta(minutes=40)
    slow = property(lambda event: event.at + (late if event.region == "eu-west-1" else timedelta()))
    monkeypatch.setattr(Event, "visible_at", slow)
    stage.act("call", watched, ip="203.0.113.2", region="eu-west-1")
    stage.skip(minutes=2)
    stage.act("call", watched, ip="203.0.113.1", region="us-east-1")
    (hit,) = hear(stage, watched)
    assert callers(hit) == {"203.0.113.1": 1}
    changes.dismiss(hit, stage.people.jonas, "A probe of ours")
    _, other = hear(stage, watched)
    assert (other.closed, callers(other)) == ("", {"203.0.113.2": 1})


def test_an_attempt_of_another_caller_that_a_sync_read_first_is_told(
    stage: Stage, watched: Departure
) -> None:
    """Both are kept as activity; the later one was told and dismissed."""
    now = clock.now()
    for ip, at in (("203.0.113.2", now), ("203.0.113.1", now + timedelta(minutes=1))):
        Activity.objects.create(
            user=watched.user,
            day=at.date(),
            region="us-east-1",
            service="s3",
            action="ListBuckets",
            access_key_id="AKIAX",
            source_address=ip,
            user_agent="boto3",
            outcome="denied",
            count=1,
            first_at=at,
            last_at=at,
        )
    (hit,) = hear(stage, watched)
    assert callers(hit) == {"203.0.113.1": 1, "203.0.113.2": 1}
    changes.dismiss(hit, stage.people.jonas, "Probes")
    assert len(hear(stage, watched)) == 1


def test_a_knock_that_a_sync_read_first_is_told_and_stays_a_knock(
    stage: Stage, watched: Departure
) -> None:
    at = clock.now()
    Activity.objects.create(
        user=watched.user,
        day=at.date(),
        region="us-east-1",
        service="signin",
        action="ConsoleLogin",
        source_address="203.0.113.9",
        outcome="failed-sign-in",
        count=1,
        first_at=at,
        last_at=at,
    )
    (knock,) = hear(stage, watched)
    assert knock.kind == Hit.Kind.KNOCK
    hits.tell_of_knocks()
    hits.tell_of_knocks()
    told = Notice.objects.filter(kind="knocks")
    assert {(one.team, one.role) for one in told} == {
        (stage.people.payments, ""),
        (None, "engineer"),
    }
    assert "full.house: 1" in told[0].text


def test_the_event_of_a_use_takes_the_place_of_its_last_used_date(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = timedelta(minutes=25)
    monkeypatch.setattr(Event, "visible_at", property(lambda event: event.at + late))
    stage.act("call", watched, ip="203.0.113.1")
    (hit,) = hear(stage, watched)
    assert hit.source == "last-used"
    (hit,) = hear(stage, watched)
    assert (hit.count, callers(hit)) == (1, {"203.0.113.1": 1})
    assert hit.details["where"] == "203.0.113.1"
    assert Notice.objects.filter(kind="hit", team=stage.people.payments).count() == 1


def test_sessions_of_one_machine_are_one_caller(stage: Stage, watched: Departure) -> None:
    def attempt(key: str, minutes: int) -> hits.Attempt:
        at = clock.now() + timedelta(minutes=minutes)
        seen = {"where": "203.0.113.1", "with": "boto3", "key": key}
        return hits.Attempt(Hit.Kind.HIT, "trail", "s3:ListBuckets", at, seen)

    hits.record(watched, [attempt("ASIA1", 1), attempt("ASIA2", 2), attempt("AKIA1", 3)])
    assert sorted(row.count for row in watched.hits.get().callers.all()) == [1, 2]


def test_callers_without_number_do_not_fill_the_page(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "MOST_CALLERS", 3)
    for number in range(6):
        seen = {"where": f"203.0.113.{number}"}
        at = clock.now() + timedelta(minutes=number)
        hits.record(watched, [hits.Attempt(Hit.Kind.HIT, "trail", "s3:ListBuckets", at, seen)])
    hit = watched.hits.get()
    assert (hit.count, hit.callers.count()) == (6, 3)


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


def test_a_fault_of_ours_with_one_user_silences_no_other_and_is_told_in_the_end(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = stage.user("ci-broken")
    stage.skip(days=2)
    stage.fenced(broken)
    stage.skip(minutes=6)
    really = holdings.read_user

    def read_user(session: Any, name: str) -> Any:
        if name == "ci-broken":
            raise ZeroDivisionError("a shape nobody knew")
        return really(session, name)

    monkeypatch.setattr(tripwire, "read_user", read_user)
    stage.act("data", watched)
    assert len(hear(stage, watched)) == 1
    account = stage.people.account
    assert "ci-broken: a shape nobody knew" in account.listening_error
    assert not Alert.objects.filter(kind="listening").exists()
    for _ in range(2):
        hear(stage, watched)
    assert "ci-broken" in Alert.objects.get(kind="listening", closed_at=None).text
    monkeypatch.setattr(tripwire, "read_user", really)
    hear(stage, watched)
    assert not Alert.objects.filter(kind="listening", closed_at=None).exists()
    assert (account.listening_failures, account.listening_error) == (0, "")


def test_an_account_that_cannot_be_opened_keeps_why_and_its_coverage(
    stage: Stage, watched: Departure
) -> None:
    before = set(TrailCoverage.objects.values_list("user", "region", "read_to"))
    stage.fault("access-denied", "AssumeRole", count=None)
    with pytest.raises(AwsFailure):
        stage.listen()
    assert "AccessDenied" in stage.people.account.listening_error
    assert set(TrailCoverage.objects.values_list("user", "region", "read_to")) == before


def test_a_round_goes_on_in_slices_until_everybody_was_heard_once(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [stage.user(f"other.{n}", State.DISABLED) for n in range(3)]
    for row in others:
        Departure.objects.filter(pk=row.pk).update(
            owner=stage.people.payments, fence="", fenced_at=watched.fenced_at
        )
    stage.skip(minutes=20)
    monkeypatch.setattr(tripwire, "SLICE", -1.0)
    began = clock.now()
    assert tripwire.listen(stage.people.account, began) == 4
    monkeypatch.setattr(tripwire, "SLICE", 50.0)
    stage.simulator.calls.clear()
    assert tripwire.listen(stage.people.account, began) == 0
    # Their events were read in the slice before.
    assert "LookupEvents" not in {note["operation"] for note in stage.simulator.calls}


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
