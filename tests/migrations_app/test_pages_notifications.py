"""Settings, notifications: own choices for everybody, and channels whose answer can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django import Settings

from inventory import clock
from inventory.models import LedgerEntry, Mail, Team
from migrations_app import ways
from migrations_app.announce.message import NotSetUp, Undeliverable
from migrations_app.models import Delivery, Notice
from migrations_app.outgoing import messages, outbox
from tests import cast
from tests.migrations_app import tin
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of
from tests.migrations_app.tin import Tin

pytestmark = pytest.mark.django_db
WHERE = "/settings/notifications/"


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
def everybody() -> cast.Cast:
    everybody = cast.cast()
    Team.objects.filter(key="payments").update(slack="#payments", jira_project="PAY")
    return everybody


@pytest.mark.parametrize("choice", list(Mail))
def test_everybody_chooses_what_comes_by_e_mail(everybody: cast.Cast, choice: Mail) -> None:
    vera = browser(everybody.vera)
    answer = vera.post(WHERE, {"mail": choice.value}, follow=True)
    everybody.vera.refresh_from_db()
    assert everybody.vera.mail == choice
    assert f"Saved. By e-mail: {choice.label.lower()}." in text_of(answer)
    assert f'value="{choice.value}" required checked' in text_of(vera.get(WHERE))


def test_another_choice_than_the_three_is_refused(everybody: cast.Cast) -> None:
    assert browser(everybody.vera).post(WHERE, {"mail": "sometimes"}).status_code == 422
    everybody.vera.refresh_from_db()
    assert everybody.vera.mail == Mail.ALL


def test_a_lead_is_told_that_only_an_opened_announcement_counts(everybody: cast.Cast) -> None:
    assert "You lead Payments." in text_of(browser(everybody.sara).get(WHERE))
    assert "You lead" not in text_of(browser(everybody.vera).get(WHERE))


def test_channels_are_for_those_who_see_settings(everybody: cast.Cast) -> None:
    for person, sees in ((everybody.vera, False), (everybody.sara, False), (everybody.ada, True)):
        text = text_of(browser(person).get(WHERE))
        assert ("Last accepted" in text) == sees
        assert ("#payments" in text) == sees


def test_each_channel_says_what_its_last_messages_tell(everybody: cast.Cast) -> None:
    notice = cast.notice(everybody.payments)
    cast.delivery(notice, "slack")
    cast.delivery(notice, "jira", address="PAY", status="unset", problem="JIRA_URL is not set.")
    cast.delivery(notice, "email", address="a@b.example", status="parked", problem="550 no such")
    rows = {row.channel: row for row in ways.channels(everybody.jonas)}
    assert rows[Delivery.Channel.SLACK].state == "It works."
    assert rows[Delivery.Channel.SLACK].teams == (("Payments", "#payments"),)
    assert rows[Delivery.Channel.JIRA].state == "Not set up: JIRA_URL is not set."
    assert rows[Delivery.Channel.EMAIL].state == "The last message could not be delivered."
    assert rows[Delivery.Channel.EMAIL].parked == 1
    webhook = rows[Delivery.Channel.WEBHOOK]
    assert "IAMCLEANUP_WEBHOOK_URL is not set" in webhook.state
    assert not webhook.destinations


def test_before_the_first_message_nothing_is_claimed(everybody: cast.Cast) -> None:
    states = {row.state for row in ways.channels(everybody.jonas)[:3]}
    assert states == {"Nothing was sent through it yet. A test shows whether it is set up."}


def sent_test(everybody: cast.Cast, to: str, *ends: BaseException) -> str:
    """The page after a test that the worker sent and the channel answered so."""
    Tin.ends[:] = ends
    jonas = browser(everybody.jonas)
    answer = jonas.post(f"{WHERE}test/", {"to": to})
    assert answer.status_code == 302, text_of(answer)
    where = answer["Location"].partition("#")[0]
    waiting = text_of(jonas.get(where))
    assert "It waits for the worker that sends." in waiting
    assert 'hx-trigger="every 2s"' in waiting
    assert '<noscript><meta http-equiv="refresh"' in waiting
    assert jonas.get(where, headers=HTMX).status_code == 204
    outbox.send(Delivery.objects.latest("pk").pk)
    assert jonas.get(where, headers=HTMX).status_code == 286
    return text_of(jonas.get(where))


def test_a_test_says_that_it_arrived_and_what_it_said(everybody: cast.Cast) -> None:
    text = sent_test(everybody, "slack:payments")
    assert "Slack took it." in text
    (arrived,) = Tin.arrived
    assert (arrived.address, arrived.message.kind) == ("#payments", "test")
    assert LedgerEntry.objects.latest("seq").kind == "message.tested"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Undeliverable("There is no channel #payments."), "Not delivered. There is no channel"),
        (NotSetUp("SLACK_BOT_TOKEN is not set."), "Slack is not set up. SLACK_BOT_TOKEN is not"),
    ],
)
def test_a_test_that_fails_says_why(everybody: cast.Cast, end: BaseException, said: str) -> None:
    assert said in sent_test(everybody, "slack:payments", end)


@pytest.mark.parametrize(
    ("to", "variable"),
    [
        ("slack:payments", "IAMCLEANUP_SLACK_TOKEN"),
        ("jira:payments", "IAMCLEANUP_JIRA_"),
        ("email:me", "IAMCLEANUP_MAIL_"),
    ],
)
def test_a_channel_that_nobody_set_up_names_the_variable_that_is_missing(
    everybody: cast.Cast, to: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The channels themselves, not the tins.
    monkeypatch.undo()
    text = sent_test(everybody, to)
    assert "is not set up." in text
    assert variable in text
    # What it would have said is shown all the same.
    assert "Nothing happened to any IAM user." in text
    assert f"Not set up: {Delivery.objects.get().problem}" in text


def test_in_the_demo_a_test_is_shown_instead_of_sent(
    everybody: cast.Cast, settings: Settings
) -> None:
    settings.IAMCLEANUP_DEMO = True
    text = sent_test(everybody, "email:me", NotSetUp("No host"))
    assert "This is the demo: it is shown here instead of sent." in text


@pytest.mark.parametrize("to", ["", "slack:platform", "slack:#general", "email:x@evil.example"])
def test_a_test_goes_to_declared_addresses_and_to_oneself_only(
    everybody: cast.Cast, to: str
) -> None:
    answer = browser(everybody.jonas).post(f"{WHERE}test/", {"to": to})
    assert answer.status_code == 422
    assert not Notice.objects.exists()


def test_a_second_test_within_the_minute_is_the_first_one(everybody: cast.Cast) -> None:
    jonas, sent = browser(everybody.jonas), {"to": "jira:payments"}
    answers = [jonas.post(f"{WHERE}test/", sent)["Location"] for _ in range(2)]
    assert set(answers) == {f"{WHERE}?test={Delivery.objects.get().pk}#test"}
    assert LedgerEntry.objects.filter(kind="message.tested").count() == 1


def test_a_minute_is_sixty_seconds_whatever_the_clock_shows(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = clock.now().replace(second=0, microsecond=0)
    for seconds in (-1, 1, 59):
        at = full + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        outbox.send_test("slack", "#payments", everybody.jonas)
    assert Delivery.objects.count() == 2


def test_another_persons_within_the_minute_is_refused(everybody: cast.Cast) -> None:
    for person, status in ((everybody.jonas, 302), (everybody.mei, 422)):
        answer = browser(person).post(f"{WHERE}test/", {"to": "jira:payments"})
        assert answer.status_code == status
    assert Delivery.objects.count() == 1


def test_anothers_test_is_not_shown(everybody: cast.Cast) -> None:
    delivery = outbox.send_test("slack", "#payments", everybody.ada)
    assert "Your test" not in text_of(browser(everybody.jonas).get(f"{WHERE}?test={delivery.pk}"))
    assert browser(everybody.jonas).get(f"{WHERE}?test={'9' * 30}").status_code == 200


def test_a_test_reaches_nobodys_team(everybody: cast.Cast) -> None:
    delivery = outbox.send_test("slack", "#payments", everybody.jonas)
    outbox.send(delivery.pk)
    assert Notice.objects.get().reached_at is None


def test_the_page_asks_no_more_for_many_messages_and_teams(everybody: cast.Cast) -> None:
    for number in range(20):
        team = cast.team(f"team-{number}", slack=f"#team-{number}")
        cast.delivery(cast.notice(team), status="parked", problem="x")
    jonas = browser(everybody.jonas)
    jonas.get(WHERE)
    with at_most(12):
        jonas.get(WHERE)
