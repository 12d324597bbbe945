"""The log pages: everything that happened, for everybody, without what not everybody may see."""

from __future__ import annotations

import csv
import io
import json
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import chain, clock, ledger
from inventory.models import LedgerEntry, Person, Role
from migrations_app import log
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change
from tests import cast

pytestmark = pytest.mark.django_db

HOSTILE = '<img src=x onerror="alert(1)">'
KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def jonas() -> Person:
    return cast.person("jonas", "Jonas Weber", [Role.ENGINEER])


@pytest.fixture
def engineer(client: Client, jonas: Person) -> Client:
    client.force_login(jonas)
    return client


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(cast.person("vera", "", [Role.VIEWER]))
    return client


def text(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def downloaded(client: Client, path: str) -> str:
    return b"".join(client.get(path)).decode()


def deleted(name: str, jonas: Person) -> Change:
    mei = Person.objects.filter(username="mei").first() or cast.person("mei", "Mei Tanaka")
    batch = cast.batch(
        cast.account(),
        jonas,
        "delete",
        asked_by=jonas,
        approved_by=mei,
        approved_at=clock.now(),
        approved_digest="d" * 64,
        status="done",
    )
    gone = cast.departure(name, State.DELETED)
    change = cast.change(gone, "delete", batch=batch, status="done", finished_at=clock.now())
    Call.objects.create(
        change=change,
        seq=0,
        kind="write",
        operation="DeleteUser",
        sent_at=clock.now(),
        outcome="ok",
        request_id="0b1c-request",
    )
    return change


def test_the_chain_is_said_to_be_intact(engineer: Client) -> None:
    ledger.append("test.entry")
    assert "Chain intact" in text(engineer, "/log/")


def test_a_broken_chain_is_an_alarm_with_the_first_bad_entry(engineer: Client) -> None:
    ledger.append("test.entry")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE inventory_ledgerentry SET kind = 'other'")
    cache.clear()
    page = text(engineer, "/log/")
    assert "Chain broken at entry 1" in page
    assert "Chain intact" not in page


def test_everybody_sees_what_happened_and_only_some_see_addresses(
    engineer: Client, viewer: Client, jonas: Person
) -> None:
    ledger.append("hit.opened", actor=jonas, where="203.0.113.7", note="nightly job")
    for client in (engineer, viewer):
        assert "nightly job" in text(client, "/log/")
    assert "203.0.113.7" in text(engineer, "/log/")
    assert "203.0.113.7" not in text(viewer, "/log/")
    assert "203.0.113.7" in downloaded(engineer, "/log.json")
    assert "203.0.113.7" not in downloaded(viewer, "/log.json")


def test_yes_no_and_moments_are_written_for_people(engineer: Client) -> None:
    ledger.append("batch.composed", urgent=False, until="2026-12-10T20:02:46.286420+00:00")
    page = text(engineer, "/log/")
    assert "urgent: no" in page
    assert "until: 2026-12-10 20:02 UTC" in page


def test_what_a_batch_did_names_who_approved_it_and_not_a_doer(engineer: Client) -> None:
    mei = cast.person("mei", "Mei Tanaka", [Role.APPROVER])
    team = cast.team("payments", "Payments")
    told = {"source": "owner-assigned", "target": "disabled", "owner": team.key}
    user = cast.departure("fenced").user
    ledger.append("move.disable", actor=mei, user=user, batch=3, **told)
    ledger.append("batch.approved", actor=mei, batch=3)
    ledger.append("user.discovered", user=user, name=user.user_name)

    discovered, approved, disabled = log.lines(
        LedgerEntry.objects.order_by("-seq"), everything=True
    )

    assert (disabled.actor, approved.actor) == ("IAM Cleanup", "Mei Tanaka")
    assert dict(disabled.details) == {
        "approved by": "Mei Tanaka",
        "source": "owner assigned",
        "target": "disabled",
        "owner": "Payments",
    }
    assert discovered.details == []
    # A machine reads what stands there.
    assert '"owner": "payments"' in downloaded(engineer, "/log.json")


def test_hostile_text_from_aws_is_text(engineer: Client) -> None:
    ledger.append("test.entry", note=HOSTILE)
    assert HOSTILE not in text(engineer, "/log/")
    assert "&lt;img src=x" in text(engineer, "/log/")


def test_the_log_is_narrowed_by_person_kind_user_batch_and_day(
    engineer: Client, jonas: Person
) -> None:
    user = cast.iam_user("deploy-prod")
    ledger.append("first.kind", actor=jonas, user=user, note="needle")
    ledger.append("second.kind", batch=7, note="straw")
    for query in (
        f"actor={ledger.person_hash(jonas)}",
        "kind=first.kind",
        "user=DEPLOY-prod",
        f"user={user.user_id}",
    ):
        page = text(engineer, f"/log/?{query}")
        assert "needle" in page, query
        assert "straw" not in page, query
    assert "needle" not in text(engineer, "/log/?batch=7")
    assert "Nothing matches" in text(engineer, "/log/?day=2001-01-01")


@pytest.mark.parametrize(
    "query", ["batch=x", "day=yesterday", "day=9999-12-31", "before=-1", "kind=" + "k" * 99]
)
def test_a_filter_that_is_none_does_not_narrow(engineer: Client, query: str) -> None:
    ledger.append("test.entry", note="needle")
    assert "needle" in text(engineer, f"/log/?{query}")


def test_older_entries_are_a_page_away(engineer: Client) -> None:
    for number in range(51):
        ledger.append("test.entry", note=f"note-{number:02}")
    first = text(engineer, "/log/")
    assert "note-50" in first
    assert "note-00" not in first
    assert "note-00" in text(engineer, "/log/?before=2")


def test_a_deletion_shows_who_asked_who_approved_and_every_request(
    engineer: Client, jonas: Person
) -> None:
    change = deleted("deploy-prod", jonas)
    Call.objects.filter(change=change).update(target=KEY)
    page = text(engineer, f"/log/deletions/?open={change.pk}")
    for part in ("deploy-prod", "Jonas Weber", "Mei Tanaka", "NoSuchEntity", "0b1c-request"):
        assert part in page
    assert f"{KEY[:4]}…{KEY[-4:]}" in page
    assert KEY not in page


def test_the_deletion_log_is_exported_with_its_promised_fields(
    engineer: Client, jonas: Person
) -> None:
    deleted("=cmd", jonas)
    row = json.loads(downloaded(engineer, "/log/deletions.json"))[0]
    assert [*row] == [
        "user",
        "account_id",
        "user_id",
        "deleted_at",
        "requested_by",
        "approved_by",
        "change",
        "request_ids",
    ]
    assert row["user"] == "=cmd"
    cells = next(iter(csv.DictReader(io.StringIO(downloaded(engineer, "/log/deletions.csv")))))
    assert cells["user"] == "'=cmd"


def test_the_export_of_the_log_has_the_filters_of_its_page(engineer: Client) -> None:
    ledger.append("first.kind")
    ledger.append("second.kind")
    rows = json.loads(downloaded(engineer, "/log.json?kind=second.kind"))
    assert [row["kind"] for row in rows] == ["second.kind"]


def test_a_restore_shows_who_asked_and_why(engineer: Client, jonas: Person) -> None:
    cast.change(
        cast.departure("deploy-prod"),
        "restore",
        status="done",
        requested_by=jonas,
        reason="invoices stopped",
    )
    page = text(engineer, "/log/restores/")
    assert "invoices stopped" in page
    assert "Jonas Weber" in page


def test_a_restore_opens_to_all_its_calls(engineer: Client) -> None:
    change = cast.change(cast.departure("deploy-prod"), "restore", status="done")
    Call.objects.create(
        change=change,
        seq=0,
        kind="write",
        operation="DetachUserPolicy",
        sent_at=clock.now(),
        outcome="ok",
        request_id="7f3e-request",
    )
    assert "7f3e-request" not in text(engineer, "/log/restores/")
    assert "7f3e-request" in text(engineer, f"/log/restores/?open={change.pk}")


def test_on_paper_a_page_says_where_it_comes_from_when_and_for_whom(engineer: Client) -> None:
    page = text(engineer, "/log/?kind=test.entry")
    line = page[page.index('class="only-print"') :].partition("</p>")[0]
    assert "http://testserver/log/?kind=test.entry" in line
    assert f"{clock.now():%Y}" in line
    assert "Jonas Weber" in line


def test_an_approval_shows_both_people_and_the_fingerprint(engineer: Client, jonas: Person) -> None:
    deleted("deploy-prod", jonas)
    page = text(engineer, "/log/approvals/")
    assert "Mei Tanaka" in page
    assert "d" * 64 in page


def test_ten_deletions_cost_as_many_queries_as_one(engineer: Client, jonas: Person) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            text(engineer, "/log/deletions/")
        return len(seen)

    deleted("first", jonas)
    queries()
    one = queries()
    for number in range(9):
        deleted(f"next-{number}", jonas)
    assert queries() == one


def test_a_long_chain_is_walked_by_the_sweep_and_not_by_the_page(
    engineer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "SHORT", 0)
    ledger.append("probe")
    assert "checked within the hour" in engineer.get("/log/").content.decode()

    chain.keep_up()

    assert "Chain intact" in engineer.get("/log/").content.decode()


def test_the_sweep_walks_a_long_chain_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    walks = Mock(side_effect=ledger.verify)
    monkeypatch.setattr(ledger, "verify", walks)
    ledger.append("probe")
    chain.keep_up()
    assert walks.call_count == 0, "a short one is left to the page"

    monkeypatch.setattr(chain, "SHORT", 0)
    chain.keep_up()
    chain.keep_up()

    assert walks.call_count == 1
