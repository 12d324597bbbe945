"""One hit and its three ways out; restoring and extending one user."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from inventory import clock
from inventory.models import LedgerEntry, Person, TrailGap
from inventory.templatetags.times import day_text
from migrations_app import dates
from migrations_app.models import Change, Departure, Hit, Notice
from tests import cast
from tests.migrations_app import batch_rows as rows

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def called(everybody: cast.Cast) -> Hit:
    """An open hit on a watched user of Payments."""
    return cast.hit(cast.departure("called", "disabled", everybody.payments))


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def address(departure: Departure, action: str) -> str:
    return f"/users/{cast.ACCOUNT_ID}/{departure.user.user_id}/{action}/"


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


# ── Hits ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_engineer_is_offered_all_three_ways(everybody: cast.Cast, called: Hit) -> None:
    text = text_of(browser(everybody.jonas).get(f"/hits/{called.pk}/"))

    assert f"/hits/{called.pk}/dismiss/" in text
    assert f"/hits/{called.pk}/fixed/" in text
    assert address(called.departure, "restore") in text


def test_who_called_from_where_and_with_what_is_for_the_owner_and_security(
    everybody: cast.Cast, called: Hit
) -> None:
    called.details = {
        "who": "called",
        "where": "198.51.100.24",
        "with": "aws-cli/2.15 acme-laptop-17",
        "key": "AKIAIOSFODNN7EXAMPLE",
    }
    called.save()
    for person, sees in (
        (everybody.jonas, True),
        (everybody.vera, False),
        (everybody.priya, False),
    ):
        text = text_of(browser(person).get(f"/hits/{called.pk}/"))
        assert ("acme-laptop-17" in text, "198.51.100.24" in text) == (sees, sees)
        assert "AKIAIOSFODNN7EXAMPLE" not in text


def test_each_caller_is_shown_to_whom_it_may_be(everybody: cast.Cast, called: Hit) -> None:
    cast.caller(called)
    cast.caller(called, "198.51.100.99", what="ec2:RunInstances", count=4)
    for person, sees in ((everybody.sara, True), (everybody.vera, False)):
        text = text_of(browser(person).get(f"/hits/{called.pk}/"))
        assert "2 callers" in text
        assert "all 2" not in text
        assert "ec2:RunInstances" in text
        assert ("198.51.100.24" in text, "198.51.100.99" in text) == (sees, sees)
        assert "AKIAIOSFODNN7OTHER" not in text


def test_a_sign_in_and_the_calls_of_its_session_are_one_caller(
    everybody: cast.Cast, called: Hit
) -> None:
    place = {"where": "198.51.100.24", "with": "Mozilla/5.0"}
    cast.caller(called, "sign-in", what="signin:ConsoleLogin", details=place)
    cast.caller(called, "session", what="ec2:DescribeInstances", details=place | {"key": "session"})
    board, page = (
        text_of(browser(everybody.jonas).get(one)) for one in ("/soak/", f"/hits/{called.pk}/")
    )
    for text in (board, page):
        assert "was called" in text
        assert "2 callers" not in text
    assert ">One caller</h2>" in page

    # A last-used time tells no place: it may be the same caller, and is not counted as another.
    cast.caller(called, "used", source="last-used", what="console password used", details={})
    page = text_of(browser(everybody.jonas).get(f"/hits/{called.pk}/"))
    assert "One caller, and a use from where is not known" in page
    assert "this is about all of them" in page


def test_what_could_not_be_heard_is_said_on_the_board_and_on_the_users_page(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("quiet", "disabled", everybody.payments, lengthened_by=timedelta(hours=3))
    now = clock.now()
    gap = TrailGap.objects.create(
        user=row.user,
        region="eu-west-1",
        from_at=now - timedelta(hours=5),
        until_at=now - timedelta(hours=2),
        read_from=now - timedelta(days=80),
        why="<b>An event</b> cannot be read.",
    )
    client = browser(everybody.jonas)
    page = f"/users/{cast.ACCOUNT_ID}/{row.user.user_id}/"
    assert "not heard in eu-west-1" in text_of(client.get("/soak/"))
    text = text_of(client.get(page))
    assert "It is tried again and holds the user" in text
    assert "&lt;b&gt;An event" in text
    gap.lost_at = now
    gap.save()
    assert "3 h longer, not heard" in text_of(client.get("/soak/"))
    text = text_of(client.get(page))
    assert "cannot be read any more" in text
    assert "Its clock runs 3 h longer" in text


def test_a_lead_of_the_owner_may_restore_and_fix_but_not_dismiss(
    everybody: cast.Cast, called: Hit
) -> None:
    text = text_of(browser(everybody.sara).get(f"/hits/{called.pk}/"))

    assert f"/hits/{called.pk}/fixed/" in text
    assert f"/hits/{called.pk}/dismiss/" not in text


def test_a_lead_of_another_team_may_do_nothing(everybody: cast.Cast, called: Hit) -> None:
    client = browser(everybody.priya)

    assert f"/hits/{called.pk}/fixed/" not in text_of(client.get(f"/hits/{called.pk}/"))
    assert client.post(f"/hits/{called.pk}/fixed/").status_code == 403
    assert client.post(f"/hits/{called.pk}/dismiss/", {"reason": "x"}).status_code == 403
    called.refresh_from_db()
    assert called.closed == ""


def test_dismissing_needs_a_reason(everybody: cast.Cast, called: Hit) -> None:
    answer = browser(everybody.jonas).post(f"/hits/{called.pk}/dismiss/")

    assert answer.status_code == 422
    assert "Say why" in text_of(answer)
    called.refresh_from_db()
    assert called.closed == ""


def test_dismissing_leaves_the_clock_alone(everybody: cast.Cast, called: Hit) -> None:
    before = called.departure.clock_started_at

    answer = browser(everybody.jonas).post(f"/hits/{called.pk}/dismiss/", {"reason": "a scanner"})

    assert answer["Location"] == "/soak/"
    called.refresh_from_db()
    assert (called.closed, called.closed_reason) == ("dismissed", "a scanner")
    assert Departure.objects.get().clock_started_at == before


def test_a_fixed_caller_starts_the_clock_again(everybody: cast.Cast, called: Hit) -> None:
    browser(everybody.sara).post(f"/hits/{called.pk}/fixed/", {"reason": "new role"})

    called.refresh_from_db()
    assert called.closed == "fixed"
    started = Departure.objects.get().clock_started_at
    assert started is not None
    assert clock.now() - started < timedelta(minutes=1)


def test_a_hit_that_was_closed_meanwhile_is_stale(everybody: cast.Cast, called: Hit) -> None:
    client = browser(everybody.jonas)
    client.post(f"/hits/{called.pk}/dismiss/", {"reason": "a scanner"})

    assert client.post(f"/hits/{called.pk}/dismiss/", {"reason": "again"}).status_code == 409
    called.refresh_from_db()
    assert called.closed_reason == "a scanner"


def test_a_knock_offers_nothing_to_decide(everybody: cast.Cast) -> None:
    knock = cast.hit(cast.departure("called", "disabled"), kind=Hit.Kind.KNOCK)

    text = text_of(browser(everybody.jonas).get(f"/hits/{knock.pk}/"))

    assert "It holds nothing." in text
    assert "/dismiss/" not in text


def test_an_unknown_hit_is_not_found(everybody: cast.Cast) -> None:
    client = browser(everybody.jonas)
    assert client.get("/hits/999/").status_code == 404
    assert client.post("/hits/999/dismiss/", {"reason": "x"}).status_code == 404


# ── Restore ──────────────────────────────────────────────────────────────────────────────────────


def test_the_restore_page_says_what_comes_back_before_the_click(
    everybody: cast.Cast, called: Hit
) -> None:
    batch = rows.started(everybody, called.departure)
    rows.call(batch.changes.get(), params={"PolicyArn": cast.FENCE})

    text = text_of(browser(everybody.sara).get(address(called.departure, "restore")))

    assert "The deny is taken off." in text
    assert "Nothing was lost" in text
    assert not Change.objects.filter(move="restore").exists()


def test_what_cannot_come_back_is_said_with_the_command(everybody: cast.Cast, called: Hit) -> None:
    batch = rows.started(everybody, called.departure)
    rows.call(batch.changes.get(), "DeleteLoginProfile", target="called")

    text = text_of(browser(everybody.sara).get(address(called.departure, "restore")))

    assert "The old password cannot come back." in text
    assert "aws iam create-login-profile" in text


def test_restoring_asks_for_one_restore_however_often_it_is_clicked(
    everybody: cast.Cast, called: Hit
) -> None:
    client, path = browser(everybody.sara), address(called.departure, "restore")

    client.post(path, {"reason": "monthly report"})
    answer = client.post(path, {"reason": "monthly report"})

    assert answer["Location"] == path
    restore = Change.objects.get(move="restore")
    assert (restore.requested_by, restore.reason) == (everybody.sara, "monthly report")


def test_a_running_restore_is_polled_until_it_ends(everybody: cast.Cast, called: Hit) -> None:
    client, path = browser(everybody.sara), address(called.departure, "restore")
    client.post(path)
    assert 'hx-trigger="every 2s"' in text_of(client.get(path))

    Change.objects.update(status="done", finished_at=clock.now())
    Departure.objects.update(state="owner-assigned")

    answer = client.get(path, headers=HTMX)
    assert answer.status_code == 286
    assert "<html" not in text_of(answer)
    assert "Restored, " in text_of(answer)


def test_a_failed_restore_can_be_tried_again(everybody: cast.Cast, called: Hit) -> None:
    client, path = browser(everybody.jonas), address(called.departure, "restore")
    client.post(path)
    Change.objects.update(status="failed", error="AWS refused DetachUserPolicy.")

    text = text_of(client.get(path))
    client.post(path)

    assert "Not restored." in text
    assert "Try again" in text
    assert Change.objects.get().status == "queued"


def test_only_its_lead_or_security_may_restore(everybody: cast.Cast, called: Hit) -> None:
    path = address(called.departure, "restore")

    assert browser(everybody.vera).post(path).status_code == 403
    answer = browser(everybody.priya).post(path)

    assert answer.status_code == 403
    assert "This belongs to another team. Ask Sara Lindqvist for access." in text_of(answer)
    assert not Change.objects.exists()


def test_a_user_with_access_has_nothing_to_restore(everybody: cast.Cast) -> None:
    path = address(cast.departure("fine", "owner-assigned"), "restore")
    client = browser(everybody.jonas)

    assert "There is nothing to restore" in text_of(client.get(path))
    assert client.post(path).status_code == 422


def test_a_user_that_is_none_is_not_found(everybody: cast.Cast) -> None:
    client = browser(everybody.jonas)
    for action in ("restore", "extend", "finish-deleting", "stop-and-rebuild"):
        assert client.get(f"/users/{cast.ACCOUNT_ID}/AIDANOBODY/{action}/").status_code == 404


# ── Extend ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ("2026-02-20", "2 Apr"),
        ("2026-04-01", "2 Apr"),
        ("2026-04-02", "2 Jul"),
        ("2025-10-05", "2 Jan"),
    ],
)
def test_a_day_after_the_close_of_a_quarter_is_suggested(today: str, said: str) -> None:
    day = dates.after_quarter_close(date.fromisoformat(today))
    assert f"{day:%-d %b}" == said


def test_extending_suggests_a_day_that_may_be_chosen(
    everybody: cast.Cast, called: Hit, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = address(called.departure, "extend")
    soon = clock.now().date() + timedelta(days=30)
    monkeypatch.setattr(dates, "after_quarter_close", lambda _: soon)
    assert "after quarter close" in text_of(browser(everybody.jonas).get(where))
    late = clock.now().date() + timedelta(days=91)
    monkeypatch.setattr(dates, "after_quarter_close", lambda _: late)
    assert "after quarter close" not in text_of(browser(everybody.jonas).get(where))


def test_extending_twice_is_recorded_once_and_another_persons_word_beside_it(
    everybody: cast.Cast, called: Hit
) -> None:
    until = clock.now().date() + 30 * DAY
    entries = LedgerEntry.objects.filter(kind="clock.extended")
    for person, reason, recorded in (
        (everybody.sara, "quarter", 1),
        (everybody.sara, "quarter", 1),
        (everybody.sara, "audit", 2),
        (everybody.jonas, "audit", 3),
        (everybody.sara, "audit", 4),
    ):
        path = address(called.departure, "extend")
        assert browser(person).post(path, {"until": until, "reason": reason}).status_code == 302
        assert entries.count() == recorded
    # The owner and the engineers, once each.
    told = Notice.objects.filter(kind="extended").values_list("team__key", "role")
    assert set(told) == {("payments", ""), (None, "engineer")}
    assert told.count() == 2


def test_extending_holds_a_user_until_that_day(everybody: cast.Cast, called: Hit) -> None:
    until = (clock.now() + 20 * DAY).date()

    answer = browser(everybody.sara).post(
        address(called.departure, "extend"), {"until": until, "reason": "quarter close"}
    )

    assert answer.status_code == 302
    row = Departure.objects.get()
    assert row.not_before is not None
    assert (row.not_before.date(), row.not_before_reason) == (until, "quarter close")


def test_a_date_that_is_none_comes_back_beside_its_field(everybody: cast.Cast, called: Hit) -> None:
    answer = browser(everybody.sara).post(
        address(called.departure, "extend"), {"until": "soon", "reason": "quarter close"}
    )

    assert answer.status_code == 422
    text = text_of(answer)
    assert "Write the date as 2025-04-02." in text
    assert 'value="quarter close"' in text


def test_ninety_days_from_disabling_is_the_end(everybody: cast.Cast, called: Hit) -> None:
    far = (clock.now() + 100 * DAY).date()

    answer = browser(everybody.sara).post(
        address(called.departure, "extend"), {"until": far, "reason": "quarter close"}
    )

    assert answer.status_code == 422
    assert Departure.objects.get().not_before is None
    text = text_of(answer)
    assert "Choose an earlier day" in text
    assert 'value="quarter close"' in text


# ── After the point of no return ─────────────────────────────────────────────────────────────────


@pytest.fixture
def half(everybody: cast.Cast) -> Departure:
    """A delete that broke off after its first final call."""
    row = cast.departure("half", "soaking", irreversible_at=clock.now())
    batch = rows.started(everybody, row, move="delete")
    batch.changes.update(status="failed", irreversible_at=clock.now(), error="AWS refused it.")
    return row


def test_a_partly_deleted_user_is_finished_by_an_engineer(
    everybody: cast.Cast, half: Departure
) -> None:
    client, path = browser(everybody.jonas), address(half, "finish-deleting")
    assert "AWS refused it." in text_of(client.get(path))

    client.post(path)

    assert Change.objects.get().status == "queued"


def test_a_lead_may_not_finish_a_delete(everybody: cast.Cast, half: Departure) -> None:
    client = browser(everybody.sara)
    assert client.post(address(half, "finish-deleting")).status_code == 403
    assert client.post(address(half, "stop-and-rebuild")).status_code == 403
    assert Change.objects.get().status == "failed"


def test_stopping_leaves_it_fenced(everybody: cast.Cast, half: Departure) -> None:
    change = Change.objects.get()
    change.holdings.create(departure=half, taken_at=clock.now(), document={})

    browser(everybody.jonas).post(address(half, "stop-and-rebuild"))

    assert Change.objects.get().status == "withdrawn"
    assert Departure.objects.get().state == "soaking"


def test_what_was_held_is_handed_to_who_may_see_it(everybody: cast.Cast, half: Departure) -> None:
    path = f"/users/{cast.ACCOUNT_ID}/{half.user.user_id}/holdings.json"
    assert browser(everybody.jonas).get(path).status_code == 404

    Change.objects.get().holdings.create(
        departure=half, taken_at=clock.now(), document={"groups": ["data"]}
    )

    assert browser(everybody.jonas).get(path).json()["holdings"] == {"groups": ["data"]}
    assert browser(everybody.sara).get(path).status_code == 403
    assert browser(everybody.vera).get(path).status_code == 403


def test_a_whole_user_has_nothing_to_finish(everybody: cast.Cast, called: Hit) -> None:
    answer = browser(everybody.jonas).get(address(called.departure, "finish-deleting"))
    assert answer.status_code == 422


def test_whoever_asks_for_less_than_is_granted_reads_how_long_it_really_is(
    everybody: cast.Cast, called: Hit
) -> None:
    late, soon = ((clock.now() + days * DAY).date() for days in (40, 10))
    sara = browser(everybody.sara)
    where = address(called.departure, "extend")
    sara.post(where, {"until": late, "reason": "quarter close"}, follow=True)

    text = text_of(sara.post(where, {"until": soon, "reason": "a release"}, follow=True))

    assert f"stays as it is until {day_text(late, clock.now())}" in text
    called.departure.refresh_from_db()
    assert called.departure.not_before_reason == "quarter close"
    told = Notice.objects.filter(kind="extended").latest("pk")
    assert told.title.endswith(f"is held until {late:%d %b}")
    entries = LedgerEntry.objects.filter(kind="clock.extended")
    assert {one.data["until"][:10] for one in entries} == {late.isoformat()}
