"""A pack holds what its reader may see, of the account and the days that were asked for."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from inventory import clock, ledger
from inventory.models import LedgerEntry
from inventory.pack.checking import Pinned, check
from inventory.refusals import NotAllowed, Refused
from migrations_app import packs
from migrations_app.models import Call, EvidencePack, Notice
from tests import cast
from tests.cast import Cast
from tests.migrations_app.packs import packing

pytestmark = pytest.mark.django_db
KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def people() -> Cast:
    return cast.cast()


def sensitive(people: Cast) -> None:
    user = cast.iam_user("ci-old")
    cast.access_key(user, KEY)
    row = cast.departure(user)
    ledger.append("hit.opened", user=user, what="from 203.0.113.7", note="a night job")
    ledger.append("user.discovered", user=user, name="ci-old")
    Call.objects.create(
        change=cast.change(row),
        seq=0,
        kind="write",
        operation="UpdateAccessKey",
        target=KEY,
        params={"AccessKeyId": KEY, "UserName": "ci-old"},
        sent_at=clock.now(),
        error=f"{KEY} is throttled",
    )
    own = cast.notice(None, "A token was made for you", person=people.ada)
    own.key = "token:ada"
    own.save()
    cast.delivery(cast.notice(people.payments), address="#payments-private")


def test_a_viewers_pack_holds_no_more_than_the_pages_show_them(
    people: Cast, tmp_path: Path
) -> None:
    sensitive(people)
    pack = packing.work(packing.asked(people.vera))
    files = packing.files_of(pack)
    whole = b"".join(files.values()).decode("utf-8", "replace")
    for hidden in (KEY, "203.0.113.7", "token:ada", "#payments-private"):
        assert hidden not in whole, hidden
    assert "AKIA…MPLE" in files["users.jsonl"].decode()
    by_kind = {row["kind"]: row for row in packing.rows(files, "ledger")}
    assert by_kind["hit.opened"]["withheld"] == "details"
    assert by_kind["hit.opened"]["data"] == {"note": "a night job"}
    assert "withheld" not in by_kind["user.discovered"]
    assert check(packing.on_disk(pack, tmp_path), Pinned(packing.FINGERPRINT)).pinned


def test_an_engineers_pack_holds_all_of_it_and_is_not_for_viewers(people: Cast) -> None:
    sensitive(people)
    pack = packing.work(packing.asked(people.jonas))
    whole = b"".join(packing.files_of(pack).values()).decode("utf-8", "replace")
    for shown in (KEY, "203.0.113.7", "token:ada", "#payments-private"):
        assert shown in whole, shown
    for person, may in ((people.jonas, True), (people.ada, True), (people.vera, False)):
        assert packs.may_have(person, pack) is may
    with pytest.raises(NotAllowed, match="Build one of your own"):
        packs.require_having(people.sara, pack)


def test_of_another_account_only_the_place_in_the_chain_is_in_it(
    people: Cast, tmp_path: Path
) -> None:
    other = cast.account("999999999999", "sandbox")
    for account, name in ((people.account, "here"), (other, "elsewhere")):
        user = cast.iam_user(name, account)
        cast.departure(user, "deleted", deleted_outside=True)
        batch = cast.batch(account, people.jonas)
        ledger.append("batch.asked", actor=people.jonas, batch=batch.number)
        ledger.append("batch.approved", actor=people.mei, batch=batch.number, digest=name)
        ledger.append("move.vanish", user=user, note=f"of {name}")
        about = cast.notice(None, f"About {name}", batch=batch)
        about.key = name
        about.save()
    pack = packing.work(packing.asked(people.jonas, account=people.account))
    files = packing.files_of(pack)
    assert b"elsewhere" not in b"".join(files.values())
    assert b"sandbox" not in b"".join(files.values())
    for name in ("users", "deletions", "approvals", "messages", "policy"):
        assert len(packing.rows(files, name)) == 1, name
    found = check(packing.on_disk(pack, tmp_path), Pinned(packing.FINGERPRINT))
    assert found.walk.entries == LedgerEntry.objects.filter(seq__lte=pack.head_seq).count()
    assert found.walk.withheld == 3


def test_only_what_happened_in_the_days_asked_for_is_in_it(people: Cast, tmp_path: Path) -> None:
    today = clock.now().date()
    ledger.append("of.today")
    nothing = packing.work(
        packing.asked(
            people.jonas,
            from_day=today - timedelta(days=9),
            until_day=today - timedelta(days=1),
        )
    )
    assert packing.rows(packing.files_of(nothing), "ledger") == []
    assert check(packing.on_disk(nothing, tmp_path), Pinned(packing.FINGERPRINT)).walk.entries == 0
    something = packing.built(people.mei, from_day=today, until_day=today)
    assert "of.today" in {row["kind"] for row in packing.rows(something, "ledger")}


def test_only_what_was_chosen_is_in_it(people: Cast) -> None:
    files = packing.built(people.jonas, contents=("deletions",))
    tables = {name for name in files if name.endswith(".jsonl")}
    assert tables == {"people.jsonl", "deletions.jsonl", "ledger.jsonl"}
    assert "Policy in force" not in files["report.html"].decode()


def test_who_asked_for_what_is_ledgered(people: Cast) -> None:
    packing.asked(people.vera, with_names=True)
    entry = LedgerEntry.objects.get(kind="pack.asked")
    assert entry.actor == ledger.person_hash(people.vera)
    assert entry.data["names_of_people"] is True


def test_one_pack_at_a_time_for_each_person(people: Cast) -> None:
    pack = packing.asked(people.jonas)
    packing.asked(people.vera)
    with pytest.raises(Refused, match="still being built"):
        packing.asked(people.jonas, with_names=True)
    packing.work(pack)
    packing.asked(people.jonas)
    assert EvidencePack.objects.count() == 3


@pytest.mark.parametrize(
    "other",
    [
        {"with_names": True},
        {"contents": ("users",)},
        {"from_day": date(2021, 1, 1)},
        {"until_day": date(2021, 1, 1)},
    ],
)
def test_the_same_choice_is_the_pack_that_is_being_built_and_another_is_not(
    people: Cast, other: dict[str, Any]
) -> None:
    pack = packing.asked(people.jonas)
    assert packing.asked(people.jonas) == pack
    assert LedgerEntry.objects.filter(kind="pack.asked").count() == 1
    with pytest.raises(Refused, match="still being built"):
        packing.asked(people.jonas, **other)
    with pytest.raises(Refused, match="still being built"):
        packing.asked(people.jonas, account=people.account)


def test_whoever_may_see_more_by_now_gets_no_pack_of_less(people: Cast) -> None:
    packing.asked(people.vera)
    people.vera.roles = ["engineer"]
    people.vera.save()
    with pytest.raises(Refused, match="still being built"):
        packing.asked(people.vera)


def test_hostile_text_runs_neither_in_a_spreadsheet_nor_in_the_report(people: Cast) -> None:
    user = cast.iam_user('=cmd|"<script>alert(1)</script>"')
    cast.departure(user, "deleted", deleted_outside=True)
    ledger.append("move.vanish", user=user, note="<img src=x onerror=alert(1)>")
    files = packing.built(people.jonas)
    (cell,) = packing.cells(files, "deletions")
    assert cell["user"].startswith("'=cmd")
    assert packing.rows(files, "deletions")[0]["user"].startswith("=cmd")
    report = files["report.html"].decode()
    assert "<script>" not in report
    assert "<img" not in report
    assert "&lt;script&gt;" in report


def test_the_report_says_deleted_and_names_the_policy_as_the_settings_do(people: Cast) -> None:
    user = cast.iam_user("old")
    cast.departure(user, "deleted", deleted_outside=True)
    ledger.append("move.vanish", user=user)
    report = packing.built(people.jonas)["report.html"].decode()
    assert "1 user was deleted in this period." in report
    assert "<dt>Evidence at most</dt>" in report
    assert "evidence max age" not in report


def test_the_report_counts_who_is_meant_to_stay_apart_as_the_overview_does(people: Cast) -> None:
    cast.departure("a", "soaking")
    cast.departure("break-glass-1", protection="break-glass", protection_reason="Sealed")
    cast.departure("gone", "deleted")

    report = packing.built(people.jonas)["report.html"].decode()

    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", report))
    assert (facts["Discovered"], facts["Soaking"], facts["Deleted"]) == ("0", "1", "1")
    assert facts["Protected"] == "1"


def test_a_message_says_that_it_is_ready_and_leads_to_it(people: Cast) -> None:
    packing.built(people.vera)
    notice = Notice.objects.get(kind="pack")
    assert notice.person == people.vera
    assert notice.title == "Your evidence pack is ready"
    assert packing.FINGERPRINT in notice.text
    assert notice.url == "/log/packs/"
    assert notice.deliveries.get().address == people.vera.email
