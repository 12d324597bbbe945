"""What owners hear of a batch: each stage once, in one thread, with what to look at and to do."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest

from inventory import clock
from inventory.policy import notice_over_at
from migrations_app import changes
from migrations_app.changes import running
from migrations_app.changes.checking import policy_of_batch
from migrations_app.changes.sweep import start_what_is_due, sweep
from migrations_app.models import Batch, Change, Departure, Notice
from migrations_app.outgoing import announcing, notices
from tests import cast
from tests.migrations_app import batch_rows as rows
from tests.migrations_app.browsing import browser, text_of
from tests.migrations_app.stage import Stage

pytestmark = pytest.mark.django_db
BOARDS = [{"name": "Grafana", "url": "https://grafana.acme.example/d/prod"}]


def told(batch: Batch, kind: str) -> list[Notice]:
    return list(batch.notices.filter(kind=kind).exclude(team=None).order_by("pk"))


@pytest.fixture
def two(stage: Stage) -> list[Departure]:
    """One user of Payments, one of Platform."""
    people = stage.people
    return [stage.user("ci-pay-old"), stage.user("ci-plat-old", owner=people.platform)]


def test_each_owner_hears_of_its_own_users_before_at_the_start_and_at_the_end(
    stage: Stage, two: list[Departure]
) -> None:
    batch = stage.started("disable", two)
    stage.work(batch)
    for kind in ("announce", "started", "finished"):
        notices = told(batch, kind)
        assert [str(one.team) for one in notices] == ["Payments", "Platform"]
        assert [list(one.departures.all()) for one in notices] == [[row] for row in two]
        assert {one.thread for one in notices} == {announcing.thread(batch)}
    assert [one.closes for one in told(batch, "finished")] == [True, True]
    assert "1 of Payments disabled, 0 failed, 0 left out" in told(batch, "finished")[0].title


def test_no_stage_is_told_twice(stage: Stage, two: list[Departure]) -> None:
    batch = stage.started("disable", two)
    stage.work(batch)
    before = batch.notices.count()
    for _ in range(2):
        sweep()
        running.run_batch(batch.pk)
    assert batch.notices.count() == before


def test_the_start_names_the_dashboards_to_look_at(stage: Stage, two: list[Departure]) -> None:
    account = stage.people.account
    account.dashboards = BOARDS
    account.save()
    notice = told(stage.started("disable", two), "started")[0]
    assert "Look at Grafana now" in notice.text
    assert notice.links == BOARDS


def test_the_end_says_who_failed_and_why(stage: Stage, two: list[Departure]) -> None:
    batch = stage.started("disable", two)
    stage.fault("access-denied", "AttachUserPolicy", match={"UserName": "ci-pay-old"}, count=None)
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    stage.simulator.faults.clear()
    changes.abort(batch, stage.people.jonas)
    notice = told(batch, "aborted")[0]
    assert "0 users of Payments had been disabled" in notice.text


@pytest.mark.parametrize("how", ["withdrawn", "sent back", "lapsed"])
def test_whoever_was_told_hears_that_it_does_not_come(
    stage: Stage, two: list[Departure], how: str
) -> None:
    batch = stage.asked("disable", two)
    if how == "withdrawn":
        changes.withdraw(batch, stage.people.jonas)
    elif how == "sent back":
        changes.send_back(batch, stage.people.mei, "One of them is needed.")
    else:
        batch = changes.approve(batch, stage.people.mei, batch.digest)
        stage.skip(days=9)
        start_what_is_due()
    assert [str(one.team) for one in told(batch, "called-off")] == ["Payments", "Platform"]
    assert "Nothing was changed." in told(batch, "called-off")[0].text


def test_what_is_asked_anew_is_told_anew(stage: Stage, two: list[Departure]) -> None:
    batch = stage.asked("disable", two)
    changes.withdraw(batch, stage.people.jonas)
    stage.skip(minutes=1)
    changes.ask(batch, stage.people.jonas)
    changes.withdraw(batch, stage.people.jonas)
    assert len(told(batch, "announce")) == len(told(batch, "called-off")) == 4


def test_a_message_that_reached_nobody_is_brought_up_again_once(
    stage: Stage, two: list[Departure]
) -> None:
    batch = changes.ask(stage.draft("disable", two), stage.people.jonas)
    announcing.remind()
    assert len(told(batch, "announce")) == 2
    stage.skip(hours=25)
    for _ in range(3):
        announcing.remind()
        stage.skip(hours=25)
    again = told(batch, "announce")
    assert len(again) == 4
    assert again[2].title.startswith("Please open this:")
    assert batch.notices.filter(kind="unreached").count() == 2


def test_a_reminder_that_was_opened_reaches_its_team(stage: Stage, two: list[Departure]) -> None:
    batch = changes.ask(stage.draft("disable", two), stage.people.jonas)
    assert batch.asked_at is not None
    stage.skip(hours=25)
    announcing.remind()
    for notice in told(batch, "announce")[2:]:
        assert notice.team is not None
        notices.open_notice(notice, notice.team.leads().get())
    assert notices.unreached(batch) == []
    over = notices.notice_over(batch, policy_of_batch(batch))
    assert over is not None
    assert over > batch.asked_at + timedelta(hours=25)


def test_the_message_says_how_when_and_for_how_long_it_can_be_undone(
    stage: Stage, two: list[Departure]
) -> None:
    organization = cast.organization(stage.people.security)
    organization.policy = {**organization.policy, "watch": "2d", "soak": "10d", "notice": "2d"}
    organization.save()
    batch = stage.asked("disable", two, method="shut")
    text = told(batch, "announce")[0].text
    assert "at least 12 days" not in text, "what is shut at once is not watched"
    assert "at least 10 days; an old password does not come back" in text
    assert "denied and logged" not in text
    policy = policy_of_batch(batch)
    earliest = notice_over_at(clock.now(), policy, batch.account.time_zone)
    assert f"It begins on {earliest:%a %-d %b}" in text


def test_the_approver_reads_how_many_are_asked_for(stage: Stage, two: list[Departure]) -> None:
    nobodys = stage.user("ci-ghost-old", owner=cast.team("ghost"))
    batch = changes.ask(stage.draft("disable", [*two, nobodys]), stage.people.jonas)
    assert batch.notices.get(kind="approve").title.endswith("disable 2 users in production")


def test_a_user_that_changes_owner_does_not_hold_up_the_others(
    stage: Stage, two: list[Departure]
) -> None:
    mine, moved = two
    batch = stage.approved("disable", two)
    changes.assign(Departure.objects.get(pk=moved.pk), stage.people.security, stage.people.jonas)
    assert notices.unreached(batch) == []
    start_what_is_due()
    stage.work(batch)
    ended = dict(batch.changes.values_list("departure__pk", "status"))
    assert ended == {mine.pk: Change.Status.DONE, moved.pk: Change.Status.LEFT_OUT}


def test_the_day_before_each_owner_hears_once_more(stage: Stage, two: list[Departure]) -> None:
    batch = stage.approved("disable", two)
    Batch.objects.filter(pk=batch.pk).update(window_from=clock.now() + timedelta(days=2))
    announcing.tomorrow()
    assert told(batch, "tomorrow") == []
    stage.skip(hours=25)
    for _ in range(2):
        announcing.tomorrow()
    assert [str(one.team) for one in told(batch, "tomorrow")] == ["Payments", "Platform"]
    assert "dispute it" in told(batch, "tomorrow")[0].text


def test_a_hit_belongs_to_the_thread_of_the_batch_it_went_off_with(stage: Stage) -> None:
    departure = stage.user("ci-pay-old")
    stage.fenced(departure)
    stage.skip(hours=1)
    stage.act("call", departure, region="us-east-1", ip="203.0.113.8")
    stage.skip(hours=1)
    stage.listen()
    batch = departure.changes.get(move="disable").batch
    assert batch is not None
    notice = Notice.objects.get(kind="hit", team=stage.people.payments)
    assert notice.thread == announcing.thread(batch)


def test_what_owners_will_read_is_shown_before_anybody_is_asked(
    stage: Stage, two: list[Departure]
) -> None:
    people = stage.people
    batch = rows.draft(people, *two, message="It was agreed on Tuesday.")
    titles, text = announcing.preview(batch, people.jonas, two)
    page = browser(people.jonas).get(f"/batches/{batch.number}/")
    shown = html.unescape(text_of(page))

    Batch.objects.filter(pk=batch.pk).update(asked_by=people.jonas, asked_at=clock.now())
    batch.changes.update(status=Change.Status.ASKED)
    batch.refresh_from_db()
    announcing.asked(batch)

    sent = told(batch, "announce")
    assert [one.title for one in sent] == titles
    assert {one.text for one in sent} == {f"{text}\n\nIt was agreed on Tuesday."}
    assert all(part in shown for part in (*titles, *text.split("\n\n")))


def test_who_may_not_ask_is_shown_no_message(stage: Stage, two: list[Departure]) -> None:
    batch = rows.draft(stage.people, *two)

    page = text_of(browser(stage.people.vera).get(f"/batches/{batch.number}/"))

    assert "What they will read" not in page


@pytest.mark.parametrize(
    ("zone", "said"),
    [("UTC", "UTC at the earliest"), ("Asia/Tokyo", " JST (")],
)
def test_a_time_is_told_in_the_accounts_zone_and_in_utc_once(
    stage: Stage, two: list[Departure], zone: str, said: str
) -> None:
    stage.people.account.time_zone = zone
    stage.people.account.save()
    batch = rows.draft(stage.people, *two)

    _, text = announcing.preview(batch, stage.people.jonas, two)

    assert said in text
    assert text.count("UTC") == 1
