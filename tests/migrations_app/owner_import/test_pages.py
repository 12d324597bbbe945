"""Upload, preview, confirm: plain forms, the sheet kept here, and nothing of strangers runs."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from migrations_app import changes, owner_import
from migrations_app.lifecycle import State
from migrations_app.models import Departure, OwnerImport
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
FILE = f"""user,team,note
pay-deploy,payments,{HOSTILE}
=cmd|'/c calc'!A1,payments,
-1+1,nobody,
pay-gone,payments,
"""


@pytest.fixture
def everybody() -> cast.Cast:
    everybody = cast.cast()
    cast.departure("pay-deploy")
    cast.departure("pay-gone", State.DELETED)
    return everybody


@pytest.fixture
def jonas(everybody: cast.Cast) -> Client:
    return browser(everybody.jonas)


def upload(client: Client, content: str | bytes = FILE, name: str = "owners.csv") -> Any:
    content = content.encode() if isinstance(content, str) else content
    return client.post("/claims/import/", {"file": SimpleUploadedFile(name, content)})


def followed(client: Client, where: str) -> Any:
    """Confirm what the page shows, by its own form, and let the worker do it."""
    row = OwnerImport.objects.latest("pk")
    page = text_of(client.get(where))
    assert f'name="digest" value="{row.digest}"' in page
    answer = client.post(f"{where}confirm/", {"digest": row.digest}, follow=True)
    while owner_import.go_on(row.pk):
        pass
    return answer


def test_claims_leads_to_the_form(jonas: Client) -> None:
    assert 'href="/claims/import/"' in text_of(jonas.get("/claims/"))
    assert 'enctype="multipart/form-data"' in text_of(jonas.get("/claims/import/"))


def test_the_preview_shows_what_changes_and_changes_nothing(jonas: Client) -> None:
    where = upload(jonas)["Location"]
    text = text_of(jonas.get(where))
    assert "1 line would change something" in text
    assert "3 lines cannot be followed" in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert not Departure.objects.exclude(owner=None).exclude(state=State.DELETED).exists()
    # Nothing of the sheet is in the form that confirms it.
    form = text[text.index(f'action="{where}confirm/"') :].partition("</form>")[0]
    assert "payments" not in form


def test_the_same_file_twice_is_one_preview_until_it_would_say_something_else(
    everybody: cast.Cast, jonas: Client
) -> None:
    first = upload(jonas)["Location"]
    assert upload(jonas)["Location"] == first
    followed(jonas, first)
    second = upload(jonas)["Location"]
    assert second != first
    assert upload(browser(everybody.mei))["Location"] != second
    assert upload(jonas, name="others.csv")["Location"] != second
    assert upload(jonas, f"{FILE}\n")["Location"] != second
    Departure.objects.filter(user__user_name="pay-deploy").update(state="discovered", owner=None)
    assert upload(jonas)["Location"] != second


def test_what_is_confirmed_is_done_and_the_page_says_so(
    everybody: cast.Cast, jonas: Client
) -> None:
    where = upload(jonas)["Location"]
    assert "Owners are being imported" in text_of(followed(jonas, where))
    text = text_of(jonas.get(where))
    assert "Imported" in text
    assert "Have an owner now: 1." in text
    assert Departure.objects.get(user__user_name="pay-deploy").owner == everybody.payments
    # A second click finds it done.
    digest = OwnerImport.objects.get().digest
    assert jonas.post(f"{where}confirm/", {"digest": digest}).status_code == 409


def test_while_it_works_the_page_asks_for_itself_and_stops_at_the_end(jonas: Client) -> None:
    where = upload(jonas)["Location"]
    row = OwnerImport.objects.get()
    owner_import.confirm(row, row.person, row.digest)
    page = text_of(jonas.get(where))
    assert 'hx-trigger="every 2s"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    part = jonas.get(where, headers=HTMX)
    assert (part.status_code, "0 of 1 lines" in text_of(part)) == (200, True)
    owner_import.go_on(row.pk)
    assert jonas.get(where, headers=HTMX).status_code == 286


def test_what_changed_meanwhile_is_named(everybody: cast.Cast, jonas: Client) -> None:
    where = upload(jonas)["Location"]
    row = Departure.objects.get(user__user_name="pay-deploy")
    changes.assign(row, everybody.platform, everybody.mei)
    followed(jonas, where)
    text = text_of(jonas.get(where))
    assert "Left out: changed meanwhile" in text
    assert "Its owner changed meanwhile, from nobody to platform." in text


def test_the_lines_not_followed_come_as_a_csv_that_no_spreadsheet_runs(jonas: Client) -> None:
    where = upload(jonas)["Location"]
    answer = jonas.get(f"{where}left-out.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(text_of(answer))))
    assert rows[0] == ["line", "user", "account", "what", "why"]
    assert [row[:2] for row in rows[1:]] == [
        ["3", "'=cmd|'/c calc'!A1"],
        ["4", "'-1+1"],
        ["5", "pay-gone"],
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("person,team\nx,y\n", "No column names the IAM user"),
        ("", "The file is empty"),
        (b"PK\x03\x04", "Save the sheet as"),
        (b"x" * (owner_import.MOST_BYTES + 1), "larger than 5 MB"),
    ],
)
def test_what_cannot_be_read_answers_422_with_the_form(
    jonas: Client, content: str | bytes, said: str
) -> None:
    answer = upload(jonas, content)
    assert (answer.status_code, said in text_of(answer)) == (422, True)
    assert 'type="file"' in text_of(answer)
    assert not OwnerImport.objects.exists()


def test_a_form_without_a_file_says_so(jonas: Client) -> None:
    answer = jonas.post("/claims/import/", {})
    assert (answer.status_code, "Choose a file." in text_of(answer)) == (422, True)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nX: y.csv", HOSTILE, "ö" * 250])
def test_the_name_of_a_file_is_only_text(jonas: Client, name: str) -> None:
    where = upload(jonas, name=name)["Location"]
    kept = OwnerImport.objects.get().file_name
    assert len(kept) <= 120
    assert not {"\r", "\n", "/"} & set(kept)
    assert HOSTILE not in text_of(jonas.get(where))


def test_another_engineers_preview_is_not_there(everybody: cast.Cast, jonas: Client) -> None:
    where = upload(jonas)["Location"]
    mei = browser(everybody.mei)
    assert mei.get(where).status_code == 404
    assert mei.get(f"{where}left-out.csv").status_code == 404
    digest = OwnerImport.objects.get().digest
    assert mei.post(f"{where}confirm/", {"digest": digest}).status_code == 404


def test_a_preview_that_is_too_old_cannot_be_confirmed(jonas: Client) -> None:
    where = upload(jonas)["Location"]
    OwnerImport.objects.update(expires_at="2020-01-01T00:00:00Z")
    text = text_of(jonas.get(where))
    assert "This preview is too old." in text
    assert "confirm/" not in text


def test_a_long_sheet_is_paged_and_asks_the_database_no_more(jonas: Client) -> None:
    text = "user,team\n" + "".join(f"user-{number},payments\n" for number in range(300))
    where = upload(jonas, text)["Location"]
    with at_most(20):
        page = text_of(jonas.get(f"{where}?show=left-out&after=101"))
    assert "101 to 200 of 300" in page
    assert 'href="?show=left-out&amp;after=201" rel="next"' in page
    assert 'href="?show=left-out&amp;" rel="prev"' in page
    assert "No user has this name." in page
