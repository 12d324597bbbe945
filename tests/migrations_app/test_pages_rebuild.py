"""What is left of a deleted user: the page that says what is lost, and its files."""

from __future__ import annotations

import pytest

from inventory import clock
from migrations_app.models import Batch, Change, Departure, EmergencyStop, Holdings
from tests import cast
from tests.migrations_app import batch_rows as rows
from tests.migrations_app.browsing import address, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def gone(everybody: cast.Cast, state: str = "deleted", **columns: object) -> Departure:
    """A user of Payments whose holdings were saved before its fence."""
    departure = cast.departure("full.holder", state, everybody.payments, **columns)
    change = cast.change(departure, "disable", status=Change.Status.DONE)
    Holdings.objects.create(
        departure=departure,
        change=change,
        taken_at=clock.now(),
        document=cast.everything_held().document(),
    )
    return departure


@pytest.mark.parametrize("who", ["sara", "jonas", "mei", "ada"])
def test_who_may_see_holdings_reads_what_is_lost_and_gets_the_files(
    everybody: cast.Cast, who: str
) -> None:
    departure = gone(everybody)
    page = text_of(browser(getattr(everybody, who)).get(address(departure.user, "rebuild/")))
    for words in ("Lost for ever", "AIDAEVERYTHINGHELD00", "AKIA…0000", "The console password."):
        assert words in page
    assert "1 managed policy" not in page
    assert "2 managed policies." in page
    for form in ("?as=terraform", "?as=script"):
        assert f"holdings.json{form}" in page


@pytest.mark.parametrize("who", ["priya", "vera"])
def test_others_see_neither_page_nor_files(everybody: cast.Cast, who: str) -> None:
    departure = gone(everybody)
    client = browser(getattr(everybody, who))
    for path in ("rebuild/", "holdings.json", "holdings.json?as=terraform"):
        assert client.get(address(departure.user, path)).status_code == 403


def test_the_files_are_downloads_under_their_own_names(everybody: cast.Cast) -> None:
    departure = gone(everybody)
    client = browser(everybody.jonas)
    for form, name, begins in (
        ("terraform", "tf", "# Re-creates full.holder"),
        ("script", "sh", "#!/bin/sh"),
    ):
        answer = client.get(address(departure.user, f"holdings.json?as={form}"))
        assert (
            f'filename="rebuild-{departure.user.user_id}.{name}"'
            in answer.headers["Content-Disposition"]
        )
        assert text_of(answer).startswith(begins)


def test_a_user_that_is_there_has_nothing_to_rebuild(everybody: cast.Cast) -> None:
    departure = gone(everybody, "soaking")
    assert browser(everybody.jonas).get(address(departure.user, "rebuild/")).status_code == 422


def test_a_partly_deleted_user_says_that_its_name_is_taken(everybody: cast.Cast) -> None:
    departure = gone(everybody, "soaking", irreversible_at=clock.now())
    page = text_of(browser(everybody.jonas).get(address(departure.user, "rebuild/")))
    assert "its name is still taken" in page


def test_a_user_of_whom_nothing_was_saved_has_no_files(everybody: cast.Cast) -> None:
    departure = cast.departure("nothing.saved", "deleted", everybody.payments)
    assert browser(everybody.jonas).get(address(departure.user, "rebuild/")).status_code == 404


def test_the_page_of_a_deleted_user_leads_there(everybody: cast.Cast) -> None:
    departure = gone(everybody)
    where = address(departure.user, "rebuild/")
    assert where in text_of(browser(everybody.sara).get(address(departure.user)))
    assert where not in text_of(browser(everybody.vera).get(address(departure.user)))


# ── The stop: what it halted, and a restored database ────────────────────────────────────────────


def test_after_the_lift_each_halted_batch_is_resumed_there(everybody: cast.Cast) -> None:
    batch = rows.started(everybody, cast.departure("quiet.one", "disabled"))
    batch.changes.update(status="done")
    Batch.objects.filter(pk=batch.pk).update(status="done", resume_needed=True)
    page = text_of(browser(everybody.jonas).get("/stop/"))
    assert f'action="/batches/{batch.number}/resume/"' in page
    assert "1 shut to come" in page
    assert f'action="/batches/{batch.number}/resume/"' not in text_of(
        browser(everybody.sara).get("/stop/")
    )
    browser(everybody.jonas).post(f"/batches/{batch.number}/resume/")
    batch.refresh_from_db()
    assert not batch.resume_needed


def test_a_restored_database_is_reconciled_before_anybody_can_lift(everybody: cast.Cast) -> None:
    stop = EmergencyStop.objects.create(
        pulled_at=clock.now(), reason="The database was restored.", reconcile=True
    )
    page = text_of(browser(everybody.jonas).get("/stop/"))
    assert "manage.py reconcile --as USERNAME" in page
    assert 'action="/stop/lift/"' not in page
    assert browser(everybody.jonas).post("/stop/lift/", {"reason": "ok"}).status_code == 422
    departure = cast.departure("watched.one", "disabled")
    stop.reconciled_at, stop.reconciled_by = clock.now(), everybody.mei
    stop.differences = [
        {
            "account": cast.ACCOUNT_ID,
            "user_id": departure.user.user_id,
            "user_name": "<b>watched.one",
            "rows_say": "Disabled",
            "aws_shows": "not fenced, and not unfenced by us",
            "records": "",
        }
    ]
    stop.save()
    page = text_of(browser(everybody.jonas).get("/stop/"))
    assert "&lt;b&gt;watched.one" in page
    assert "Look at it by hand" in page
    assert 'action="/stop/lift/"' in page
    assert 'action="/stop/lift/"' not in text_of(browser(everybody.mei).get("/stop/"))
