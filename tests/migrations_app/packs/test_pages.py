"""The page of evidence packs: asking, watching it being built, downloading, and the key to pin."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from inventory import clock, ledger
from inventory.pack import signing
from migrations_app import packs
from migrations_app.models import EvidencePack
from tests import cast
from tests.cast import Cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of
from tests.migrations_app.packs import packing

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Cast:
    return cast.cast()


@pytest.fixture
def vera(people: Cast) -> Client:
    return browser(people.vera)


def chosen(**more: Any) -> dict[str, Any]:
    today = clock.now().date()
    return {
        "from_day": (today - timedelta(days=3)).isoformat(),
        "until_day": today.isoformat(),
        "contents": ["users", "deletions"],
    } | more


def test_the_form_begins_with_all_days_and_without_names(vera: Client) -> None:
    ledger.append("first.entry")
    page = text_of(vera.get("/log/packs/"))
    today = clock.now().date().isoformat()
    assert page.count(f'value="{today}"') == 2
    assert 'name="with_names">' in page
    assert page.count('name="contents"') == page.count("checked><span") == len(packs.CHOICES)
    assert "No evidence pack yet" in page


def test_asking_leads_back_to_the_page_which_shows_the_progress(vera: Client, people: Cast) -> None:
    answer = vera.post("/log/packs/", chosen(with_names="on"), follow=True)
    assert answer.redirect_chain == [("/log/packs/", 302)]
    pack = EvidencePack.objects.get()
    assert (pack.asked_by, pack.contents, pack.with_names) == (
        people.vera,
        ["users", "deletions"],
        True,
    )
    page = text_of(answer)
    assert "Being built for Vera Nowak" in page
    assert "You can leave this page" in page
    assert 'hx-trigger="every 2s"' in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"from_day": ""}, "Say with which day it begins."),
        ({"until_day": "soon"}, "To is no day."),
        ({"until_day": "2999-01-01"}, "The last day has not come yet."),
        ({"until_day": "2001-01-01"}, "The last day is before the first one."),
        ({"contents": []}, "Choose at least one thing"),
        ({"contents": ["secrets"]}, "A pack cannot hold that."),
        ({"account": "000000000000"}, "There is no such account here."),
    ],
)
def test_what_cannot_be_built_is_said_beside_the_form_with_what_was_typed(
    vera: Client, wrong: dict[str, Any], said: str
) -> None:
    answer = vera.post("/log/packs/", chosen(with_names="on", **wrong))
    assert answer.status_code == 422
    page = text_of(answer)
    assert said in page
    assert 'name="with_names" checked' in page
    assert not EvidencePack.objects.exists()


def test_a_second_one_meanwhile_is_refused_beside_the_form(vera: Client, people: Cast) -> None:
    packing.asked(people.vera)
    answer = vera.post("/log/packs/", chosen())
    assert answer.status_code == 422
    assert "still being built" in text_of(answer)


def test_a_form_that_is_sent_twice_asks_for_one(vera: Client) -> None:
    for _ in range(2):
        answer = vera.post("/log/packs/", chosen(), follow=True)
        assert answer.redirect_chain == [("/log/packs/", 302)]
    assert EvidencePack.objects.count() == 1


def test_polling_answers_only_what_is_new_and_stops_with_a_toast(
    vera: Client, people: Cast
) -> None:
    pack = packing.asked(people.vera)
    packs.build(pack.pk, seconds=0)
    page = vera.get("/log/packs/")
    mark = page.context["mark"]
    again = f"/log/packs/?mark={mark}&own={pack.pk}"
    assert vera.get(again, headers=HTMX).status_code == 204
    packs.build(pack.pk, seconds=0)
    moved = vera.get(again, headers=HTMX)
    assert moved.status_code == 200
    assert "<html" not in text_of(moved)
    assert "HX-Request" in moved["Vary"]
    packing.work(pack)
    ended = vera.get(again, headers=HTMX)
    assert ended.status_code == 286
    toast = json.loads(ended["HX-Trigger"])["toast"]
    assert toast["text"] == "Your evidence pack is ready."
    assert toast["link"] == f"/log/packs/{pack.pk}/download/"
    assert "every 2s" not in text_of(ended)


def test_somebody_elses_pack_makes_no_toast(vera: Client, people: Cast) -> None:
    pack = packing.asked(people.jonas)
    packing.work(pack)
    ended = vera.get(f"/log/packs/?mark=x&own={pack.pk}", headers=HTMX)
    assert "HX-Trigger" not in ended


def test_a_ready_pack_is_downloaded_whole_by_whoever_may(vera: Client, people: Cast) -> None:
    own = packing.work(packing.asked(people.vera))
    address = f"/log/packs/{own.pk}/download/"
    assert address in text_of(vera.get("/log/packs/"))
    answer = vera.get(address)
    content = b"".join(answer)
    assert content == packing.bytes_of(own)
    assert answer["Content-Length"] == str(len(content))
    assert answer["Content-Type"] == "application/zip"
    assert own.file_name in answer["Content-Disposition"]


def test_what_viewers_do_not_see_is_listed_and_not_handed_out(vera: Client, people: Cast) -> None:
    pack = packing.work(packing.asked(people.jonas))
    page = text_of(vera.get("/log/packs/"))
    assert "holds what viewers do not see" in page
    assert f"/log/packs/{pack.pk}/download/" not in page
    answer = vera.get(f"/log/packs/{pack.pk}/download/")
    assert answer.status_code == 403
    assert "Build one of your own" in text_of(answer)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("building", "still being built"),
        ("failed", "could not be built"),
        ("deleted", "kept for 30 days"),
    ],
)
def test_a_pack_that_is_not_there_says_why(
    vera: Client, people: Cast, status: str, said: str
) -> None:
    pack = packing.asked(people.vera)
    EvidencePack.objects.update(status=status)
    answer = vera.get(f"/log/packs/{pack.pk}/download/")
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert vera.get("/log/packs/999/download/").status_code == 404


def test_the_key_to_pin_is_shown_and_that_there_is_none(vera: Client) -> None:
    assert "No worker has a key to sign with" in text_of(vera.get("/log/packs/"))
    packs.keep_public_key()
    page = text_of(vera.get("/log/packs/"))
    assert packing.FINGERPRINT in page
    assert "BEGIN PUBLIC KEY" in page


def test_a_key_of_before_is_still_named_beside_the_new_one(
    vera: Client, settings: Settings
) -> None:
    packs.keep_public_key()
    settings.IAMCLEANUP_PACK_KEY = signing.new_private_key()
    packs.keep_public_key()
    page = text_of(vera.get("/log/packs/"))
    assert packing.FINGERPRINT in page.partition("Before that")[2]
    assert page.count("BEGIN PUBLIC KEY") == 2  # once to read, once to copy


def test_the_form_and_what_was_built_stand_beside_the_deletions(vera: Client, people: Cast) -> None:
    own = packing.work(packing.asked(people.vera))
    other = packing.work(packing.asked(people.jonas))
    page = text_of(vera.get("/log/deletions/"))
    assert "Build pack" in page
    assert f"/log/packs/{own.pk}/download/" in page
    assert f"/log/packs/{other.pk}/download/" not in page


def test_fifty_packs_cost_as_many_queries_as_one(vera: Client, people: Cast) -> None:
    packing.work(packing.asked(people.vera))
    vera.get("/log/packs/")
    pack = EvidencePack.objects.get()
    for _ in range(20):
        pack.pk = None
        pack.save()
    with at_most(30):
        vera.get("/log/packs/")
