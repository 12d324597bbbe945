"""What syncs saw change, on the user's page, the overview and the page of the sync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from inventory import clock
from inventory.models import Account, IamUser, Observation, Sync
from migrations_app import changes, observed
from migrations_app.user_page import profile
from tests import cast
from tests.migrations_app.browsing import address, at_most, browser, text_of

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"
_keys = count(1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def seen(kind: str, user: IamUser | None, sync: Sync | None = None, **columns: Any) -> Observation:
    """A change that a sync saw an hour ago, some time in the six hours before."""
    account = user.account if user else Account.objects.get()
    hour = clock.now() - timedelta(hours=1)
    columns.setdefault("since_at", hour - timedelta(hours=6))
    columns.setdefault("seen_at", hour)
    return Observation.objects.create(
        account=account,
        user=user,
        sync=sync or Sync.objects.create(account=account, asked_at=hour, status="whole"),
        kind=kind,
        key=str(next(_keys)),
        params={"what": "", **columns.pop("params", {})},
        **columns,
    )


def test_the_history_tells_what_was_done_here_and_what_a_sync_saw_by_time(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("a")
    changes.assign(row, everybody.payments, everybody.jonas)
    later = clock.now() + timedelta(minutes=1)
    seen("policy-attached", row.user, params={"name": "PowerUserAccess"})
    seen("key-active", row.user, seen_at=later, params={"what": "AKIA1234567890123456"})

    told, entries = profile.history(row.user)

    assert entries == 3
    assert [(line.who, line.text) for line in told] == [
        ("A sync", "saw access key AKIA…3456 turned active again"),
        ("Jonas Weber", "made Payments its owner"),
        ("A sync", "saw policy PowerUserAccess attached"),
    ]


def test_the_history_says_between_when_and_when_unless_aws_gives_the_time(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("a")
    eight, two = (datetime(2026, 3, 6, hour, 0, tzinfo=UTC) for hour in (8, 14))
    seen("tags-changed", row.user, since_at=eight, seen_at=two, params={"keys": ["team"]})
    told, _ = profile.history(row.user)
    assert (told[0].since, told[0].at) == (eight, two)

    nine = datetime(2026, 3, 6, 9, 12, tzinfo=UTC)
    seen("key-made", row.user, since_at=eight, seen_at=two, aws_at=nine)
    told, _ = profile.history(row.user)
    assert (told[-1].since, told[-1].at) == (None, nine)

    text = text_of(browser(everybody.vera).get(address(row.user)))
    assert "6 Mar 08:00" in text
    assert "6 Mar 09:12" in text


def test_our_own_doing_is_told_by_the_ledger_and_not_as_a_sync_s_find(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("a")
    seen("policy-attached", row.user, explained="batch #10", params={"name": "AWSDenyAll"})
    seen("gone", row.user)

    assert profile.history(row.user) == ([], 0)
    assert [group.kind for group in observed.week("", clock.now())] == ["gone"]


def test_all_of_a_long_history_is_one_click_away(everybody: cast.Cast) -> None:
    row = cast.departure("a")
    for number in range(12):
        seen("group-joined", row.user, params={"what": f"group-{number}"})

    short = text_of(browser(everybody.vera).get(address(row.user)))
    assert short.count("it join group") == profile.HISTORY
    assert 'href="?history=all#history">All 12<' in short
    whole = text_of(browser(everybody.vera).get(address(row.user), {"history": "all"}))
    assert whole.count("it join group") == 12


def test_the_overview_tells_the_week_by_kind_the_most_telling_first(
    everybody: cast.Cast,
) -> None:
    for name in "abcdef":
        seen("appeared", cast.departure(f"new-{name}").user)
    one = cast.departure("ci-deploy").user
    seen("policy-attached", one, params={"name": "AdministratorAccess"})
    seen("key-active", one, params={"what": "AKIA1234567890123456"})
    seen("key-gone", one, seen_at=clock.now() - timedelta(days=8))
    seen("first-look", None, params={"count": 206})

    groups = observed.week("", clock.now())

    assert [group.text for group in groups] == [
        "1 key turned active again",
        "6 new users",
        "1 policy attached",
    ]
    assert [len(group.lines) for group in groups] == [1, observed.NAMED, 1]
    text = text_of(browser(everybody.vera).get("/"))
    assert "6 new users" in text
    assert "and 2 more" in text
    assert "<span>AdministratorAccess</span>" in text
    assert "In AWS, by others:" in text
    assert f"{address(one)}#history" in text


def test_the_overview_of_one_account_tells_of_no_other(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "sandbox")
    seen("appeared", cast.iam_user("elsewhere", other))
    assert observed.week(cast.ACCOUNT_ID, clock.now()) == []
    assert len(observed.week("210987654321", clock.now())) == 1


def test_an_overview_without_changes_says_so(everybody: cast.Cast) -> None:
    cast.departure("a")
    assert "Nothing that a sync saw." in text_of(browser(everybody.vera).get("/"))


def test_the_overview_asks_no_more_for_many_changes(everybody: cast.Cast) -> None:
    for number in range(40):
        user = cast.departure(f"u{number}").user
        seen("appeared", user)
        seen("key-made", user)
    with at_most(2):
        observed.week("", clock.now())


def test_the_page_of_a_sync_tells_what_it_saw(everybody: cast.Cast) -> None:
    row = cast.departure("a")
    sync = Sync.objects.create(account=everybody.account, asked_at=clock.now(), status="whole")
    path = f"/syncs/{cast.ACCOUNT_ID}/"
    assert "Nothing that others did" in text_of(browser(everybody.vera).get(path))
    seen("inline-changed", row.user, sync, params={"what": "reads"})
    text = text_of(browser(everybody.vera).get(path))
    assert "1 inline policy changed" in text
    assert "<span>reads</span>" in text


def test_an_earlier_sync_is_found_from_the_settings_of_its_account(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("a")
    earlier = Sync.objects.create(account=everybody.account, asked_at=clock.now(), status="whole")
    seen("inline-changed", row.user, earlier, params={"what": "reads"})
    seen("policy-attached", row.user, earlier, explained="batch #10")
    Sync.objects.create(account=everybody.account, asked_at=clock.now(), status="whole")
    path = f"/syncs/{cast.ACCOUNT_ID}/"
    settings = text_of(browser(everybody.jonas).get(f"/settings/accounts/{cast.ACCOUNT_ID}/"))
    assert f'href="{path}?sync={earlier.pk}#seen">1<' in settings
    viewer = browser(everybody.vera)
    assert "<span>reads</span>" not in text_of(viewer.get(path))
    assert "<span>reads</span>" in text_of(viewer.get(path, {"sync": earlier.pk}))
    for wrong in ("9" * 30, "-1", "²", "x"):
        assert viewer.get(path, {"sync": wrong}).status_code == 200


def test_a_sync_of_another_account_is_not_shown_under_this_one(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "sandbox")
    sync = Sync.objects.create(account=other, asked_at=clock.now(), status="whole")
    seen("inline-changed", cast.iam_user("elsewhere", other), sync, params={"what": "reads"})
    path = f"/syncs/{cast.ACCOUNT_ID}/?sync={sync.pk}"
    assert "<span>reads</span>" not in text_of(browser(everybody.vera).get(path))


def test_the_first_look_and_root_are_told_with_their_account(everybody: cast.Cast) -> None:
    sync = Sync.objects.create(account=everybody.account, asked_at=clock.now(), status="whole")
    seen("first-look", None, sync, params={"count": 206})
    seen("root-key-made", None, sync)
    text = text_of(browser(everybody.vera).get(f"/syncs/{cast.ACCOUNT_ID}/"))
    assert "206 users found" in text
    assert "1 new root access key" in text
    assert "Root of production" in text


def test_text_from_aws_is_shown_as_text(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user(EVIL))
    sync = Sync.objects.create(account=everybody.account, asked_at=clock.now(), status="whole")
    seen("tags-changed", row.user, sync, params={"keys": [EVIL, "{0}"]})
    seen("inline-put", row.user, sync, params={"what": EVIL})
    seen("renamed", row.user, sync, params={"was": EVIL, "now": "b"})
    for path in ("/", address(row.user), f"/syncs/{cast.ACCOUNT_ID}/"):
        text = text_of(browser(everybody.vera).get(path))
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_an_account_held_by_a_short_listing_leads_the_engineer_to_it(
    everybody: cast.Cast,
) -> None:
    cast.departure("a")
    Account.objects.update(hold_reason="AWS listed 3 users of production.")
    link = f'href="/settings/accounts/{cast.ACCOUNT_ID}/">Look at it'
    assert link in text_of(browser(everybody.jonas).get("/"))
    assert link not in text_of(browser(everybody.vera).get("/"))
