"""Campaigns at the very moment: two at once, the last second, somebody who was first."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import LedgerEntry
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.changes import campaigns
from migrations_app.models import Ask, Campaign, Departure, Notice
from tests import cast

pytestmark = pytest.mark.django_db


def suggested(everybody: cast.Cast, name: str = "pay-1") -> Departure:
    return cast.departure(cast.iam_user(name, suggested_team=everybody.payments))


def asked(everybody: cast.Cast, deadline_at: datetime | None = None) -> Ask:
    """Payments, asked about one user."""
    suggested(everybody)
    (ask,) = changes.start_campaign(everybody.jonas, deadline_at=deadline_at).asked
    return ask


def stands_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def reminded() -> int:
    return Notice.objects.filter(kind="claim-reminder").count()


def test_two_who_ask_at_once_wait_for_each_other(everybody: cast.Cast) -> None:
    suggested(everybody)
    with CaptureQueriesContext(connection) as told:
        changes.start_campaign(everybody.jonas)
    locks = [n for n, one in enumerate(told) if f"lock({campaigns._NUMBER_LOCK})" in one["sql"]]
    reads = [n for n, one in enumerate(told) if 'FROM "migrations_app_departure"' in one["sql"]]
    assert locks
    assert locks[0] < reads[0]


def test_a_team_is_reminded_to_the_second(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(everybody)
    told_at = Notice.objects.get(kind="claim").at
    for days, reminders in ((3, 1), (7, 2)):
        due = told_at + timedelta(days=days)
        stands_at(monkeypatch, due - timedelta(microseconds=1))
        campaigns.remind()
        assert reminded() == reminders - 1
        stands_at(monkeypatch, due)
        campaigns.remind()
        assert reminded() == reminders


def test_nobody_is_reminded_once_the_deadline_is_there_and_then_it_is_overdue(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asked(everybody)
    stands_at(monkeypatch, ask.deadline_at)
    campaigns.remind()
    assert reminded() == 0
    campaigns.escalate()
    campaigns.escalate()
    assert Notice.objects.filter(kind="claim-overdue", role="engineer").count() == 1
    assert LedgerEntry.objects.filter(kind="campaign.overdue").count() == 1


def test_ninety_days_are_the_longest(everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    suggested(everybody)
    now = clock.now()
    stands_at(monkeypatch, now)
    longest = now + timedelta(days=90)
    with pytest.raises(Refused, match="within 90 days"):
        changes.start_campaign(everybody.jonas, deadline_at=longest + timedelta(microseconds=1))
    started = changes.start_campaign(everybody.jonas, deadline_at=longest)
    assert started.campaign
    assert started.campaign.deadline_at == longest


def test_a_closed_campaign_withdraws_what_was_asked_and_says_who_closed_it(
    everybody: cast.Cast,
) -> None:
    ask = asked(everybody)
    changes.close_campaign(ask.campaign, everybody.mei)
    ask.refresh_from_db()
    ask.campaign.refresh_from_db()
    assert ask.withdrawn_at is not None
    assert ask.withdrawn_at == ask.campaign.closed_at
    assert ask.campaign.closed_by == everybody.mei
    assert LedgerEntry.objects.get(kind="campaign.closed").data["campaign"] == 1


def test_whoever_closes_a_campaign_that_ends_at_that_moment_was_first(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asked(everybody)
    row = ask.departures.get()
    changes.claim(row, everybody.payments, everybody.sara, "needed")
    campaigns.note_answers()
    over, earlier = ask.deadline_at + timedelta(days=1), ask.deadline_at + timedelta(hours=1)
    times = 0

    def and_somebody_closes() -> datetime:
        nonlocal times
        times += 1
        # By then it was found to be over, and is about to be written.
        if times == 3:
            Campaign.objects.update(closed_at=earlier)
        return over

    monkeypatch.setattr(clock, "now", and_somebody_closes)
    campaigns.note_answers()
    assert times == 3
    assert Campaign.objects.get().closed_at == earlier


def test_a_campaign_ends_by_itself_after_its_deadline_and_not_before(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = asked(everybody)
    changes.claim(ask.departures.get(), everybody.payments, everybody.sara, "needed")
    stands_at(monkeypatch, ask.deadline_at)
    campaigns.note_answers()
    assert Campaign.objects.get().closed_at is None
    later = ask.deadline_at + timedelta(microseconds=1)
    stands_at(monkeypatch, later)
    campaigns.note_answers()
    assert Campaign.objects.get().closed_at == later


@pytest.mark.parametrize("late", [False, True])
def test_a_team_that_was_named_has_as_long_as_the_others_and_never_less_than_the_policys_time(
    everybody: cast.Cast, late: bool
) -> None:
    ask = asked(everybody, clock.now() + timedelta(days=30))
    if late:
        file = clock.clock_file()
        assert file is not None
        file.move(timedelta(days=29))
    changes.not_ours(ask.departures.get(), everybody.payments, everybody.sara, everybody.platform)
    campaigns.note_answers()
    campaigns.ask_who_was_named()
    named = Ask.objects.get(team=everybody.platform)
    assert (named.deadline_at > ask.deadline_at) is late
    assert named.deadline_at >= ask.deadline_at
