"""Asking teams from a page, seeing how far they are, and answering for several users at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import Person
from migrations_app import changes
from migrations_app.claims import owing
from migrations_app.lifecycle import State
from migrations_app.models import Ask, Campaign, Delivery, Departure, Notice
from tests import cast
from tests.migrations_app.browsing import at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def suggested(team: Any, name: str, **columns: Any) -> Departure:
    return cast.departure(cast.iam_user(name, suggested_team=team, **columns))


def send(person: Person, path: str, **sent: Any) -> Any:
    return browser(person).post(path, sent)


def skip(**by: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────


def test_the_page_shows_each_message_with_its_whole_list(everybody: cast.Cast) -> None:
    for number in range(60):
        suggested(everybody.payments, f"pay-{number:02}")
    suggested(everybody.platform, "plat-1")

    text = text_of(browser(everybody.jonas).get("/claims/ask/"))

    assert "Ask 2 teams about 61 users" in text
    assert "60 IAM users look like Payments’" in text
    assert all(f"pay-{number:02}" in text for number in range(60))
    assert not Notice.objects.exists()


def test_a_team_nobody_can_tell_is_a_blocker_with_what_to_do(everybody: cast.Cast) -> None:
    suggested(cast.team("deaf"), "deaf-1")

    text = text_of(browser(everybody.jonas).get("/claims/ask/"))

    assert "1 user of Deaf cannot be asked about." in text
    assert "Declare one in iamcleanup.yaml, or take these users for the custodian." in text
    assert "Adopt them" in text


def test_looking_at_the_messages_anew_asks_nobody(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    suggested(everybody.payments, "pay-2")

    answer = send(
        everybody.jonas,
        "/claims/ask/",
        act="preview",
        single="1",
        teams="payments",
        users=row.pk,
        message="<b>Hello</b>",
    )

    text = text_of(answer)
    assert "1 IAM user looks like Payments’" in text
    assert "Jonas Weber writes: &lt;b&gt;Hello&lt;/b&gt;" in text
    assert not Ask.objects.exists()
    assert not Notice.objects.exists()


def test_only_what_is_ticked_is_asked_about(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    suggested(everybody.payments, "pay-2")
    other = suggested(everybody.platform, "plat-1")

    sent = {"act": "ask", "single": "1", "teams": "payments", "users": [row.pk, other.pk]}
    answer = browser(everybody.jonas).post("/claims/ask/", sent)

    assert answer["Location"] == "/claims/1/"
    ask = Ask.objects.get()
    assert (ask.team, list(ask.departures.all())) == (everybody.payments, [row])


def test_a_whole_team_is_asked_where_users_have_no_boxes(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrations_app.views.campaigns.MOST_BOXES", 2)
    for number in range(3):
        suggested(everybody.payments, f"pay-{number}")
    assert 'name="users"' not in text_of(browser(everybody.jonas).get("/claims/ask/"))

    send(everybody.jonas, "/claims/ask/", act="ask", teams="payments")

    assert Ask.objects.get().departures.count() == 3


def test_the_last_day_is_whole_in_the_accounts_time_zone(everybody: cast.Cast) -> None:
    suggested(everybody.payments, "pay-1")
    last = clock.now().date() + timedelta(days=30)

    send(everybody.jonas, "/claims/ask/", act="ask", teams="payments", deadline=last.isoformat())

    deadline_at = Campaign.objects.get().deadline_at
    assert (deadline_at.date(), f"{deadline_at:%H:%M}") == (last, "23:59")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"teams": "platform"},
        {"teams": "payments", "deadline": "soon"},
        {"teams": "payments", "deadline": "2020-01-01"},
        {"teams": "payments", "message": "x" * 1001},
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    everybody: cast.Cast, wrong: dict[str, str]
) -> None:
    suggested(everybody.payments, "pay-1")
    answer = send(everybody.jonas, "/claims/ask/", act="ask", **wrong)
    assert answer.status_code == 422
    assert not Campaign.objects.exists()


def test_the_page_asks_the_database_as_often_for_many_users(everybody: cast.Cast) -> None:
    for number in range(40):
        suggested(everybody.payments, f"pay-{number}")
    jonas = browser(everybody.jonas)
    with at_most(25):
        jonas.get("/claims/ask/")


# ── How far it is ────────────────────────────────────────────────────────────────────────────────


def test_progress_says_who_opened_and_answered_and_who_is_late(everybody: cast.Cast) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(3)]
    (ask,) = changes.start_campaign(everybody.jonas).asked
    changes.claim(rows[0], everybody.payments, everybody.sara, "needed")
    ask.openings.create(person=everybody.sara, at=clock.now())
    skip(days=20)

    jonas = browser(everybody.jonas)
    campaign, claims = text_of(jonas.get("/claims/1/")), text_of(jonas.get("/claims/"))

    assert "1 of 3 users answered, 1 team overdue" in campaign
    assert "Sara Lindqvist" in campaign
    assert "Not answered in time" in claims
    assert "All 2 of Payments" in claims
    assert "opened by Sara Lindqvist" in claims


def test_progress_says_whom_no_message_reached_and_by_which_ways(everybody: cast.Cast) -> None:
    everybody.payments.slack = "#payments"
    everybody.payments.save()
    suggested(everybody.payments, "pay-1")
    changes.start_campaign(everybody.jonas)
    assert "not reached" not in text_of(browser(everybody.jonas).get("/claims/"))
    skip(days=1)
    problem = "Slack needs IAMCLEANUP_SLACK_TOKEN or IAMCLEANUP_SLACK_WEBHOOK."
    Delivery.objects.filter(channel="slack").update(status="unset", problem=problem)
    Delivery.objects.exclude(channel="slack").delete()

    text = text_of(browser(everybody.jonas).get("/claims/1/"))
    assert "Not reached" in text
    assert f"Slack #payments: Slack is not set up. {problem}" in text
    assert "1 not reached" in text_of(browser(everybody.jonas).get("/claims/"))

    browser(everybody.sara).get("/claim/payments/")
    assert "Not reached" not in text_of(browser(everybody.jonas).get("/claims/1/"))


def test_before_it_is_asked_it_is_said_that_perhaps_nobody_reads_it(everybody: cast.Cast) -> None:
    deaf = cast.team("deaf")
    deaf.slack = "#deaf"
    deaf.save()
    suggested(deaf, "deaf-1")
    cast.delivery(cast.notice(everybody.platform), status="unset")

    text = text_of(browser(everybody.jonas).get("/claims/ask/"))
    assert "Deaf has no lead here, and Slack was not set up when last tried" in text


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_not_answered_in_time_is_adopted_by_a_click(
    everybody: cast.Cast, whole: bool
) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(3)]
    (ask,) = changes.start_campaign(everybody.jonas).asked
    changes.claim(rows[0], everybody.payments, everybody.sara, "needed")
    skip(days=20)

    sent: dict[str, Any] = {"asks": ask.pk} if whole else {"users": rows[1].pk}
    send(everybody.jonas, "/claims/adopt/", **sent)

    adopted = Departure.objects.filter(owner=everybody.security)
    assert set(adopted) == (set(rows[1:]) if whole else {rows[1]})


def test_adopting_too_early_or_nothing_is_refused(everybody: cast.Cast) -> None:
    suggested(everybody.payments, "pay-1")
    (ask,) = changes.start_campaign(everybody.jonas).asked

    early = send(everybody.jonas, "/claims/adopt/", asks=ask.pk)

    assert early.status_code == 422
    assert "Payments can still answer until" in text_of(early)
    assert send(everybody.jonas, "/claims/adopt/").status_code == 422
    assert send(everybody.jonas, "/claims/adopt/", asks="x", users="²").status_code == 422
    assert Departure.objects.get().state == State.DISCOVERED


def test_a_contest_is_settled_on_the_claims_page(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    row = changes.claim(row, everybody.payments, everybody.sara, "needed")
    row = changes.claim(row, everybody.platform, everybody.priya, "needed")
    text = text_of(browser(everybody.jonas).get("/claims/"))
    assert "Two teams claim it" in text
    assert 'aria-label="Platform has pay-1"' in text

    path = f"/users/{cast.ACCOUNT_ID}/{row.user.user_id}/settle/"
    stale = send(everybody.jonas, path, team="platform", version=row.version - 1)
    assert stale.status_code == 409
    send(everybody.jonas, path, team="platform", version=row.version)

    row.refresh_from_db()
    assert (row.owner, row.contested_by_team) == (everybody.platform, None)
    assert "Two teams claim it" not in text_of(browser(everybody.jonas).get("/claims/"))


# ── The claim page ───────────────────────────────────────────────────────────────────────────────


def several(everybody: cast.Cast, rows: list[Departure], said: str, **sent: Any) -> Any:
    boxes = [f"{row.pk}.{row.version}" for row in rows]
    return send(everybody.sara, "/claim/payments/several/", users=boxes, said=said, **sent)


@pytest.mark.parametrize("said", ["needed", "can-go", "unsure"])
def test_several_users_get_one_answer(everybody: cast.Cast, said: str) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(3)]

    answer = several(everybody, rows[:2], said)

    assert answer["Location"] == "/claim/payments/"
    assert set(Departure.objects.filter(answer=said)) == set(rows[:2])
    assert owing.open_cards(everybody.payments, clock.now()) == 1


def test_several_users_are_sent_on_to_one_team(everybody: cast.Cast) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(2)]
    several(everybody, rows, "not-ours", whose="platform")
    assert owing.open_cards(everybody.platform, clock.now()) == 2


def test_one_that_moved_meanwhile_is_named_and_the_others_are_answered(
    everybody: cast.Cast,
) -> None:
    rows = [suggested(everybody.payments, f"pay-{number}") for number in range(3)]
    changes.dispute(rows[1], everybody.sara, "x", clock.now().date() + timedelta(days=2))
    rows[1].version = 0
    sara = browser(everybody.sara)
    boxes = [f"{row.pk}.{row.version}" for row in rows]

    sent = {"users": boxes, "said": "can-go"}
    text = text_of(sara.post("/claim/payments/several/", sent, follow=True))

    assert Departure.objects.filter(answer="can-go").count() == 2
    assert "pay-1 was changed meanwhile" in text
    assert "Answered for 2 users." in text


@pytest.mark.parametrize(
    "sent",
    [
        {"said": "can-go"},
        {"said": "can-go", "users": ["x", "1", "²³.1", ".1"]},
        {"said": "delete", "users": "1.1"},
        {"said": "hand-over", "users": "1.1"},
        {"said": "dispute", "users": "1.1"},
    ],
)
def test_an_answer_about_nobody_or_without_what_it_needs_is_refused(
    everybody: cast.Cast, sent: dict[str, Any]
) -> None:
    suggested(everybody.payments, "pay-1")
    assert send(everybody.sara, "/claim/payments/several/", **sent).status_code == 422


def test_another_team_answers_for_nobody(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    sent = {"users": f"{row.pk}.{row.version}", "said": "ours"}
    assert send(everybody.priya, "/claim/payments/several/", **sent).status_code == 403
    row.refresh_from_db()
    assert row.owner is None


def test_the_page_says_until_when_and_the_contest(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    campaign = changes.start_campaign(everybody.jonas).campaign
    assert campaign is not None
    row = changes.claim(row, everybody.payments, everybody.sara)
    changes.claim(row, everybody.platform, everybody.priya)

    text = text_of(browser(everybody.sara).get("/claim/payments/"))

    day = campaign.deadline_at
    assert "You answer, until <time" in text
    assert f">{day:%a} {day.day} {day:%b}</time>. Access keeps working." in text
    assert "Platform says that it is theirs too." in text


def test_whoever_said_not_ours_may_say_whose(everybody: cast.Cast) -> None:
    row = suggested(everybody.payments, "pay-1")
    row = changes.not_ours(row, everybody.payments, everybody.sara)
    sara = browser(everybody.sara)
    assert "Whose is pay-1, do you think?" in text_of(sara.get("/claim/payments/"))

    sent = {"said": "not-ours", "whose": "platform", "version": row.version}
    sara.post(f"/claim/payments/{row.pk}/", sent)

    text = text_of(sara.get("/claim/payments/"))
    assert "Not yours. We will ask Platform." in text
    assert "Whose is pay-1, do you think?" not in text


def test_a_dispute_is_the_teams_that_was_asked_though_it_looks_like_anothers(
    everybody: cast.Cast,
) -> None:
    row = suggested(everybody.payments, "pay-1")
    row = changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    until = (clock.now().date() + timedelta(days=3)).isoformat()

    sent = {"said": "dispute", "reason": "x", "until": until, "version": row.version}
    browser(everybody.priya).post(f"/claim/platform/{row.pk}/", sent)

    row.refresh_from_db()
    assert row.disputed_by == everybody.priya
