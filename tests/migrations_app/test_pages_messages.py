"""Who was told about this user, when, in which message, and did they open it: answered by pages."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from inventory import clock
from inventory.models import LedgerEntry
from migrations_app import changes, told
from migrations_app.lifecycle import State
from migrations_app.models import Delivery, Departure, Notice, Opening
from migrations_app.outgoing import notices, outbox
from tests import cast
from tests.migrations_app.browsing import address, at_most, browser, text_of

pytestmark = pytest.mark.django_db
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def row(everybody: cast.Cast) -> Departure:
    return cast.departure("pay-deploy", State.OWNER_ASSIGNED, everybody.payments)


def announced(everybody: cast.Cast, row: Departure, **columns: object) -> Notice:
    notice = cast.notice(everybody.payments, "2 users will be disabled", **columns)
    notice.departures.add(row)
    return notice


# ── On the user's page ───────────────────────────────────────────────────────────────────────────


def test_the_users_page_says_who_was_told_how_and_who_opened_it(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row)
    cast.delivery(notice)
    notices.open_notice(notice, everybody.sara)
    text = text_of(browser(everybody.jonas).get(address(row.user)))
    section = text[text.index('id="told"') :].partition("</section>")[0]
    for words in ("2 users will be disabled", "Payments", "#payments", "Sara Lindqvist"):
        assert words in section
    assert "Accepted by the channel" in section
    assert f'href="/log/messages/{notice.pk}/"' in section


def test_nobody_told_is_said_too(everybody: cast.Cast, row: Departure) -> None:
    assert "Nobody was told anything about it yet." in text_of(
        browser(everybody.jonas).get(address(row.user))
    )


def test_a_viewer_sees_that_it_was_told_and_no_address(
    everybody: cast.Cast, row: Departure
) -> None:
    cast.delivery(announced(everybody, row), "email", address="sara@acme.example")
    text = text_of(browser(everybody.vera).get(address(row.user)))
    assert "2 users will be disabled" in text
    assert "sara@acme.example" not in text


# ── The log of messages ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=hit", {"A hit"}),
        ("team=payments", {"Pay"}),
        ("channel=jira", {"A hit"}),
        ("status=parked", {"A hit"}),
        ("channel=slack&status=parked", set()),
        ("status=unopened", {"A hit", "Old"}),
        ("user=pay-DEPLOY", {"Pay"}),
        ("batch=1", {"Pay"}),
        ("day=2025-01-02", {"Old"}),
        ("kind=&team=nobody&batch=x", {"A hit", "Pay", "Old"}),
        ("day=9999-12-31", {"A hit", "Pay", "Old"}),
    ],
)
def test_the_log_is_narrowed_by_every_filter_and_so_is_its_export(
    everybody: cast.Cast, row: Departure, query: str, found: set[str]
) -> None:
    batch = cast.batch(everybody.account, everybody.jonas, number=1)
    pay = cast.notice(everybody.payments, "Pay", batch=batch)
    pay.departures.add(row)
    notices.open_notice(pay, everybody.sara)
    cast.delivery(pay)
    hit = cast.notice(None, "A hit", kind="hit", role="engineer")
    cast.delivery(hit, "jira", status=Delivery.Status.PARKED)
    cast.notice(None, "Old", kind="knocks", at="2025-01-02T23:59:00Z")
    jonas = browser(everybody.jonas)

    text = text_of(jonas.get(f"/log/messages/?{query}"))
    assert {title for title in ("Pay", "A hit", "Old") if f">{title}</a>" in text} == found
    rows = json.loads(text_of(jonas.get(f"/log/messages.json?{query}")))
    assert {one["title"] for one in rows} == found


def test_older_messages_follow_by_key_and_the_page_asks_no_more_for_many(
    everybody: cast.Cast, row: Departure
) -> None:
    for number in range(70):
        notice = announced(everybody, row, at=clock.now() - timedelta(minutes=number))
        cast.delivery(notice)
        notices.open_notice(notice, everybody.sara)
    jonas = browser(everybody.jonas)
    with at_most(28):
        first = text_of(jonas.get("/log/messages/?team=payments"))
    assert first.count("/log/messages/") > told.PAGE
    older = first.partition("before=")[2].partition('"')[0]
    assert "20 messages" in text_of(jonas.get(f"/log/messages/?team=payments&before={older}"))


def test_what_concerns_one_person_alone_is_theirs_and_securitys(everybody: cast.Cast) -> None:
    notice = cast.notice(None, "A token in your name", person=everybody.vera, kind="token")
    for person, status in ((everybody.vera, 200), (everybody.sara, 404), (everybody.jonas, 200)):
        client = browser(person)
        assert client.get(f"/log/messages/{notice.pk}/").status_code == status
        assert ("A token" in text_of(client.get("/log/messages/"))) == (status == 200)
        assert ("A token" in text_of(client.get("/log/messages.csv"))) == (status == 200)


def test_the_text_is_for_those_it_went_to_and_for_security(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row, text="Called from 198.51.100.24")
    cast.delivery(notice, rendered="slack says 198.51.100.24", problem="from 198.51.100.24")
    for person, reads in (
        (everybody.sara, True),
        (everybody.priya, False),
        (everybody.vera, False),
        (everybody.jonas, True),
    ):
        text = text_of(browser(person).get(f"/log/messages/{notice.pk}/"))
        assert ("198.51.100.24" in text) == reads, person
        assert ("#payments" in text) == reads
    assert "198.51.100.24" not in text_of(browser(everybody.vera).get("/log/messages.csv"))


def test_to_look_at_a_message_in_the_log_is_not_to_have_opened_it(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row)
    browser(everybody.sara).get(f"/log/messages/{notice.pk}/")
    notice.refresh_from_db()
    assert notice.reached_at is None
    assert not Opening.objects.exists()


def test_hostile_words_are_only_words_on_every_page_and_in_the_csv(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row, text=HOSTILE)
    Notice.objects.update(title=f"=cmd {HOSTILE}")
    cast.delivery(notice, address=HOSTILE, problem=HOSTILE, rendered=HOSTILE, status="parked")
    jonas, sara = browser(everybody.jonas), browser(everybody.sara)
    pages = ["/log/messages/", f"/log/messages/{notice.pk}/", address(row.user)]
    for path in (*pages, "/settings/notifications/", "/"):
        assert HOSTILE not in text_of(jonas.get(path))
    inbox = text_of(sara.get(f"/inbox/{notice.pk}/"))
    assert HOSTILE not in inbox
    assert "&lt;img" in inbox
    titles = [one["title"] for one in csv.DictReader(io.StringIO(_csv(everybody)))]
    assert titles == [f"'=cmd {HOSTILE}"] * 2


def _csv(everybody: cast.Cast) -> str:
    return text_of(browser(everybody.jonas).get("/log/messages.csv"))


def test_the_export_has_a_row_for_each_way_with_openings(
    everybody: cast.Cast, row: Departure, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = announced(everybody, row)
    cast.delivery(notice)
    cast.delivery(notice, "email", address="sara@acme.example", status="unset", problem="No host")
    notices.open_notice(notice, everybody.sara)
    rows = list(csv.DictReader(io.StringIO(_csv(everybody))))
    assert [(one["channel"], one["status"]) for one in rows] == [
        ("inbox", "opened"),
        ("slack", "accepted"),
        ("email", "unset"),
    ]
    assert rows[0]["opened_by"] == "Sara Lindqvist"
    assert rows[2]["problem"] == "No host"
    assert {one["users"] for one in rows} == {f"pay-deploy {cast.ACCOUNT_ID}/{row.user.user_id}"}
    call_command("export", "messages")
    assert capsys.readouterr().out.splitlines() == _csv(everybody).splitlines()


# ── Parked, and sent again ───────────────────────────────────────────────────────────────────────


def test_a_parked_message_needs_an_engineer_who_sends_it_again(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row)
    parked = cast.delivery(notice, status="parked", problem="No such channel")
    jonas = browser(everybody.jonas)
    assert "Send 1 message that could not be delivered" in text_of(jonas.get("/"))
    settings = text_of(jonas.get("/settings/notifications/"))
    assert "No such channel" in settings
    assert f'action="/log/messages/deliveries/{parked.pk}/"' in settings

    answer = jonas.post(f"/log/messages/deliveries/{parked.pk}/", follow=True)

    assert "It goes to Slack #payments once more." in text_of(answer)
    parked.refresh_from_db()
    assert parked.status == Delivery.Status.QUEUED
    assert LedgerEntry.objects.latest("seq").kind == "message.sent-again"
    assert "could not be delivered" not in text_of(jonas.get("/"))


def test_after_a_channel_was_mended_all_that_it_did_not_take_goes_out_again(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row)
    again = [
        cast.delivery(notice, status="parked", problem="No such channel"),
        cast.delivery(notice, status="unset", problem="No token"),
    ]
    old = cast.notice(everybody.payments, at=clock.now() - timedelta(days=20))
    kept = [
        cast.delivery(notice),
        cast.delivery(notice, "email", status="unset"),
        cast.delivery(old, status="unset"),
        cast.delivery(cast.notice(everybody.payments, kind="test"), status="unset"),
    ]
    before = [(one.pk, one.status) for one in kept]
    jonas = browser(everybody.jonas)
    settings = text_of(jonas.get("/settings/notifications/"))
    assert "2 messages of the last 14 days did not go out." in settings

    answer = jonas.post("/settings/notifications/send-again/", {"channel": "slack"}, follow=True)

    assert "2 messages go out once more." in text_of(answer)
    for one in again:
        one.refresh_from_db()
        assert one.status == Delivery.Status.QUEUED
    assert [(one.pk, Delivery.objects.get(pk=one.pk).status) for one in kept] == before
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.kind, entry.data["messages"]) == ("message.all-sent-again", 2)
    again_at_once = jonas.post("/settings/notifications/send-again/", {"channel": "slack"})
    assert again_at_once.status_code == 422


def test_a_question_that_is_over_is_not_sent_again(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("pay-1", suggested_team=everybody.payments))
    (ask,) = changes.start_campaign(everybody.jonas).asked
    Delivery.objects.update(status="parked")
    assert outbox.unsent().exists()
    ask.withdrawn_at = clock.now()
    ask.save()
    assert not outbox.unsent().exists()


def test_what_arrived_is_not_sent_again(everybody: cast.Cast, row: Departure) -> None:
    done = cast.delivery(announced(everybody, row))
    answer = browser(everybody.jonas).post(f"/log/messages/deliveries/{done.pk}/")
    assert (answer.status_code, "accepted it already" in text_of(answer)) == (422, True)


def test_only_engineers_are_asked_to_send_again(everybody: cast.Cast, row: Departure) -> None:
    parked = cast.delivery(announced(everybody, row), status="parked", problem="x")
    for person in (everybody.sara, everybody.ada):
        client = browser(person)
        assert client.post(f"/log/messages/deliveries/{parked.pk}/").status_code == 403
        assert "Send again" not in text_of(client.get("/settings/notifications/"))
        assert "could not be delivered" not in text_of(client.get("/"))


# ── The inbox ────────────────────────────────────────────────────────────────────────────────────


def test_the_inbox_shows_what_the_other_channels_said_or_would_have(
    everybody: cast.Cast, row: Departure
) -> None:
    notice = announced(everybody, row, url="/batches/1/")
    cast.delivery(notice, rendered="*2 users* go")
    cast.delivery(notice, "jira", address="PAY", status="rehearsed", rendered="h1. 2 users go")
    text = text_of(browser(everybody.sara).get(f"/inbox/{notice.pk}/"))
    assert "What was sent" in text
    assert "*2 users* go" in text
    assert "What it would say" in text
    assert "h1. 2 users go" in text
    # The button is the same as in the other channels.
    assert "Open the batch" in text
    # Whoever only reads it is not asked to send.
    assert "Send again" not in text
