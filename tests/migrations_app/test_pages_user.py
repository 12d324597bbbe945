"""The page of one IAM user: what it shows to whom, and the verbs that it offers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory import clock, ledger
from inventory.models import Organization, Person
from inventory.policy import policy_for
from inventory.reads import reads_of
from inventory.rights.privilege import held, privilege
from inventory.templatetags.times import day_text
from migrations_app import changes, dates
from migrations_app.lifecycle import State
from migrations_app.models import Call, Departure
from migrations_app.outgoing import notices
from migrations_app.replacement.planning import quiet
from migrations_app.user_page import profile
from tests import cast
from tests.migrations_app.browsing import address, at_most, browser, text_of

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"
NOTHING_AHEAD = dates.Ahead(None, None, None, timedelta(0))


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def page(person: Person, row: Departure) -> str:
    return text_of(browser(person).get(address(row.user)))


def posted(person: Person, row: Departure, act: str, **sent: Any) -> int:
    answer = browser(person).post(address(row.user, f"{act}/"), {"version": row.version, **sent})
    row.refresh_from_db()
    return int(answer.status_code)


def test_the_page_shows_the_reasons_with_source_and_time(everybody: cast.Cast) -> None:
    reason = {"text": "No call in 4 Regions.", "source": "CloudTrail", "at": "2026-03-05T14:02:00Z"}
    row = cast.departure(cast.iam_user("a", verdict_reasons=[reason]), State.OWNER_ASSIGNED)

    text = page(everybody.vera, row)

    assert "No call in 4 Regions." in text
    assert "5 Mar 14:02" in text
    assert "Dormant. Safe to disable now." in text


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        ({"verdict": "never-used"}, "Never used. Safe to disable now."),
        ({"verdict": "unknown"}, "Cannot tell."),
        ({"verdict": "active", "rhythm": "quarterly"}, "Rare. Plan a replacement first."),
        ({"verdict": "active", "rhythm": "daily"}, "In use, daily. Plan a replacement first."),
    ],
)
def test_the_verdict_is_a_sentence(
    everybody: cast.Cast, columns: dict[str, Any], title: str
) -> None:
    row = cast.departure(cast.iam_user("a", **columns), State.OWNER_ASSIGNED)

    assert profile.judged(row.user, row, reads_of(row.user.account_id), clock.now()).title == title


def test_a_replaced_user_is_told_from_which_day_it_may_go(everybody: cast.Cast) -> None:
    everybody.account.policy = {"disable_window": "always"}
    everybody.account.save()
    seven_days_ago = clock.now() - timedelta(days=7)
    user = cast.iam_user("a", verdict="active", last_activity_at=seven_days_ago)
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)
    cast.plan(row, status="confirmed", confirmed_by=everybody.sara, confirmed_at=clock.now())
    of = policy_for(Organization.get(), user.account).quiet

    text = page(everybody.jonas, row)

    day = day_text((seven_days_ago + of).date(), clock.now())
    assert f"Replaced and going quiet. Safe to disable from {day}." in text
    assert f"silent for 7 of {of.days} days" in text


def test_a_replaced_user_is_told_the_day_of_its_steps_where_notice_or_window_come_later(
    everybody: cast.Cast,
) -> None:
    seven_days_ago = clock.now() - timedelta(days=7)
    user = cast.iam_user("a", verdict="active", last_activity_at=seven_days_ago)
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)
    cast.plan(row, status="confirmed", confirmed_by=everybody.sara, confirmed_at=clock.now())
    rest = quiet(seven_days_ago, user.created_at, timedelta(days=14), clock.now())
    assert rest.over_at is not None
    later = rest.over_at + timedelta(days=2)

    told = profile.judged(
        row.user, row, reads_of(user.account_id), clock.now(), 0, rest, disable_at=later
    )

    assert told.title.endswith(f"Safe to disable from {day_text(later.date(), clock.now())}.")
    over = day_text(rest.over_at.date(), clock.now())
    assert f"That is over on {over}; notice and window come on top." in told.why


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State.DISCOVERED, "Last call s3:ListBuckets, 12 days ago."),
        (State.DELETED, "Last call s3:ListBuckets."),
    ],
)
def test_how_long_ago_is_told_as_of_now_and_on_a_closed_record_by_its_time_alone(
    everybody: cast.Cast, state: State, text: str
) -> None:
    at = clock.now() - timedelta(days=12)
    kept = {"text": "Last call s3:ListBuckets, 10 days ago.", "at": at.isoformat()}
    owner = None if state == State.DISCOVERED else everybody.payments
    row = cast.departure(cast.iam_user("a", verdict_reasons=[kept]), state, owner)

    told = profile.judged(row.user, row, reads_of(row.user.account_id), clock.now()).reasons

    assert [reason.text for reason in told] == [text]


@pytest.mark.parametrize(
    "said",
    [
        {"disputed_until": clock.now().date() + timedelta(days=3)},
        {"answer": "needed"},
        {"handed": True},
        {"unread": True},
    ],
    ids=["disputed", "still needed", "being handed over", "not read whole"],
)
def test_what_people_said_or_nobody_read_keeps_it_from_being_called_safe(
    everybody: cast.Cast, said: dict[str, Any]
) -> None:
    handed = {"handed_to": everybody.platform} if said.pop("handed", False) else {}
    user = cast.iam_user("a", coverage_whole=not said.pop("unread", False))
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments, **said, **handed)

    text = page(everybody.jonas, row)

    assert "Dormant." in text
    assert "Safe to disable" not in text


def test_a_protected_user_is_never_said_to_be_disablable(everybody: cast.Cast) -> None:
    row = cast.departure("sealed", State.OWNER_ASSIGNED, protection="break-glass")

    text = page(everybody.jonas, row)

    assert "Safe to disable" not in text
    assert "Cannot be claimed, disabled or deleted here." in text
    assert "/batches/new/?users=" not in text


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        (State.DISABLED, {}),
        (State.SOAKING, {}),
        (State.OWNER_ASSIGNED, {"protection": "break-glass"}),
    ],
    ids=["disabled", "soaking", "protected"],
)
def test_a_plan_is_advised_only_where_access_is_still_to_go(
    everybody: cast.Cast, state: State, columns: dict[str, Any]
) -> None:
    row = cast.departure(cast.iam_user("a", verdict="active"), state, **columns)

    text = page(everybody.jonas, row)

    assert ">In use.<" in text
    assert "Plan a replacement first" not in text


def test_a_deleted_user_is_told_by_its_last_verdict(everybody: cast.Cast) -> None:
    then = clock.now() - timedelta(days=40)
    user = cast.iam_user("a", verdict="active", rhythm="weekly", judged_at=then)
    row = cast.departure(user, State.DELETED, deleted_at=clock.now(), clock_started_at=then)

    text = page(everybody.jonas, row)

    day = day_text(then, clock.now())
    assert "Last verdict: in use, weekly." in text
    assert f"As judged on {day}; what follows is as of then." in text
    assert "as last read before it was deleted" in text
    assert "read live" not in text
    shut_at = {step.state: step.at for step in profile.steps(row, NOTHING_AHEAD)}["soaking"]
    assert shut_at == then


def test_what_is_sensitive_is_shown_to_the_owner_and_to_security_only(
    everybody: cast.Cast,
) -> None:
    user = cast.iam_user("a", inline_policies={"inline": {"Action": "dynamodb:Scan"}})
    cast.activity(user, clock.now().date(), source_address="203.0.113.4")
    cast.access_key(user, "AKIAIOSFODNN7EXAMPLE")
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)

    secrets = ("dynamodb:Scan", "203.0.113.4", "AKIAIOSFODNN7EXAMPLE")
    for insider in (everybody.sara, everybody.jonas, everybody.ada):
        assert all(secret in page(insider, row) for secret in secrets)
    for outsider in (everybody.priya, everybody.vera):
        assert not any(secret in page(outsider, row) for secret in secrets)


def test_hostile_text_from_aws_stays_text(everybody: cast.Cast) -> None:
    user = cast.iam_user(
        "a",
        groups=[EVIL],
        attached_policies=[EVIL],
        inline_policies={EVIL: {"Sid": EVIL}},
        verdict_reasons=[{"text": EVIL, "source": EVIL, "at": EVIL}],
        suggestion_reasons=[EVIL],
        references=[{"name": EVIL, "text": EVIL, "blocks": True}],
    )
    cast.activity(user, clock.now().date(), source_address="203.0.113.4", user_agent=EVIL)

    assert EVIL not in page(everybody.jonas, cast.departure(user))


@pytest.mark.parametrize("state", list(State))
def test_the_page_is_there_in_every_state(everybody: cast.Cast, state: State) -> None:
    row = cast.departure("a", state)

    for person in (everybody.jonas, everybody.sara, everybody.vera):
        assert browser(person).get(address(row.user)).status_code == 200


def test_restore_is_offered_to_who_may_and_only_while_off(everybody: cast.Cast) -> None:
    off = cast.departure("off", State.DISABLED, everybody.payments)
    on = cast.departure("on", State.OWNER_ASSIGNED, everybody.payments)

    assert address(off.user, "restore/") in page(everybody.sara, off)
    assert address(off.user, "restore/") not in page(everybody.priya, off)
    assert address(on.user, "restore/") not in page(everybody.sara, on)


def test_a_partly_deleted_user_is_not_offered_a_restore(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.SOAKING, irreversible_at=clock.now())

    text = page(everybody.jonas, row)

    assert address(row.user, "restore/") not in text
    assert address(row.user, "finish-deleting/") in text
    assert "Partly deleted." in text


def test_an_open_hit_is_said_before_the_verdict(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.DISABLED)
    cast.hit(row, "ec2:DescribeInstances was denied")

    text = page(everybody.vera, row)

    assert text.index("It was called:") < text.index('aria-label="Verdict"')
    assert "Held while the hit is open" in text


def test_the_steps_that_are_over_say_in_which_batch(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.DELETED, fenced_at=clock.now() - timedelta(days=21))
    for number, move in ((6, "disable"), (7, "delete")):
        batch = cast.batch(everybody.account, everybody.jonas, move, number=number)
        cast.change(row, move, status="done", batch=batch, finished_at=clock.now())

    text = text_of(browser(everybody.vera).get(address(row.user)))

    assert ", batch #6</span>" in text
    assert ", batch #7</span>" in text
    banner = re.sub(r"<[^>]+>", "", text)
    at = row.deleted_at
    assert at is not None
    told = f"Deleted on {at:%a} {at.day} {at:%b, %H:%M} UTC in batch #7. Kept for the record."
    assert told in banner


def test_the_steps_to_come_bear_the_earliest_dates(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED)
    now = clock.now()
    policy = policy_for(Organization.get(), everybody.account)
    ahead = dates.ahead_of(row, policy, "UTC", now)

    assert ahead.disable_at is not None
    assert ahead.shut_at is not None
    assert ahead.delete_at is not None
    assert now < ahead.disable_at
    assert ahead.shut_at - ahead.disable_at >= policy.watch
    assert ahead.delete_at - ahead.shut_at >= policy.soak


@pytest.mark.parametrize(
    ("verdict", "columns", "dated"),
    [
        ("dormant", {}, True),
        ("dormant", {"answer": "needed"}, False),
        ("active", {}, False),
        ("unknown", {}, False),
        ("active", {"overruled_at": clock.now()}, True),
        ("dormant", {"protection": "exempt"}, False),
    ],
)
def test_dates_are_told_only_of_users_that_may_go(
    everybody: cast.Cast, verdict: str, columns: dict[str, Any], dated: bool
) -> None:
    row = cast.departure(cast.iam_user("a", verdict=verdict), State.OWNER_ASSIGNED, **columns)
    policy = policy_for(Organization.get(), everybody.account)
    ahead = dates.ahead_of(row, policy, "UTC", clock.now())

    assert bool(profile.coming(row, ahead, "Security")) is dated
    assert bool(profile.steps(row, ahead)[2].at) is dated


def test_key_ids_in_reasons_are_cut(everybody: cast.Cast) -> None:
    reason = {"text": "Access key AKIAIOSFODNN7EXAMPLE was used.", "source": "IAM", "at": None}
    row = cast.departure(cast.iam_user("a", verdict_reasons=[reason]))

    assert "Access key AKIA…MPLE was used." in page(everybody.vera, row)


def test_a_soaking_user_keeps_the_length_that_was_approved(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.SOAKING, soak=timedelta(days=90))
    policy = policy_for(Organization.get(), everybody.account)

    ahead = dates.ahead_of(row, policy, "UTC", clock.now())

    assert ahead.delete_at is not None
    assert ahead.delete_at - clock.now() > timedelta(days=88)


def test_the_stepper_tells_what_happened_in_utc(everybody: cast.Cast) -> None:
    everybody.account.time_zone = "Europe/Berlin"
    everybody.account.save()
    seen = datetime(2026, 2, 3, 23, 58, tzinfo=UTC)
    row = cast.departure(cast.iam_user("late", first_seen_at=seen))
    text = text_of(browser(everybody.vera).get(address(row.user)))
    assert f">{day_text(seen.date(), clock.now())}</time>, by a sync" in text


def test_the_history_names_who_did_what(everybody: cast.Cast) -> None:
    row = cast.departure("a")
    changes.assign(row, everybody.payments, everybody.jonas)

    told, entries = profile.history(row.user)

    assert entries == 1
    assert (told[0].who, told[0].text) == ("Jonas Weber", "made Payments its owner")
    assert "made Payments its owner" in page(everybody.vera, row)


def test_the_history_names_who_approved_what_a_batch_did(everybody: cast.Cast) -> None:
    row = cast.departure("fenced", State.DISABLED, everybody.payments)
    ledger.append("move.disable", actor=everybody.mei, user=row.user, batch=3)

    (line,), _ = profile.history(row.user)

    assert line.who == "IAM Cleanup"
    assert line.text == f"disabled it (batch #3, approved by {everybody.mei})"


def test_the_history_says_days_and_not_how_they_are_kept(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments)
    until = clock.now().date() + timedelta(days=10)
    changes.dispute(row, everybody.sara, "Year end", until)

    told, _ = profile.history(row.user)

    assert told[0].text == f"disputed it until {day_text(until, clock.now())}"


def test_an_id_that_is_none_is_not_found_in_words(everybody: cast.Cast) -> None:
    for wrong in ("AIDANOPE", "..", "--help", "a" * 300):
        answer = browser(everybody.vera).get(f"/users/{cast.ACCOUNT_ID}/{wrong}/")
        assert answer.status_code == 404
    text = text_of(browser(everybody.vera).get(f"/users/{cast.ACCOUNT_ID}/AIDANOPE/"))
    assert "No such user in production." in text


def test_the_same_name_in_two_lives_has_two_pages(everybody: cast.Cast) -> None:
    old = cast.departure("a", State.DELETED)
    new = cast.departure("a")

    assert "Kept for the record" in page(everybody.vera, old)
    assert "Kept for the record" not in page(everybody.vera, new)


@pytest.mark.parametrize("who", ["jonas", "sara", "vera"])
@pytest.mark.parametrize("state", [State.OWNER_ASSIGNED, State.DISABLED])
def test_the_page_asks_twelve_questions_at_most_also_for_a_busy_user(
    everybody: cast.Cast, state: State, who: str
) -> None:
    user = cast.iam_user("a", verdict="active")
    row = cast.departure(user, state, everybody.payments)
    reader = browser(getattr(everybody, who))
    with at_most(12):
        reader.get(address(user))

    for days in range(60):
        cast.activity(user, clock.now().date() - timedelta(days=days), count=3)
    for _ in range(5):
        cast.access_key(user)
    for number in range(30):
        notice = cast.notice(everybody.payments, at=clock.now() - timedelta(hours=number))
        notice.departures.add(row)
        cast.delivery(notice)
        notices.open_notice(notice, everybody.sara)
        ledger.append("clock.extended", actor=everybody.jonas, user=user)
    cast.plan(row, confirmed_by=everybody.sara, confirmed_at=clock.now())
    restored = cast.change(row, "restore", status="done", finished_at=clock.now())
    Call.objects.create(
        change=restored, seq=1, kind="write", operation="DetachUserPolicy", sent_at=clock.now()
    )

    with at_most(12):
        reader.get(address(user))


def test_the_evidence_is_there_as_numbers(everybody: cast.Cast) -> None:
    user = cast.iam_user("a")
    cast.activity(user, clock.now().date(), count=7)
    cast.departure(user)

    answer = browser(everybody.vera).get(address(user, "evidence.json"))

    (point,) = answer.json()["evidence"]
    assert (point["source"], point["count"]) == ("CloudTrail", 7)


def test_a_lead_disputes_an_own_user(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments)
    until = clock.now().date() + timedelta(days=5)

    status = posted(everybody.sara, row, "dispute", reason="PCI audit", until=until.isoformat())

    assert (status, row.disputed_until) == (302, until)
    assert posted(everybody.sara, row, "end-dispute") == 302
    assert row.disputed_until is None


def test_an_engineer_assigns_hands_over_and_overrules(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("a", verdict="unknown"))

    assert posted(everybody.jonas, row, "assign", team="payments") == 302
    assert row.owner == everybody.payments
    assert posted(everybody.jonas, row, "hand-over", team="platform") == 302
    assert row.handed_to == everybody.platform
    assert posted(everybody.jonas, row, "overrule", reason="Owner is sure.") == 302
    assert row.overruled_note == "Owner is sure."


@pytest.mark.parametrize(("state", "asks"), [(State.OWNER_ASSIGNED, True), (State.SOAKING, False)])
def test_the_menu_asks_its_team_and_hands_out_the_evidence(
    everybody: cast.Cast, state: State, asks: bool
) -> None:
    row = cast.departure("a", state, everybody.payments)
    text = text_of(browser(everybody.jonas).get(address(row.user)))
    assert (f'href="/claims/ask/?only={row.pk}"' in text) is asks
    assert 'evidence.json" download><svg' in text
    assert "Export evidence" in text


def test_a_user_is_protected_by_security_and_unprotected_by_an_admin(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED)

    assert posted(everybody.jonas, row, "protect", reason="Vendor audit") == 302
    assert row.protection == "exempt"
    assert posted(everybody.jonas, row, "unprotect", reason="Done") == 403
    assert row.protection == "exempt"


def test_a_lead_confirms_the_plan_of_an_own_user(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments, answer="needed")
    plan = cast.plan(row)

    assert posted(everybody.sara, row, "confirm-plan", reason="Run 5521 is green") == 302

    plan.refresh_from_db()
    assert plan.status == "confirmed"


@pytest.mark.parametrize("act", ["dispute", "overrule", "protect"])
def test_what_needs_a_reason_does_nothing_without_one(everybody: cast.Cast, act: str) -> None:
    row = cast.departure(cast.iam_user("a", verdict="unknown"), State.OWNER_ASSIGNED)
    version = row.version

    assert posted(everybody.jonas, row, act) == 422
    assert row.version == version


def test_a_stale_form_saves_nothing(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments)
    seen = row.version
    changes.assign(row, everybody.platform, everybody.jonas)

    answer = browser(everybody.jonas).post(address(row.user, "release/"), {"version": seen})

    row.refresh_from_db()
    assert answer.status_code == 409
    assert row.owner == everybody.platform


ACTS = (
    "assign",
    "release",
    "hand-over",
    "dispute",
    "end-dispute",
    "confirm-claim",
    "decline-claim",
    "protect",
    "unprotect",
    "overrule",
    "confirm-plan",
)


@pytest.mark.parametrize("act", ACTS)
def test_looking_at_an_action_changes_nothing(everybody: cast.Cast, act: str) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED)

    assert browser(everybody.jonas).get(address(row.user, f"{act}/")).status_code == 405


@pytest.mark.parametrize("act", ACTS)
def test_neither_a_viewer_nor_another_team_may_act(everybody: cast.Cast, act: str) -> None:
    row = cast.departure(
        "a", State.OWNER_ASSIGNED, everybody.payments, claim_pending_team=everybody.payments
    )
    cast.plan(row)
    sent = {"team": "platform", "reason": "x", "until": "2030-01-01"}

    assert posted(everybody.vera, row, act, **sent) == 403
    assert posted(everybody.priya, row, act, **sent) == 403
    assert row.version == 0


def _facts(*actions: str, group: str = "") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = held("deploy", "inline", {"Statement": statement}, group=group)
    found = privilege([policy], None, "arn:aws:iam::123456789012:user/a")
    return {"privilege": found.level, "privilege_facts": found.facts | {"at": "2026-03-06T14:22Z"}}


def test_the_permissions_name_the_path_and_what_was_used(everybody: cast.Cast) -> None:
    facts = _facts("iam:PutUserPolicy", "s3:*", "sqs:*", group="ci")
    used = {
        "services": [{"service": "s3", "at": "2026-03-01T08:00:00Z"}],
        "services_at": "2026-03-06T14:22:00Z",
        "services_from": "2025-01-30T14:22:00Z",
    }
    row = cast.departure(cast.iam_user("a", coverage=used, **facts))
    path = "iam:PutUserPolicy, through inline policy deploy in group ci"

    assert path in page(everybody.jonas, row)
    text = page(everybody.vera, row)
    # How to become an administrator is read out of policy documents, which are not for everybody.
    assert path not in text
    assert "Can become admin" in text
    assert "used 1 of 3 granted services" in text
    assert "Granted and not used in that time: iam, sqs." in text


def test_without_access_advisor_no_service_is_called_unused(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("a", **_facts("s3:*", "sqs:*")))

    text = page(everybody.vera, row)

    assert "Access Advisor was not looked at yet" in text
    assert "not used in that time" not in text


def test_policies_that_were_never_read_are_not_called_none(everybody: cast.Cast) -> None:
    gap = {"gaps": {"policies": "Policies and groups: AccessDenied: no"}}
    row = cast.departure(cast.iam_user("a", privilege="", coverage=gap))

    text = page(everybody.vera, row)

    assert "Not looked at: no sync could read its policies yet." in text
    assert "Policies and groups: AccessDenied: no" in text


def test_a_boundary_and_a_condition_are_said_not_to_be_weighed(everybody: cast.Cast) -> None:
    facts = _facts("s3:*")
    facts["privilege_facts"] |= {"conditions": True, "denies": True}
    boundary = "arn:aws:iam::123456789012:policy/only-s3"
    row = cast.departure(cast.iam_user("a", boundary_arn=boundary, **facts))

    text = page(everybody.vera, row)

    assert "Denies, conditions and the permissions boundary only-s3 may narrow this" in text


def test_hostile_names_of_policies_are_only_text(everybody: cast.Cast) -> None:
    facts = _facts("iam:PutUserPolicy", "<script>:x", group=EVIL)
    row = cast.departure(cast.iam_user("a", **facts))

    answer = browser(everybody.jonas).get(address(row.user))

    assert EVIL not in answer.content.decode()


def test_ids_of_no_kind_of_credential_stand_whole_in_reasons_and_history(
    everybody: cast.Cast,
) -> None:
    ids = {
        "Access key": "AKIAIOSFODNN7EXAMPLE",
        "SSH public key": "APKAEIBAERJR7EXAMPLE",
        "Service-specific credential": "ACCAEXAMPLE123EXAMPLE",
        "Signing certificate": "TA7SMP42TDN5Z26OBPJE7EXAMPLE",
    }
    reasons = [{"text": f"{kind} {one} was never used."} for kind, one in ids.items()]
    user = cast.iam_user("a", verdict_reasons=reasons)
    row = cast.departure(user)

    text = page(everybody.vera, row)

    for kind, one in ids.items():
        assert one not in text
        assert f"{kind} {one[:4]}…{one[-4:]} was never used." in text
    assert user.user_id in text
