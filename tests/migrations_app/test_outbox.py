"""The outbox: told in the transaction, sent once, tried again, parked in the open, in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from inventory import clock
from inventory.models import LedgerEntry, Mail, Person, Role, Team
from inventory.refusals import NotAllowed, Refused
from migrations_app.announce.message import NotSetUp, Receipt, TryLater, Undeliverable
from migrations_app.models import Delivery, Notice
from migrations_app.outgoing import messages, notices, outbox
from tests import cast
from tests.migrations_app import tin
from tests.migrations_app.tin import Tin

pytestmark = pytest.mark.django_db
Status = Delivery.Status


@pytest.fixture(autouse=True)
def _tins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for channel in Delivery.Channel:
        monkeypatch.setitem(outbox.CHANNELS, channel, tin.PATH)
        monkeypatch.setitem(messages._RENDERED, channel, "tests.migrations_app.tin.rendered")
    Tin.arrived.clear()
    Tin.ends.clear()
    yield
    Tin.ends.clear()


@pytest.fixture
def people() -> cast.Cast:
    people = cast.cast()
    people.payments.slack = "#payments"
    people.payments.save()
    return people


def told(team: Team, key: str = "key", **how: object) -> Notice:
    return notices.tell("announce", key, "3 users will go", team=team, **how)  # type: ignore[arg-type]


def only(notice: Notice, channel: str) -> Delivery:
    return notice.deliveries.get(channel=channel)


def pass_time(**how: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**how))


# ── Who is addressed ─────────────────────────────────────────────────────────────────────────────


def addresses(notice: Notice) -> set[tuple[str, str]]:
    return set(notice.deliveries.values_list("channel", "address"))


def test_a_team_hears_by_its_channel_its_leads_and_its_own_address(people: cast.Cast) -> None:
    Team.objects.filter(pk=people.payments.pk).update(email="payments@acme.example")
    notice = told(Team.objects.get(pk=people.payments.pk))
    assert addresses(notice) == {
        ("slack", "#payments"),
        ("email", "sara@acme.example"),
        ("email", "payments@acme.example"),
    }


def test_an_address_that_is_lead_and_team_at_once_is_told_once(people: cast.Cast) -> None:
    people.payments.email = "Sara@acme.example"
    assert len([one for one in addresses(told(people.payments)) if one[0] == "email"]) == 1


def test_an_issue_is_for_what_has_a_beginning_and_an_end(people: cast.Cast) -> None:
    people.payments.jira_project = "PAY"
    assert ("jira", "PAY") not in addresses(told(people.payments, "without"))
    assert ("jira", "PAY") in addresses(told(people.payments, "with", thread="batch:1"))


def test_security_hears_in_the_custodians_channel_and_by_mail(people: cast.Cast) -> None:
    Team.objects.filter(pk=people.security.pk).update(slack="#security")
    notice = notices.tell("hit", "hit", "Called", role=Role.ENGINEER)
    assert addresses(notice) == {
        ("slack", "#security"),
        ("email", "jonas@acme.example"),
        ("email", "mei@acme.example"),
    }


@pytest.mark.parametrize(
    ("mail", "kind", "sent"),
    [
        (Mail.ALL, "started", True),
        (Mail.NEEDED, "started", False),
        (Mail.NEEDED, "hit", True),
        (Mail.NONE, "hit", False),
    ],
)
def test_each_person_chooses_the_mail_and_never_loses_the_inbox(
    people: cast.Cast, mail: str, kind: str, sent: bool
) -> None:
    Person.objects.filter(pk=people.sara.pk).update(mail=mail)
    notice = notices.tell(kind, "key", "Title", team=people.payments)
    assert (("email", "sara@acme.example") in addresses(notice)) is sent
    assert notice in notices.inbox_for(people.sara)


def test_whoever_left_is_not_written_to(people: cast.Cast) -> None:
    Person.objects.filter(pk=people.sara.pk).update(is_active=False)
    assert addresses(told(people.payments)) == {("slack", "#payments")}


# ── Told once, with what it tells about ──────────────────────────────────────────────────────────


def test_what_is_rolled_back_was_never_told(people: cast.Cast) -> None:
    with transaction.atomic():
        told(people.payments)
        assert Delivery.objects.exists()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_the_same_thing_is_told_once(people: cast.Cast) -> None:
    told(people.payments)
    before = Delivery.objects.count()
    told(people.payments)
    assert Delivery.objects.count() == before


def test_a_message_is_sent_once_however_often_its_nudge_comes(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    assert outbox.send(delivery.pk) is not None
    assert outbox.send(delivery.pk) is None
    assert outbox.due() == [only(Notice.objects.get(), "email").pk]
    assert len(Tin.arrived) == 1


def test_a_message_that_is_being_sent_is_left_to_who_sends_it(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    assert outbox._claim(delivery.pk) is not None
    assert outbox._claim(delivery.pk) is None
    assert delivery.pk not in outbox.due()


@pytest.mark.django_db(transaction=True)
def test_a_message_to_many_costs_one_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    people = cast.cast()
    people.payments.slack, people.payments.email = "#payments", "payments@acme.example"
    nudges: list[int | None] = []
    monkeypatch.setattr(outbox, "_send_nudge", nudges.append)
    assert told(people.payments).deliveries.count() == 3
    assert nudges == [None]


# ── Reached (rule 13) ────────────────────────────────────────────────────────────────────────────


def test_a_team_is_reached_when_a_channel_accepts(people: cast.Cast) -> None:
    notice = told(people.payments)
    assert notice.reached_at is None
    outbox.send(only(notice, "slack").pk)
    notice.refresh_from_db()
    assert notice.reached_at is not None


@pytest.mark.parametrize("end", [NotSetUp("no token"), Undeliverable("no"), TryLater("busy")])
def test_what_no_channel_took_reaches_nobody(people: cast.Cast, end: Exception) -> None:
    notice = told(people.payments)
    Tin.ends.append(end)
    outbox.send(only(notice, "slack").pk)
    notice.refresh_from_db()
    assert notice.reached_at is None


def test_the_webhook_of_the_organization_reaches_no_team(
    people: cast.Cast, settings: Settings
) -> None:
    settings.IAMCLEANUP_WEBHOOK_URL = "https://hooks.acme.example/"
    notice = told(people.payments)
    outbox.send(only(notice, "webhook").pk)
    notice.refresh_from_db()
    assert only(notice, "webhook").status == Status.ACCEPTED
    assert notice.reached_at is None


def test_a_slack_webhook_reaches_no_team_because_it_is_the_same_for_all(
    people: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tin, "send", lambda *_, **__: Receipt({"webhook": True}))
    notice = told(people.payments)
    outbox.send(only(notice, "slack").pk)
    notice.refresh_from_db()
    assert only(notice, "slack").status == Status.ACCEPTED
    assert notice.reached_at is None


# ── Failing ──────────────────────────────────────────────────────────────────────────────────────


def test_what_could_not_be_sent_waits_longer_and_longer(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    waits = []
    for _ in range(4):
        Tin.ends.append(TryLater("busy"))
        outbox.send(delivery.pk)
        delivery.refresh_from_db()
        assert (delivery.status, delivery.problem) == (Status.QUEUED, "busy")
        assert delivery.next_try_at is not None
        waits.append((delivery.next_try_at - clock.now()).total_seconds())
        assert outbox.send(delivery.pk) is None
        pass_time(seconds=waits[-1] + 1)
    assert waits == sorted(waits)
    assert waits[0] < 11
    assert waits[-1] > 800
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.problem) == (Status.ACCEPTED, "")


def test_a_channel_that_asks_for_time_gets_it(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(TryLater("429", after=timedelta(seconds=77)))
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.next_try_at is not None
    assert 75 < (delivery.next_try_at - clock.now()).total_seconds() <= 77


def test_after_a_day_of_tries_it_is_parked_and_engineers_are_told(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    for _ in range(7):
        pass_time(hours=4)
        Tin.ends.append(TryLater("still busy"))
        outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.PARKED
    assert "still busy" in delivery.problem
    notice = Notice.objects.get(kind="parked")
    assert notice in notices.inbox_for(people.jonas)
    # A broken channel must not be told of its own breaking.
    assert not notice.deliveries.exists()


def test_what_waited_for_a_worker_is_not_given_up_at_its_first_try(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    pass_time(hours=60)
    Tin.ends.append(TryLater("busy"))
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.QUEUED
    pass_time(minutes=1)
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.ACCEPTED


def test_a_channel_that_breaks_is_tried_again_with_patience_and_parked_in_the_end(
    people: cast.Cast,
) -> None:
    delivery = only(told(people.payments, thread="batch:1"), "slack")
    later = only(told(people.payments, "later", thread="batch:1"), "slack")
    for _ in range(7):
        pass_time(hours=4)
        Tin.ends.append(ZeroDivisionError("xoxb-secret"))
        with pytest.raises(ZeroDivisionError):
            outbox.send(delivery.pk)
        assert outbox.send(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.uncertain) == (Status.PARKED, True)
    assert "ZeroDivisionError" in delivery.problem
    assert "xoxb" not in delivery.problem
    assert outbox.send(later.pk) is not None


def test_what_cannot_be_shown_as_text_was_sent_all_the_same(
    people: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = only(told(people.payments), "slack")
    monkeypatch.setattr(tin, "rendered", lambda message: message.nothing)
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.rendered) == (Status.ACCEPTED, "")


def test_what_will_never_arrive_is_parked_at_once(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(Undeliverable("There is no channel #payments. Invite the bot."))
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == (Status.PARKED, 1)
    assert outbox.send(delivery.pk) is None


@pytest.mark.parametrize(("demo", "status"), [(False, Status.UNSET), (True, Status.REHEARSED)])
def test_a_channel_that_is_not_set_up_is_said_and_shown(
    people: cast.Cast, settings: Settings, demo: bool, status: str
) -> None:
    settings.IAMCLEANUP_DEMO = demo
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(NotSetUp("IAMCLEANUP_SLACK_TOKEN is missing."))
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.rendered) == (status, "3 users will go")


# ── Uncertain ────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_that_died_while_sending_leaves_a_message_that_may_have_arrived(
    people: cast.Cast,
) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(SystemExit())
    with pytest.raises(SystemExit):
        outbox.send(delivery.pk)
    assert outbox.send(delivery.pk) is None
    pass_time(minutes=6)
    assert delivery.pk in outbox.due()
    outbox.send(delivery.pk)
    assert [one.uncertain for one in Tin.arrived] == [False, True]
    assert len({one.message.key for one in Tin.arrived}) == 1


def test_a_lost_answer_is_remembered_through_later_tries(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends += [TryLater("time-out", uncertain=True), TryLater("refused")]
    for _ in range(3):
        outbox.send(delivery.pk)
        pass_time(minutes=20)
    assert [one.uncertain for one in Tin.arrived] == [False, True, True]


def test_a_try_that_surely_did_not_arrive_is_not_looked_for(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(TryLater("no connection"))
    for _ in range(2):
        outbox.send(delivery.pk)
        pass_time(minutes=20)
    assert [one.uncertain for one in Tin.arrived] == [False, False]


# ── Threads ──────────────────────────────────────────────────────────────────────────────────────


def test_messages_of_a_thread_go_out_in_order_and_answer_the_first(people: cast.Cast) -> None:
    first, second, third = (
        only(told(people.payments, key, thread="batch:7"), "slack") for key in "abc"
    )
    Tin.ends.append(TryLater("busy"))
    outbox.send(first.pk)
    assert outbox.send(second.pk) is None
    pass_time(minutes=1)
    for one in (first, second, third):
        assert outbox.send(one.pk) is not None
    assert [one.first and one.first.facts for one in Tin.arrived] == [
        None,
        None,
        {"number": 2},
        {"number": 2},
    ]


def test_a_parked_message_holds_up_none_behind_it(people: cast.Cast) -> None:
    first, second = (only(told(people.payments, key, thread="batch:7"), "slack") for key in "ab")
    Tin.ends.append(Undeliverable("no"))
    outbox.send(first.pk)
    assert outbox.send(second.pk) is not None
    assert Tin.arrived[-1].first is None


def test_threads_and_addresses_do_not_wait_for_each_other(people: cast.Cast) -> None:
    held = only(told(people.payments, "a", thread="batch:7"), "slack")
    other = only(told(people.payments, "b", thread="batch:8"), "slack")
    mail = only(Notice.objects.get(key="a"), "email")
    Tin.ends.append(TryLater("busy"))
    outbox.send(held.pk)
    assert outbox.send(other.pk) is not None
    assert outbox.send(mail.pk) is not None


def test_teams_that_share_a_project_have_an_issue_each_and_in_a_channel_one_thread(
    people: cast.Cast,
) -> None:
    for team in (people.payments, people.platform):
        team.slack, team.jira_project = "#both", "ACME"
        team.save()
    first, second = (
        told(team, team.key, thread="batch:7") for team in (people.payments, people.platform)
    )
    assert {only(one, "slack").thread for one in (first, second)} == {"batch:7"}
    assert only(first, "jira").thread == "batch:7:payments"
    assert only(second, "jira").thread == "batch:7:platform"


# ── Sending again ────────────────────────────────────────────────────────────────────────────────


def test_an_engineer_sends_again_what_was_parked(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    Tin.ends.append(Undeliverable("no"))
    outbox.send(delivery.pk)
    pass_time(days=3)
    outbox.send_again(delivery, people.jonas)
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.ACCEPTED
    assert LedgerEntry.objects.filter(kind="message.sent-again").count() == 1


def test_what_a_worker_sends_at_this_moment_is_not_sent_beside_it(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    outbox._claim(delivery.pk)
    with pytest.raises(Refused, match="on its way"):
        outbox.send_again(delivery, people.jonas)
    assert outbox.send(delivery.pk) is None
    assert Tin.arrived == []


def test_what_was_accepted_is_not_sent_again(people: cast.Cast) -> None:
    delivery = only(told(people.payments), "slack")
    outbox.send(delivery.pk)
    with pytest.raises(Refused, match="accepted"):
        outbox.send_again(delivery, people.jonas)
    with pytest.raises(NotAllowed):
        outbox.send_again(delivery, people.sara)


# ── What stands in it ────────────────────────────────────────────────────────────────────────────


def test_a_message_has_the_whole_list_and_links_that_lead_here(
    people: cast.Cast, settings: Settings
) -> None:
    settings.IAMCLEANUP_URL = "https://cleanup.acme.example"
    rows = [cast.departure(cast.iam_user(f"user.{number:03}")) for number in range(120)]
    notice = told(people.payments, departures=rows, url="/soak/", text="One.\n\nTwo.")
    outbox.send(only(notice, "slack").pk)
    message = Tin.arrived[0].message
    assert [line.name for line in message.users] == [f"user.{number:03}" for number in range(120)]
    assert message.paragraphs == ("One.", "Two.")
    assert message.button is not None
    assert message.button.url == f"https://cleanup.acme.example/inbox/{notice.pk}/?go=1"
    assert all(line.url.startswith("https://cleanup.acme.example/users/") for line in message.users)


@pytest.mark.parametrize(
    ("state", "category", "said"),
    [
        ("discovered", "ci-cd", "CI/CD, never used"),
        ("owner-assigned", "human-console", "Human, console, never used"),
        ("discovered", "", "never used"),
        ("disabled", "ci-cd", "Disabled, never used"),
    ],
)
def test_a_user_is_told_by_what_it_is_for_and_once_it_is_off_by_how_far(
    people: cast.Cast, state: str, category: str, said: str
) -> None:
    user = cast.iam_user("ci", verdict="never-used", category=category, last_activity_at=None)
    owner = None if state == "discovered" else people.payments
    notice = told(people.payments, departures=[cast.departure(user, state, owner)])
    outbox.send(only(notice, "slack").pk)
    assert [line.text for line in Tin.arrived[0].message.users] == [said]


def test_one_message_to_many_addresses_has_a_key_for_each(people: cast.Cast) -> None:
    notice = told(people.payments)
    keys = set(notice.deliveries.values_list("key", flat=True))
    assert len(keys) == notice.deliveries.count() > 1


def test_somebody_outside_is_told_by_mail_and_by_nothing_else(people: cast.Cast) -> None:
    notice = notices.tell("escalated", "key", "Nobody answered", mail_to="head@acme.example")
    assert addresses(notice) == {("email", "head@acme.example")}
    for person in Person.objects.all():
        assert notice not in notices.inbox_for(person)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://0.0.0.0:8000", "http://[::1]/"])
def test_nothing_is_sent_whose_links_lead_nowhere(
    people: cast.Cast, settings: Settings, url: str
) -> None:
    settings.IAMCLEANUP_URL, settings.PLAY = url, False
    delivery = only(told(people.payments), "slack")
    outbox.send(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.UNSET
    assert "IAMCLEANUP_URL" in delivery.problem
    settings.IAMCLEANUP_URL = "https://cleanup.acme.example"
    outbox.send_again(delivery, people.jonas)
    outbox.send(delivery.pk)
    assert len(Tin.arrived) == 1
