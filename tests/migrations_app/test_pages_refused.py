"""What was refused says what is missing, and keeps the form with what was typed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from inventory import clock
from migrations_app.models import EmergencyStop, Hit, Plan
from tests import cast
from tests.migrations_app import batch_rows as rows
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db


def of_hit(everybody: cast.Cast, action: str) -> str:
    hit = cast.hit(cast.departure("called", "disabled", everybody.payments))
    return f"/hits/{hit.pk}/{action}/"


def of_stop(everybody: cast.Cast) -> str:
    EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now())
    return "/stop/lift/"


def of_plan(everybody: cast.Cast) -> str:
    departure = cast.departure("quiet", "owner-assigned", everybody.payments)
    plan = Plan.objects.create(departure=departure, target="eks", drafted_at=clock.now())
    return f"/plans/{plan.pk}/comment/"


def of_batch(everybody: cast.Cast, action: str) -> str:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    batch.asked_by = everybody.mei
    batch.save()
    return f"/batches/{batch.number}/{action}/"


CASES: dict[str, tuple[Callable[[cast.Cast], str], str, str, str]] = {
    "dismiss": (lambda all_: of_hit(all_, "dismiss"), "reason", "  ", "Say why, in a few words."),
    "caller fixed": (lambda all_: of_hit(all_, "fixed"), "reason", "x" * 501, "500 characters"),
    "lift": (of_stop, "reason", "  ", "Say why, in a few words."),
    "plan": (of_plan, "text", " ", "Write something first."),
    "a long comment": (of_plan, "text", "y" * 2001, "2000 characters"),
    "batch": (lambda all_: of_batch(all_, "comment"), "text", " ", "Write something first."),
    "send back": (lambda all_: of_batch(all_, "send-back"), "reason", "", "Say why, in a few"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refused_form_says_what_is_missing_and_is_sent_again_from_there(case: str) -> None:
    everybody = cast.cast()
    make, name, typed, says = CASES[case]
    path, jonas = make(everybody), browser(everybody.jonas)

    answer = jonas.post(path, {name: typed}, headers={"Referer": "http://testserver/soak/"})

    page = text_of(answer)
    assert answer.status_code == 422
    assert says in page
    [area] = re.findall(rf'<textarea [^>]*name="{name}"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert html.unescape(area) == typed
    assert f'action="{path}"' in page
    assert 'href="http://testserver/soak/">Go back' in page
    # What is mended there goes the way of any other.
    mended = {name: "Mended.", "back-to": "http://testserver/soak/"}
    assert jonas.post(path, mended).status_code == 302
    assert not Hit.objects.filter(closed="").exists()


def test_no_way_chosen_is_said_in_words() -> None:
    everybody = cast.cast()
    answer = browser(everybody.sara).post(of_plan(everybody).replace("comment", "way"))
    assert answer.status_code == 422
    assert "Choose another way from the list first." in text_of(answer)
