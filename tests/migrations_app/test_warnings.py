"""What an approver should look at first, and how far a user was listened to: row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from inventory import clock, ledger, refresh
from inventory.aws.holdings import UserHoldings
from inventory.models import IamUser, Organization, TrailCoverage
from migrations_app import aws
from migrations_app.changes import evidence
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Departure
from tests import cast

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def plain(**fields: Any) -> UserHoldings:
    """A user that nothing is to be said about."""
    quiet: dict[str, Any] = {
        "has_login_profile": False,
        "mfa": (),
        "attached_policies": ("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    } | fields
    return replace(cast.everything_held("ci-pay-old"), **quiet)


def told(
    of: Departure, holdings: UserHoldings | None = None, move: MoveName = MoveName.DISABLE,
    loses: str = "",
) -> dict[str, str]:  # fmt: skip
    call = aws.PlannedCall("password", "DeleteLoginProfile", {}, "it", loses=loses)
    row = Departure.objects.select_related("user__account", "owner").get(pk=of.pk)
    found = evidence.warnings(row, holdings or plain(), [(call, "now")], move)
    return {one["code"]: one["text"] for one in found}


def test_of_a_plain_user_nothing_is_said(theirs: Departure) -> None:
    assert told(theirs) == {}


@pytest.mark.parametrize(
    ("columns", "warning"),
    [
        ({"privilege": "admin"}, {"admin": "Admin"}),
        ({"privilege": "can-become-admin"}, {"admin": "Can become admin"}),
        ({"privilege": ""}, {"rights": "Its policies were not looked at"}),
        (
            {"privilege_facts": {"unread": ["arn:x"]}},
            {"rights": "Not every policy of it could be read: it may do more"},
        ),
        ({"rhythm": "quarterly"}, {"rare": "Rare: runs quarterly"}),
        ({"rhythm": "yearly"}, {"rare": "Rare: runs yearly"}),
        ({"rhythm": "monthly"}, {}),
        (
            {"rhythm": "yearly", "coverage": {"rhythm_proven": False}},
            {"rare": "Perhaps rare: yearly"},
        ),
    ],
)
def test_what_the_evidence_says_of_it_is_told(
    theirs: Departure, *, columns: dict[str, Any], warning: dict[str, str]
) -> None:
    IamUser.objects.filter(pk=theirs.user_id).update(**columns)
    assert told(theirs) == warning


def test_what_it_holds_is_told(theirs: Departure) -> None:
    virtual, fido, hardware = cast.everything_held().mfa
    assert told(theirs, plain(has_login_profile=True)) == {"no-mfa": "No MFA"}
    assert told(theirs, plain(has_login_profile=True, mfa=(virtual,))) == {}
    for device in (fido, hardware):
        assert told(theirs, plain(mfa=(device,))) == {}
        assert list(told(theirs, plain(mfa=(device,), access_keys=()))) == ["break-glass"]
    assert told(theirs, plain(mfa=(virtual,), access_keys=())) == {}
    assert list(told(theirs, loses="The password")) == ["password"]


def test_failed_sign_ins_are_counted_and_hits_are_not(theirs: Departure) -> None:
    cast.hit(theirs)
    assert told(theirs) == {}
    cast.hit(theirs, kind="knock")
    cast.hit(theirs, kind="knock", closed="dismissed")
    cast.hit(cast.departure("other", State.DISABLED), kind="knock")
    assert told(theirs) == {"knocks": "2 failed sign-ins from outside"}


def test_what_nobody_claimed_is_the_custodians_without_an_answer(
    everybody: cast.Cast, theirs: Departure
) -> None:
    Departure.objects.update(owner=everybody.security)
    assert told(theirs) == {"unclaimed": "Nobody claimed it"}
    Departure.objects.update(answer="can-go")
    assert told(theirs) == {}


def test_an_overruled_verdict_comes_with_who_and_why(
    everybody: cast.Cast, theirs: Departure
) -> None:
    Departure.objects.update(
        overruled_at=clock.now(),
        overruled_by=everybody.jonas,
        overruled_verdict="dormant",
        overruled_note="it moved",
    )
    assert told(theirs) == {"overruled": f"{everybody.jonas} overruled the verdict: it moved"}


def test_a_quarantine_stays_on_in_a_disable_and_is_taken_off_by_a_delete(
    theirs: Departure,
) -> None:
    held = plain(attached_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess", QUARANTINE))
    name = "AWSCompromisedKeyQuarantineV2"
    assert told(theirs, held)["quarantined"] == f"AWS put {name} on it; it stays attached"
    deletes = told(theirs, held, MoveName.DELETE)
    assert deletes["quarantined"] == f"AWS put {name} on it; this detaches it"
    assert evidence.quarantines(held.attached_policies) == [name]


def test_who_still_names_it_is_told_and_what_blocks_is_not_a_warning(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: list[str] = []
    monkeypatch.setattr(refresh, "looked_for", lambda user: SimpleNamespace(missing=missing))
    IamUser.objects.filter(pk=theirs.user_id).update(
        references=[
            {"name": "key billing", "region": "eu-west-1", "text": "may use it", "blocks": False},
            {"name": "role ops", "text": "trusts it"},
            {"name": "cluster", "text": "its only administrator", "blocks": True},
        ]
    )
    user = IamUser.objects.get(pk=theirs.user_id)
    named = [
        ("reference", "key billing in eu-west-1: may use it"),
        ("reference", "role ops: trusts it"),
    ]
    assert list(evidence.reference_warnings(user, MoveName.DELETE)) == named
    missing += ["buckets", "queues"]
    assert list(evidence.reference_warnings(user, MoveName.DISABLE)) == named
    unread = ("reference-unread", "Not looked at who names it: buckets, queues")
    assert list(evidence.reference_warnings(user, MoveName.DELETE)) == [*named, unread]


def test_a_changed_category_says_by_whom_and_what_it_shortens(
    everybody: cast.Cast, theirs: Departure
) -> None:
    IamUser.objects.filter(pk=theirs.user_id).update(category_override="ci-cd")
    assert told(theirs) == {}
    IamUser.objects.filter(pk=theirs.user_id).update(
        category="third-party", category_note="we moved it"
    )
    text = told(theirs)["category"]
    assert "by people" in text
    assert text.endswith(": we moved it")
    other = cast.departure("other", State.OWNER_ASSIGNED)
    ledger.append("category.changed", actor=everybody.mei, user=other.user)
    ledger.append("else", actor=everybody.mei, user=theirs.user)
    ledger.append("category.changed", actor=everybody.mei, user=theirs.user)
    ledger.append("category.changed", actor=everybody.jonas, user=theirs.user)
    assert f"by {everybody.jonas}" in told(theirs)["category"]
    IamUser.objects.filter(pk=theirs.user_id).update(category="")
    assert "Category changed from not judged to " in told(theirs)["category"]


def test_every_time_that_a_changed_category_shortens_is_told(theirs: Departure) -> None:
    lengths = {"watch": "5d", "soak": "9d", "quiet": "4d", "dormant_after": "60d"}
    Organization.objects.update(policy={"by_category": {"ci-cd": lengths}})
    changed = {"category": "third-party", "category_override": "ci-cd", "category_note": "x"}
    IamUser.objects.filter(pk=theirs.user_id).update(**changed)
    assert told(theirs)["category"].endswith(
        " (watch 5 days instead of 7 days, soak 9 days instead of 14 days, quiet time 4 days"
        " instead of 14 days, dormant after 60 days instead of 90 days): x"
    )
    Organization.objects.update(policy={"by_category": {"ci-cd": {"soak": "20d"}}})
    assert "instead of" not in told(theirs)["category"]


def test_both_kinds_of_names_elsewhere_are_to_be_ticked() -> None:
    assert {"reference", "reference-unread"} == evidence.NAMED


# ── How far it was read ──────────────────────────────────────────────────────────────────────────


def listened(of: Departure) -> tuple[Any, bool]:
    return evidence.listened(
        Departure.objects.select_related("user__account", "owner").get(pk=of.pk)
    )


def test_a_watched_user_was_listened_to_as_far_as_both_sources_tell(everybody: cast.Cast) -> None:
    off = cast.departure("off", State.DISABLED, everybody.payments)
    today = clock.now()
    assert listened(off) == (None, False)
    Departure.objects.update(last_used_read_at=today)
    assert listened(off) == (None, False)
    Departure.objects.update(last_used_read_at=None)
    for region in ("us-east-1", "eu-west-1"):
        TrailCoverage.objects.create(
            user=off.user, region=region, read_from=today - 9 * DAY, read_to=today - HOUR,
            looked_at=today,
        )  # fmt: skip
    assert listened(off) == (None, False)
    Departure.objects.update(last_used_read_at=today)
    assert listened(off) == (today - HOUR, True)
    Departure.objects.update(last_used_read_at=today - 2 * HOUR)
    assert listened(off) == (today - 2 * HOUR, True)
    Departure.objects.update(fenced_at=today - 9 * DAY)
    assert listened(off) == (today - 2 * HOUR, True)
    Departure.objects.update(fenced_at=today - 10 * DAY)
    assert listened(off) == (today - 2 * HOUR, False)
    Departure.objects.update(state=State.OWNER_ASSIGNED, fenced_at=None)
    assert listened(off) == (None, False)


def test_what_is_judged_and_not_hashed_keeps_its_times(theirs: Departure) -> None:
    at = clock.now()
    empty = evidence.judged(theirs, False, None)
    assert (empty["last_activity_at"], empty["looked_at"], empty["whole"]) == ("", "", False)
    theirs.user.last_activity_at = at
    assert evidence.judged(theirs, True, at) == {
        "verdict": "dormant",
        "confidence": "high",
        "last_activity_at": at.isoformat(),
        "looked_at": at.isoformat(),
        "whole": True,
    }
