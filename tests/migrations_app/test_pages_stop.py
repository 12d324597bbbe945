"""The emergency stop in the browser: one person pulls it, another lifts it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from inventory import clock
from inventory.models import Person
from migrations_app.models import Batch, Departure, EmergencyStop
from tests import cast
from tests.migrations_app import batch_rows as rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def pulled(everybody: cast.Cast) -> Any:
    return browser(everybody.jonas).post("/stop/", {"reason": "alarm in production"})


def test_looking_at_the_page_pulls_nothing(everybody: cast.Cast) -> None:
    assert b"Stop all writing to AWS?" in browser(everybody.jonas).get("/stop/").content
    assert not EmergencyStop.objects.exists()


def test_pulling_halts_what_runs_and_says_so_on_every_page(everybody: cast.Cast) -> None:
    rows.started(everybody, cast.departure("quiet", "owner-assigned"))

    assert pulled(everybody).status_code == 302

    assert Batch.objects.get().status == "paused"
    text = browser(everybody.vera).get("/soak/").content.decode()
    assert "Emergency stop." in text
    assert "alarm in production" in text


def test_pulling_needs_no_typing_but_takes_no_novel(everybody: cast.Cast) -> None:
    client = browser(everybody.jonas)
    assert client.post("/stop/", {"reason": "x" * 501}).status_code == 422
    assert not EmergencyStop.objects.exists()
    assert client.post("/stop/").status_code == 302
    assert EmergencyStop.objects.get().reason == ""


def test_pulling_twice_is_one_stop(everybody: cast.Cast) -> None:
    pulled(everybody)
    pulled(everybody)
    assert EmergencyStop.objects.count() == 1


def test_a_lead_may_not_pull_it(everybody: cast.Cast) -> None:
    client = browser(everybody.sara)
    assert b'<form method="post" action="/stop/"' not in client.get("/stop/").content
    assert client.post("/stop/", {"reason": "x"}).status_code == 403
    assert not EmergencyStop.objects.exists()


def test_whoever_pulled_it_does_not_lift_it(everybody: cast.Cast) -> None:
    pulled(everybody)
    client = browser(everybody.jonas)

    assert b"You pulled it, so somebody else lifts it." in client.get("/stop/").content
    assert client.post("/stop/lift/", {"reason": "mended"}).status_code == 403
    assert EmergencyStop.objects.get().lifted_at is None


def test_another_person_lifts_it_and_the_batch_waits_for_a_hand(everybody: cast.Cast) -> None:
    rows.started(everybody, cast.departure("quiet", "owner-assigned"))
    pulled(everybody)

    browser(everybody.mei).post("/stop/lift/", {"reason": "mended"})

    stop = EmergencyStop.objects.get()
    assert (stop.lifted_by, stop.lift_reason) == (everybody.mei, "mended")
    assert Batch.objects.get().status == "paused"


@pytest.mark.parametrize(
    ("move", "columns", "said"),
    [
        ("disable", {"status": "done"}, "1 shut to come"),
        ("disable", {"status": "failed"}, "1 failed user"),
        ("delete", {"status": "failed", "irreversible_at": clock.now()}, "1 deletion to finish"),
    ],
)
def test_a_batch_that_has_ended_is_halted_by_what_it_owes_and_not_called_done(
    everybody: cast.Cast, move: str, columns: dict[str, Any], said: str
) -> None:
    state = "soaking" if move == "delete" else "disabled"
    batch = rows.started(everybody, cast.departure("quiet", state), move=move)
    batch.changes.update(**columns)
    Batch.objects.update(status="done", resume_needed=True)
    vera = browser(everybody.vera)

    text = vera.get("/stop/").content.decode()

    assert "Batches that are halted" in text
    assert f"production, {said}</span>" in text
    assert ">Done<" not in text
    assert b"Halted by the emergency stop" in vera.get(f"/batches/{batch.number}/").content


def test_a_batch_that_owes_nothing_any_more_is_not_halted(everybody: cast.Cast) -> None:
    batch = rows.started(everybody, cast.departure("quiet", "disabled"))
    batch.changes.update(status="done")
    Batch.objects.update(status="done", resume_needed=True)
    Departure.objects.update(state="soaking")
    jonas = browser(everybody.jonas)

    assert b"Batch #" not in jonas.get("/stop/").content
    page = jonas.get(f"/batches/{batch.number}/").content
    assert b"Halted by the emergency stop" not in page
    assert b"Resume" not in page


def test_a_stop_does_not_halt_the_batch_of_an_earlier_fence(everybody: cast.Cast) -> None:
    fenced = cast.departure("quiet", "disabled")
    for number in (3, 9):
        batch = rows.started(everybody, fenced, number=number, status="done")
        batch.changes.update(status="done")

    pulled(everybody)

    marked = Batch.objects.filter(resume_needed=True)
    assert list(marked.values_list("number", flat=True)) == [9]


def test_lifting_what_is_not_pulled_is_stale(everybody: cast.Cast) -> None:
    assert browser(everybody.mei).post("/stop/lift/", {"reason": "mended"}).status_code == 409


def test_a_reason_stays_text(everybody: cast.Cast) -> None:
    browser(everybody.jonas).post("/stop/", {"reason": "<script>alert(1)</script>"})

    text = browser(everybody.mei).get("/stop/").content.decode()

    assert "<script>alert(1)</script>" not in text
    assert "&lt;script&gt;alert(1)" in text
