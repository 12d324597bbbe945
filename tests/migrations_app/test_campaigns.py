"""Campaigns: who is asked, reminded and escalated, and that nobody is told anything twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from inventory import clock
from inventory.models import LedgerEntry, Person, Role, Team
from inventory.policy import claim_due_at, policy_for
from inventory.refusals import NotAllowed, Refused
from migrations_app import campaigning, changes, reaching
from migrations_app.changes import campaigns
from migrations_app.claims import claiming
from migrations_app.lifecycle import State
from migrations_app.models import Ask, Campaign, Delivery, Departure, Notice
from migrations_app.outgoing import notices, notices_campaigns
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def suggested(team: Any, name: str, **columns: Any) -> Departure:
    return cast.departure(cast.iam_user(name, suggested_team=team, **columns))


def skip(**by: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


def sweep() -> None:
    """What the sweep does for campaigns, twice: the second run must tell nobody."""
    for _ in range(2):
        campaigns.note_answers()
        campaigns.ask_who_was_named()
        campaigns.remind()
        campaigns.tell_unreached()
        campaigns.escalate()


def told(kind: str) -> list[Notice]:
    return list(Notice.objects.filter(kind=kind).order_by("pk"))


def fresh(row: Departure) -> Departure:
    return Departure.objects.get(pk=row.pk)


def asked(everybody: cast.Cast, users: int = 3) -> tuple[Ask, list[Departure]]:
    """Payments, asked about its users."""
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(users)]
    (ask,) = changes.start_campaign(everybody.jonas).asked
    return ask, rows


class Killed(BaseException):
    """What a worker's end looks like from inside."""


def kill(*_: Any) -> None:
    raise Killed


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────


def test_each_team_gets_one_message_with_its_whole_list(everybody: cast.Cast) -> None:
    mine = {suggested(everybody.payments, f"pay-{number}") for number in range(120)}
    suggested(everybody.platform, "plat-1")

    started = changes.start_campaign(everybody.jonas, message="See the wiki first.")

    messages = {notice.team: notice for notice in told("claim")}
    assert set(messages) == {everybody.payments, everybody.platform}
    assert set(messages[everybody.payments].departures.all()) == mine
    assert messages[everybody.payments].title == "120 IAM users look like Payments’"
    assert "Jonas Weber writes: See the wiki first." in messages[everybody.payments].text
    assert {ask.team for ask in started.asked} == {everybody.payments, everybody.platform}


def test_the_message_says_what_happens_by_when_and_how_to_undo_it(everybody: cast.Cast) -> None:
    suggested(everybody.payments, "quiet", verdict="dormant")
    suggested(everybody.payments, "busy", verdict="active")

    started = changes.start_campaign(everybody.jonas)

    (notice,) = told("claim")
    assert started.campaign is not None
    day = f"{started.campaign.deadline_at:%a %-d %b}"
    assert "1 has not been used for 90 days." in notice.text
    assert "it takes about a minute" in notice.text
    assert f"If nobody answers by {day}, Security takes them over" in notice.text
    assert "you can undo that for 21 days" in notice.text


def test_the_deadline_is_the_policys_in_working_days_of_the_accounts_time_zone(
    everybody: cast.Cast,
) -> None:
    everybody.account.time_zone = "Pacific/Auckland"
    everybody.account.save()
    suggested(everybody.payments, "pay-1")

    campaign = changes.start_campaign(everybody.jonas).campaign

    assert campaign is not None
    policy = policy_for(cast.organization(everybody.security), everybody.account)
    due = claim_due_at(campaign.asked_at, policy, "Pacific/Auckland")
    assert campaign.deadline_at == due
    assert due.astimezone(ZoneInfo("Pacific/Auckland")).weekday() < 5


def test_a_deadline_may_be_later_than_the_policys_and_never_earlier(everybody: cast.Cast) -> None:
    suggested(everybody.payments, "pay-1")
    now = clock.now()

    for wrong in (now + timedelta(days=3), now + timedelta(days=91), now - timedelta(days=1)):
        with pytest.raises(Refused, match="Choose"):
            changes.start_campaign(everybody.jonas, deadline_at=wrong)
    later = now + timedelta(days=40)
    campaign = changes.start_campaign(everybody.jonas, deadline_at=later).campaign

    assert campaign is not None
    assert campaign.deadline_at == later
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("who", ["sara", "vera", "ada"])
def test_only_an_engineer_asks_and_closes(everybody: cast.Cast, who: str) -> None:
    ask, _ = asked(everybody)
    with pytest.raises(NotAllowed):
        changes.start_campaign(getattr(everybody, who))
    with pytest.raises(NotAllowed):
        changes.close_campaign(ask.campaign, getattr(everybody, who))


def test_what_somebody_has_claims_disputes_or_protects_is_not_asked_about(
    everybody: cast.Cast,
) -> None:
    team, sara = everybody.payments, everybody.sara
    cast.departure("owned", State.OWNER_ASSIGNED, team)
    cast.departure(cast.iam_user("sealed", suggested_team=team), protection="exempt")
    suggested(team, "gone", gone_at=clock.now())
    changes.claim(suggested(team, "pending", privilege="admin"), team, sara)
    changes.not_ours(suggested(team, "denied"), team, sara)
    until = clock.now().date() + timedelta(days=3)
    changes.dispute(suggested(team, "disputed"), sara, "In use", until)
    cast.departure("nobodys")

    assert campaigning.plan() == []
    with pytest.raises(Refused, match="nobody to ask"):
        changes.start_campaign(everybody.jonas)


def test_whoever_was_named_is_asked_instead(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)

    (plan,) = campaigning.plan()

    assert (plan.team, plan.departures) == (everybody.platform, (row,))


def test_a_selection_asks_about_nothing_else(everybody: cast.Cast) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(3)]

    (ask,) = changes.start_campaign(everybody.jonas, rows[:1]).asked

    assert list(ask.departures.all()) == rows[:1]


def test_a_team_nobody_can_tell_is_named_and_left_out(everybody: cast.Cast) -> None:
    deaf = cast.team("deaf")
    suggested(deaf, "deaf-1")
    with pytest.raises(Refused, match="Deaf has neither a lead nor a channel"):
        changes.start_campaign(everybody.jonas)
    suggested(everybody.payments, "pay-1")

    started = changes.start_campaign(everybody.jonas)

    assert started.untold == [deaf]
    assert not Notice.objects.filter(team=deaf).exists()


def test_a_channel_is_somebody_to_tell(everybody: cast.Cast) -> None:
    suggested(cast.team("wired", slack="#wired"), "w-1")
    assert changes.start_campaign(everybody.jonas).untold == []


def test_a_team_with_an_open_question_gets_what_is_new_and_is_told_once(
    everybody: cast.Cast,
) -> None:
    ask, rows = asked(everybody)
    skip(days=2)
    new = suggested(everybody.payments, "pay-new")

    started = changes.start_campaign(everybody.jonas)

    assert (started.campaign, started.asked, started.added) == (None, [], [ask])
    assert set(ask.departures.all()) == {*rows, new}
    first, more = told("claim")
    assert list(more.departures.all()) == [new]
    assert more.title == "1 IAM user more may be Payments’"
    ask.refresh_from_db()
    assert ask.deadline_at > ask.campaign.deadline_at
    with pytest.raises(Refused, match="nobody to ask"):
        changes.start_campaign(everybody.jonas)
    assert told("claim") == [first, more]


def test_the_database_holds_one_ask_per_campaign_and_team(everybody: cast.Cast) -> None:
    ask, _ = asked(everybody)
    now = clock.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        Ask.objects.create(
            campaign=ask.campaign, team=ask.team, asked_at=now, deadline_at=now + timedelta(1)
        )


def test_asking_is_ledgered(everybody: cast.Cast) -> None:
    asked(everybody)
    data = LedgerEntry.objects.get(kind="campaign.asked").data
    assert (data["campaign"], data["teams"], data["users"]) == (1, ["payments"], 3)


def test_a_policy_without_time_to_answer_asks_for_a_day(everybody: cast.Cast) -> None:
    organization = cast.organization(everybody.security)
    organization.policy = {**organization.policy, "claim_deadline": "0d"}
    organization.save()
    suggested(everybody.payments, "pay-0")
    with pytest.raises(Refused, match="claim_deadline: 0d"):
        changes.start_campaign(everybody.jonas)
    deadline = clock.now() + timedelta(days=5)
    assert changes.start_campaign(everybody.jonas, None, deadline).asked


# ── Reminding ────────────────────────────────────────────────────────────────────────────────────


def test_a_team_is_reminded_after_three_and_seven_days_once_each(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    counts = []
    for day in range(1, 10):
        skip(days=1)
        if day == 5:
            changes.not_ours(fresh(rows[0]), everybody.payments, everybody.sara)
        sweep()
        counts.append(len(told("claim-reminder")))

    assert counts == [0, 0, 1, 1, 1, 1, 2, 2, 2]
    first, second = told("claim-reminder")
    assert first.title == "Payments: 3 IAM users still to answer"
    assert second.text.startswith("2 of 3 IAM users wait for your answer")
    assert set(second.departures.all()) == set(rows[1:])


def test_after_a_long_outage_only_the_last_reminder_goes_out(everybody: cast.Cast) -> None:
    asked(everybody)
    skip(days=8)
    sweep()
    assert len(told("claim-reminder")) == 1


def test_what_is_added_later_is_reminded_of_like_what_was_asked_first(
    everybody: cast.Cast,
) -> None:
    _, (row,) = asked(everybody, 1)
    skip(days=8)
    sweep()
    changes.not_ours(row, everybody.payments, everybody.sara)
    added = suggested(everybody.payments, "pay-new")
    changes.start_campaign(everybody.jonas)
    counts = []
    for _ in range(8):
        skip(days=1)
        sweep()
        counts.append(len(told("claim-reminder")))
    assert counts == [1, 1, 2, 2, 2, 2, 3, 3]
    assert set(told("claim-reminder")[-1].departures.all()) == {added}


def test_each_team_is_reminded_though_another_is_due_at_the_same_moment(
    everybody: cast.Cast,
) -> None:
    suggested(everybody.payments, "pay-1")
    suggested(everybody.platform, "plat-1")
    changes.start_campaign(everybody.jonas)
    skip(days=3)
    for _ in range(2):
        campaigns.remind()
    reminded = [notice.team.key for notice in told("claim-reminder") if notice.team]
    assert sorted(reminded) == ["payments", "platform"]


def test_what_is_added_while_reminders_go_out_is_not_reminded_of_at_once(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (row,) = asked(everybody, 1)
    skip(days=4)
    added = suggested(everybody.payments, "pay-new")
    still_open = campaigning.still_open

    def and_somebody_adds(asks: list[Ask]) -> dict[int, list[int]]:
        left = still_open(asks)
        changes.start_campaign(everybody.jonas)
        return left

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(campaigning, "still_open", and_somebody_adds)
        campaigns.remind()
    assert told("claim-reminder") == []

    skip(days=3)
    campaigns.remind()
    (notice,) = told("claim-reminder")
    assert set(notice.departures.all()) == {row, added}


def test_nobody_is_reminded_of_what_is_answered(everybody: cast.Cast) -> None:
    _, rows = asked(everybody, 2)
    changes.claim(rows[0], everybody.payments, everybody.sara, "can-go")
    changes.not_ours(rows[1], everybody.payments, everybody.sara)
    skip(days=4)
    sweep()
    skip(days=30)
    sweep()
    assert told("claim-reminder") == told("claim-overdue") == []


def test_what_is_taken_back_is_open_again(everybody: cast.Cast) -> None:
    ask, (row,) = asked(everybody, 1)
    row = changes.not_ours(row, everybody.payments, everybody.sara)
    sweep()
    changes.undo_answer(row, everybody.sara)
    skip(days=4)

    sweep()

    ask.refresh_from_db()
    assert ask.answered_at is None
    assert len(told("claim-reminder")) == 1


def test_whoever_asked_hears_once_that_a_team_is_done(everybody: cast.Cast) -> None:
    ask, rows = asked(everybody, 2)
    sweep()
    assert told("claim-answered") == []
    for row in rows:
        changes.claim(row, everybody.payments, everybody.sara, "needed")
    sweep()

    (notice,) = told("claim-answered")
    ask.refresh_from_db()
    assert (notice.person, ask.answered_by) == (everybody.jonas, everybody.sara)
    assert notice.title == "Payments is done: 2 IAM users answered"


def test_a_team_of_whose_users_security_took_the_rest_is_not_said_to_be_done(
    everybody: cast.Cast,
) -> None:
    ask, rows = asked(everybody, 2)
    changes.claim(rows[0], everybody.payments, everybody.sara, "needed")
    skip(days=30)
    changes.adopt([fresh(rows[1])], everybody.jonas)

    campaigns.note_answers()

    ask.refresh_from_db()
    assert (ask.answered_by, told("claim-answered")) == (everybody.sara, [])


# ── Teams that others named ──────────────────────────────────────────────────────────────────────


def test_a_team_that_was_named_is_asked_once_about_all_of_it(everybody: cast.Cast) -> None:
    ask, rows = asked(everybody, 3)
    for row in rows[:2]:
        changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    sweep()
    assert len(told("claim")) == 1
    changes.claim(rows[2], everybody.payments, everybody.sara, "needed")

    sweep()

    named = Ask.objects.get(team=everybody.platform)
    assert (named.campaign, set(named.departures.all())) == (ask.campaign, set(rows[:2]))
    (notice,) = Notice.objects.filter(kind="claim", team=everybody.platform)
    assert set(notice.departures.all()) == set(rows[:2])
    assert named.deadline_at >= ask.deadline_at


def test_whoever_leaves_the_rest_open_has_the_named_asked_after_an_hour(
    everybody: cast.Cast,
) -> None:
    _, rows = asked(everybody)
    changes.not_ours(rows[0], everybody.payments, everybody.sara, everybody.platform)
    sweep()
    assert not Ask.objects.filter(team=everybody.platform).exists()
    skip(hours=1, minutes=1)
    sweep()
    assert Ask.objects.get(team=everybody.platform).departures.get() == rows[0]


def test_two_teams_do_not_send_a_user_to_and_fro(everybody: cast.Cast) -> None:
    _, (row,) = asked(everybody, 1)
    changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    sweep()
    changes.not_ours(fresh(row), everybody.platform, everybody.priya, everybody.payments)
    sweep()
    changes.not_ours(fresh(row), everybody.payments, everybody.sara)
    sweep()
    assert len(told("claim")) == 2
    assert campaigning.plan() == []


def test_a_named_team_that_nobody_can_tell_stays_for_an_engineer(everybody: cast.Cast) -> None:
    _, (row,) = asked(everybody, 1)
    deaf = cast.team("deaf")
    changes.not_ours(row, everybody.payments, everybody.sara, deaf)
    sweep()
    assert not Ask.objects.filter(team=deaf).exists()
    assert [one.team for one in campaigning.plan()] == [deaf]


# ── After the deadline ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("has_account", [True, False])
def test_the_leads_manager_and_security_hear_of_it_once(
    everybody: cast.Cast, has_account: bool
) -> None:
    everybody.payments.escalate_to = "Boss@acme.example"
    everybody.payments.save()
    if has_account:
        cast.person("boss", "Bo Boss", [Role.VIEWER])
    ask, rows = asked(everybody)
    changes.claim(rows[0], everybody.payments, everybody.sara, "needed")
    skip(days=20)
    sweep()
    skip(days=20)
    sweep()

    by_role = {bool(notice.role): notice for notice in told("claim-overdue")}
    assert len(told("claim-overdue")) == 2
    assert "2 of 3 IAM users can be adopted for Security" in by_role[True].text
    assert "2 of 3 IAM users are still open" in by_role[False].text
    if has_account:
        assert by_role[False].person == Person.objects.get(username="boss")
    else:
        assert "Boss@acme.example was told once" in by_role[True].text
        (mail,) = by_role[False].deliveries.all()
        assert (mail.channel, mail.address) == ("email", "Boss@acme.example")
    ask.refresh_from_db()
    assert ask.escalated_at is not None


def test_a_manager_who_has_left_is_not_written_to(everybody: cast.Cast) -> None:
    everybody.payments.escalate_to = "boss@acme.example"
    everybody.payments.save()
    cast.person("boss", "Bo Boss", [Role.VIEWER], is_active=False)
    asked(everybody)
    skip(days=30)
    sweep()
    (notice,) = told("claim-overdue")
    assert notice.role == Role.ENGINEER
    assert "boss@acme.example, the manager of Payments, has left" in notice.text


def test_nothing_is_adopted_by_itself(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    skip(days=60)
    sweep()
    assert {fresh(row).state for row in rows} == {State.DISCOVERED}


def test_what_can_still_be_answered_is_not_adopted(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    with pytest.raises(Refused, match="Payments can still answer until"):
        changes.adopt(rows, everybody.jonas)
    other = cast.departure("alone")
    assert changes.adopt([*rows, other], everybody.jonas) == 1
    skip(days=20)

    assert changes.adopt(map(fresh, rows), everybody.jonas) == 3

    (notice,) = told("claim-adopted")
    assert (notice.team, notice.departures.count()) == (everybody.payments, 3)


def test_leaked_keys_wait_for_no_deadline(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    assert changes.adopt(rows, everybody.jonas, leaked=True) == 3


def test_who_answers_at_that_moment_keeps_it_and_holds_up_no_other(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    skip(days=30)
    seen = [fresh(row) for row in rows]
    changes.claim(fresh(rows[1]), everybody.payments, everybody.sara)
    assert changes.adopt(seen, everybody.jonas) == 2
    assert fresh(rows[1]).owner == everybody.payments
    (notice,) = told("claim-adopted")
    assert set(notice.departures.all()) == {rows[0], rows[2]}


def test_a_team_hears_of_an_adoption_whoever_made_it_went_before_it_was_told(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rows = asked(everybody)
    skip(days=30)
    with monkeypatch.context() as killed:
        killed.setattr(notices_campaigns, "tell_adopted", kill)
        with pytest.raises(Killed):
            changes.adopt(map(fresh, rows), everybody.jonas)
    assert told("claim-adopted") == []
    sweep()
    (notice,) = told("claim-adopted")
    assert set(notice.departures.all()) == set(rows)


def test_two_adoptions_in_one_moment_are_both_told(everybody: cast.Cast) -> None:
    _, rows = asked(everybody)
    skip(days=30)
    for row in rows:
        changes.adopt([fresh(row)], everybody.jonas)
    assert sum(notice.departures.count() for notice in told("claim-adopted")) == 3


def test_what_the_team_sent_on_can_be_adopted_at_once(everybody: cast.Cast) -> None:
    _, rows = asked(everybody, 1)
    row = changes.not_ours(rows[0], everybody.payments, everybody.sara)
    assert changes.adopt([row], everybody.jonas) == 1


def test_a_campaign_of_which_nothing_is_left_closes_after_its_deadline(
    everybody: cast.Cast,
) -> None:
    ask, rows = asked(everybody)
    skip(days=20)
    changes.adopt(map(fresh, rows), everybody.jonas)
    sweep()
    ask.campaign.refresh_from_db()
    assert ask.campaign.closed_at is not None
    assert told("claim-answered") == []


def test_a_closed_campaign_reminds_nobody_and_says_so(everybody: cast.Cast) -> None:
    ask, rows = asked(everybody)
    changes.close_campaign(ask.campaign, everybody.mei)
    with pytest.raises(Refused, match="closed already"):
        changes.close_campaign(ask.campaign, everybody.mei)
    skip(days=30)
    sweep()

    (notice,) = told("claim-withdrawn")
    assert (notice.team, notice.departures.count()) == (everybody.payments, 3)
    assert told("claim-reminder") == told("claim-overdue") == []
    assert changes.adopt(map(fresh, rows), everybody.jonas) == 3


def test_what_can_still_be_answered_is_counted_and_not_read(everybody: cast.Cast) -> None:
    ask, rows = asked(everybody)
    one = campaigning.progress(ask.campaign)
    (its,) = one.asks
    assert (its.left, its.late, its.overdue) == (3, (), False)
    skip(days=30)
    one = campaigning.progress(ask.campaign)
    (its,) = one.asks
    assert (its.left, set(its.late), its.overdue) == (3, set(rows), True)


# ── What is open ─────────────────────────────────────────────────────────────────────────────────


def _decided(everybody: cast.Cast, row: Departure, how: str) -> None:
    team, other = everybody.payments, everybody.platform
    sara, priya, jonas = everybody.sara, everybody.priya, everybody.jonas
    soon = clock.now().date() + timedelta(days=3)
    # The other team was asked once as well, or it might not speak of it.
    earlier = Campaign.objects.create(
        number=99,
        asked_by=jonas,
        asked_at=clock.now() - timedelta(days=9),
        deadline_at=clock.now(),
        closed_at=clock.now(),
    )
    at = {"asked_at": earlier.asked_at, "deadline_at": earlier.deadline_at}
    earlier.asks.create(team=other, **at).departures.add(row)
    steps: dict[str, Any] = {
        "ours": lambda one: changes.claim(one, team, sara),
        "needed": lambda one: changes.claim(one, team, sara, "needed"),
        "not-ours": lambda one: changes.not_ours(one, team, sara),
        "whose": lambda one: changes.not_ours(one, team, sara, other),
        "dispute": lambda one: changes.dispute(one, sara, "x", soon, team),
        "end-dispute": lambda one: changes.end_dispute(one, jonas),
        "hand-over": lambda one: changes.hand_over(one, other, sara, from_team=team),
        "decline": lambda one: changes.decline_hand_over(one, priya),
        "accept": lambda one: changes.accept_hand_over(one, priya),
        "undo": lambda one: changes.undo_answer(one, sara, team),
        "other-claims": lambda one: changes.claim(one, other, priya, "can-go"),
        "other-names": lambda one: changes.not_ours(one, other, priya, team),
        "assign-other": lambda one: changes.assign(one, other, jonas),
        "settle-ours": lambda one: changes.settle(one, team, jonas),
        "settle-other": lambda one: changes.settle(one, other, jonas),
        "confirm": lambda one: changes.confirm_claim(one, jonas),
        "decline-claim": lambda one: changes.decline_claim(one, jonas),
        "adopt": lambda one: changes.adopt([one], jonas, leaked=True),
        "other-offers": lambda one: changes.hand_over(one, team, priya, from_team=other),
    }
    for step in how.split():
        steps[step](fresh(row))


@pytest.mark.parametrize("privilege", ["read", "admin"])
@pytest.mark.parametrize(
    ("how", "is_open"),
    [
        ("", True),
        ("ours", True),
        ("needed", False),
        ("needed undo", True),
        ("not-ours", False),
        ("not-ours undo", True),
        ("whose", False),
        ("whose other-names", True),
        ("dispute", False),
        ("dispute end-dispute", True),
        ("hand-over", False),
        ("hand-over decline", True),
        ("hand-over accept", False),
        ("other-claims", True),
        ("other-claims needed", False),
        ("other-claims ours settle-other", False),
        ("needed other-claims settle-ours", False),
        ("needed other-claims settle-other", False),
        ("other-claims confirm", False),
        ("other-claims decline-claim", True),
        ("other-offers", True),
        ("assign-other", False),
        ("adopt", False),
    ],
)
def test_the_ask_and_the_claim_page_agree_on_what_is_open(
    everybody: cast.Cast, how: str, is_open: bool, privilege: str
) -> None:
    row = suggested(everybody.payments, "pay-1", privilege=privilege)
    (ask,) = changes.start_campaign(everybody.jonas).asked

    _decided(everybody, row, how)

    left = campaigning.still_open([ask])[ask.pk]
    page = claiming.page_of(everybody.payments, clock.now())
    shown = [card.departure.pk for card in page.cards if not card.answered]
    assert left == shown == ([row.pk] if is_open else [])


def test_many_teams_are_looked_at_in_a_few_statements(
    everybody: cast.Cast, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        team = cast.team(f"team-{number}", slack="#x")
        for user in range(3):
            suggested(team, f"u-{number}-{user}")
    changes.start_campaign(everybody.jonas)
    with django_assert_max_num_queries(5):
        campaigns.note_answers()
    with django_assert_max_num_queries(3):
        campaigns.remind()


# ── What reached nobody ──────────────────────────────────────────────────────────────────────────


def unset(notice: Notice) -> None:
    """The worker that sends found each of its channels not set up."""
    notice.deliveries.update(status=Delivery.Status.UNSET, problem="IAMCLEANUP_X is not set.")


def deaf_team(**columns: Any) -> Team:
    """A team with channels and with nobody who could sign in for it."""
    team = cast.team("deaf")
    Team.objects.filter(pk=team.pk).update(**columns)
    team.refresh_from_db()
    return team


def test_a_team_whose_only_channel_is_not_set_up_is_brought_to_security_at_once(
    everybody: cast.Cast,
) -> None:
    suggested(deaf_team(slack="#deaf"), "deaf-1")
    (ask,) = changes.start_campaign(everybody.jonas).asked
    sweep()
    assert told("unreached") == [], "it is still on its way"

    unset(told("claim")[0])
    sweep()

    (notice,) = told("unreached")
    assert (notice.role, notice.departures.count()) == (Role.ENGINEER, 1)
    assert notice.title == "Deaf has not been reached about 1 IAM user"
    assert "Slack #deaf: Slack is not set up. IAMCLEANUP_X is not set." in notice.text
    one = campaigning.progress(ask.campaign)
    assert one.silent == 1
    assert one.asks[0].silence is not None


def test_a_lead_has_a_day_to_open_it_before_security_hears(everybody: cast.Cast) -> None:
    ask, _ = asked(everybody)
    unset(told("claim")[0])
    sweep()
    assert told("unreached") == []
    skip(days=1)
    sweep()
    (notice,) = told("unreached")
    assert notice.url == f"/claims/{ask.campaign.number}/"


@pytest.mark.parametrize("how", ["a channel took it", "a lead opened it", "a lead answered"])
def test_who_was_reached_is_not_brought_to_security(everybody: cast.Cast, how: str) -> None:
    ask, rows = asked(everybody)
    (notice,) = told("claim")
    match how:
        case "a channel took it":
            Notice.objects.update(reached_at=clock.now())
        case "a lead opened it":
            notices.open_notice(notice, everybody.sara)
        case _:
            changes.claim(rows[0], everybody.payments, everybody.sara, "needed")
    skip(days=2)
    sweep()
    assert told("unreached") == []
    assert campaigning.progress(ask.campaign).silent == 0


def test_an_engineer_who_looks_has_not_reached_the_team(everybody: cast.Cast) -> None:
    ask, _ = asked(everybody)
    notices.open_questions(everybody.payments, everybody.jonas)
    assert not reaching.silent([ask])
    skip(days=1)
    assert reaching.silent([ask])


def test_a_team_that_no_message_reached_is_not_said_to_have_kept_silent(
    everybody: cast.Cast,
) -> None:
    everybody.payments.escalate_to = "boss@acme.example"
    everybody.payments.save()
    asked(everybody)
    unset(told("claim")[0])
    skip(days=30)
    sweep()
    manager, security = told("claim-overdue")
    assert "but no channel took it and no lead opened it" in manager.text
    assert "and reminded" not in manager.text
    assert "No message reached Payments." in security.text


def test_what_perhaps_nobody_reads_is_said_before_it_is_asked(everybody: cast.Cast) -> None:
    deaf = deaf_team(slack="#deaf", jira_project="DEAF")
    suggested(deaf, "deaf-1")
    (plan,) = campaigning.plan()
    assert (plan.can_be_told, plan.doubt) == (True, "")

    for channel in ("slack", "jira"):
        cast.delivery(cast.notice(everybody.platform), channel=channel, status="unset")
    (plan,) = campaigning.plan()
    assert plan.can_be_told
    assert "no lead here, and Slack and Jira were not set up when last tried" in plan.doubt

    cast.delivery(cast.notice(everybody.platform), channel="jira", status="accepted")
    assert campaigning.plan()[0].doubt == ""
    deaf.lead = everybody.sara
    deaf.save()
    Delivery.objects.filter(status="accepted").delete()
    assert campaigning.plan()[0].doubt == ""
