"""The Overview: its sentence, its counts, what it says needs whom, and syncs started from it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from inventory import at_once, clock
from inventory.models import Account, Alert, Person, Role, Sync
from migrations_app.lifecycle import State
from migrations_app.progress import headcount, needs, overview
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def counted() -> list[Account]:
    return headcount.kept(clock.now())


def titles(person: Person) -> list[str]:
    rows, teams = counted(), list(person.led_teams())
    wanted = needs.questions(person, teams, clock.now())
    told = at_once.ask(Person.objects.filter(pk=person.pk), wanted)
    totals, dispute = overview.totals(rows), headcount.first_dispute(rows)
    return [need.title for need in needs.needs_of(person, teams, told, totals, dispute)]


def test_the_title_counts_who_has_access_and_who_is_left(everybody: cast.Cast) -> None:
    for name, state in [("a", State.DISCOVERED), ("b", State.OWNER_ASSIGNED), ("c", State.SOAKING)]:
        cast.departure(name, state)
    cast.departure("gone", State.DELETED)
    cast.departure("break-glass", State.OWNER_ASSIGNED, protection="break-glass")

    text = text_of(browser(everybody.vera).get("/"))

    assert "2 users still have access. 3 are left to delete." in text


def test_the_title_says_that_all_are_gone_when_only_break_glass_is_left(
    everybody: cast.Cast,
) -> None:
    cast.departure("gone", State.DELETED)
    cast.departure("break-glass", State.OWNER_ASSIGNED, protection="break-glass")

    assert "All gone. 1 user is left, protected." in text_of(browser(everybody.vera).get("/"))


def test_the_states_and_the_categories_add_up_to_the_same_number(everybody: cast.Cast) -> None:
    for number, state in enumerate([*State, *State]):
        user = cast.iam_user(f"u{number}", category="mystery" if number % 2 else "ci-cd")
        cast.departure(user, state)

    found = overview.situation(counted())

    assert sum(stage.count for stage in found.stages) == 10
    assert sum(row.total for row in found.categories) == 10
    assert sum(row.left for row in found.categories) == found.left == 8


def test_an_overridden_category_is_the_one_that_counts(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("a", category="mystery", category_override="third-party"))

    rows = {row.category: row.total for row in overview.situation(counted()).categories}

    assert (rows["third-party"], rows["mystery"]) == (1, 0)


def test_a_soaking_user_is_ready_only_after_its_soak_and_without_a_hit(
    everybody: cast.Cast,
) -> None:
    long_ago = clock.now() - timedelta(days=20)
    cast.departure("ready", State.SOAKING, clock_started_at=long_ago)
    cast.departure("fresh", State.SOAKING)
    cast.departure(
        "extended",
        State.SOAKING,
        clock_started_at=long_ago,
        not_before=clock.now() + timedelta(days=3),
    )
    cast.hit(cast.departure("called", State.SOAKING, clock_started_at=long_ago))

    stages = {stage.state: stage.fact for stage in overview.situation(counted()).stages}

    assert stages["soaking"] == "1 ready to delete"


@pytest.mark.parametrize(
    ("kinds", "fact"),
    [
        ((), "none yet"),
        (("break-glass",), "break-glass"),
        (("break-glass", "exempt", "exempt"), "break-glass, exempt"),
    ],
)
def test_the_protected_are_told_by_the_kinds_that_there_are(
    everybody: cast.Cast, kinds: tuple[str, ...], fact: str
) -> None:
    for number, kind in enumerate(kinds):
        cast.departure(f"user-{number}", protection=kind, protection_reason="Sealed")
    stages = {stage.state: stage.fact for stage in overview.situation(counted()).stages}
    assert stages["protected"] == fact


def test_the_burn_down_ends_with_the_numbers_of_the_title(everybody: cast.Cast) -> None:
    now = clock.now()
    user = cast.iam_user("a", first_seen_at=now - timedelta(days=10))
    cast.departure(user, State.DELETED, deleted_at=now - timedelta(days=4), fenced_at=now)
    cast.departure(cast.iam_user("b", first_seen_at=now - timedelta(days=10)))

    rows = counted()
    before = headcount.history(rows, now.date())
    days = overview.burn_down(before, now.date(), overview.situation(rows))

    assert (days[0].left, days[-1].left, days[-1].with_access) == (2, 1, 1)
    assert len(days) == 11


def test_no_account_says_how_to_connect_one() -> None:
    vera = cast.person("vera", "Vera Nowak", [Role.VIEWER])

    assert "Connect your first AWS account" in text_of(browser(vera).get("/"))


def test_an_account_without_users_is_told_from_one_that_was_not_read() -> None:
    everybody = cast.cast()
    account = everybody.account
    for read_at, said in ((None, "Nothing is known yet"), (clock.now(), "There is no IAM user")):
        account.last_whole_at = read_at
        account.save()
        assert said in text_of(browser(everybody.jonas).get("/"))


def test_who_needs_an_owner_is_counted_in_the_account_looked_at(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "playground")
    cast.departure("here")
    for name in ("there", "there-too"):
        cast.departure(cast.iam_user(name, of=other))
    jonas = browser(everybody.jonas)

    assert "Find an owner for 2 users" in text_of(jonas.get(f"/?account={other.account_id}"))
    assert "Find an owner for 3 users" in text_of(jonas.get("/?account="))


def test_nobody_is_asked_for_owners_while_the_first_sync_runs(everybody: cast.Cast) -> None:
    Account.objects.update(last_whole_at=None)
    sync = Sync.objects.create(
        account=Account.objects.get(), status=Sync.Status.RUNNING, asked_at=clock.now()
    )
    cast.departure("alone")
    assert "Find an owner" not in text_of(browser(everybody.jonas).get("/"))

    sync.status = Sync.Status.WHOLE
    sync.save()
    Account.objects.update(last_whole_at=clock.now())
    assert "Find an owner for 1 user" in text_of(browser(everybody.jonas).get("/"))


def test_the_engineer_is_told_of_hits_disputes_and_users_without_owner(
    everybody: cast.Cast,
) -> None:
    cast.hit(cast.departure("fenced", State.DISABLED, everybody.platform))
    cast.departure("alone")
    until = clock.now().date() + timedelta(days=3)
    cast.departure("disputed", State.OWNER_ASSIGNED, everybody.platform, disputed_until=until)

    assert titles(everybody.jonas) == [
        "A disabled user was called",
        "Answer 1 dispute",
        "Find an owner for 1 user",
    ]
    told = text_of(browser(everybody.jonas).get("/"))
    assert f"The first one ends on {until:%a %-d %b}" in told


def test_nobody_is_asked_to_approve_an_own_batch(everybody: cast.Cast) -> None:
    now = clock.now()
    cast.batch(
        everybody.account, everybody.mei, status="asked", asked_by=everybody.mei, asked_at=now
    )

    assert titles(everybody.jonas) == ["Approve batch #1, disable 0 users"]
    assert titles(everybody.mei) == []


def test_a_lead_is_asked_for_answers_and_sees_what_is_off(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("a", suggested_team=everybody.payments))
    cast.departure("b", State.SOAKING, everybody.payments)
    cast.departure(cast.iam_user("c", suggested_team=everybody.platform))

    assert titles(everybody.sara) == [
        "Claim 1 user for Payments, or not",
        "1 user of Payments is off",
    ]


def test_a_viewer_sees_the_week_instead_of_tasks(everybody: cast.Cast) -> None:
    cast.hit(cast.departure("fenced", State.DISABLED))
    Alert.objects.create(key="k", kind="sync", title="Short listing", raised_at=clock.now())

    text = text_of(browser(everybody.vera).get("/"))

    assert "This week" in text
    assert "Needs you" not in text


def test_who_was_shut_at_once_counts_among_the_shut_of_the_week(everybody: cast.Cast) -> None:
    for number, method in enumerate(("shut", "shut", "fence")):
        fenced = cast.departure(f"u{number}", State.DISABLED)
        cast.change(fenced, "disable", method=method, status="done", finished_at=clock.now())
    watched = cast.departure("watched", State.SOAKING)
    cast.change(watched, "soak", status="done", finished_at=clock.now())

    text = text_of(browser(everybody.vera).get("/"))

    assert '<dt>Disabled</dt><dd class="num">3</dd>' in text
    assert '<dt>Shut</dt><dd class="num">3</dd>' in text


def test_the_week_of_one_account_holds_what_was_done_in_its_batches_and_without_one(
    everybody: cast.Cast,
) -> None:
    now, accounts = clock.now(), (everybody.account, cast.account("210987654321", "staging"))
    for number, account in enumerate(accounts, start=1):
        batch = cast.batch(account, everybody.jonas)
        for each in range(number):
            row = cast.departure(cast.iam_user(f"u{each}", account), State.DISABLED)
            cast.change(row, "disable", batch=batch, status="done", finished_at=now)
            cast.change(row, "restore", status="done", finished_at=now)

    for number, account in enumerate(accounts, start=1):
        told = {row["move"]: row["number"] for row in overview.this_week(account.account_id, now)}
        assert told == {"disable": number, "restore": number}


def test_before_the_first_deletion_the_first_batch_sets_the_pace(everybody: cast.Cast) -> None:
    cast.departure("a")

    text = text_of(browser(everybody.vera).get("/"))

    assert "Too early for a forecast. The first batch sets the pace." in text


def test_the_lifecycle_card_refreshes_itself_alone(everybody: cast.Cast) -> None:
    cast.departure("a")

    answer = browser(everybody.vera).get("/?part=lifecycle", headers=HTMX)

    assert 'id="lifecycle"' in text_of(answer)
    assert "<html" not in text_of(answer)
    assert answer["Vary"].split(", ").count("HX-Request") == 1


def test_a_part_is_the_whole_page_for_who_has_no_script(everybody: cast.Cast) -> None:
    cast.departure("a")

    text = text_of(browser(everybody.vera).get("/?part=lifecycle"))

    assert "<html" in text
    assert "What they are" in text


@pytest.mark.parametrize("who", ["jonas", "sara", "vera", "ada"])
def test_the_page_asks_twelve_questions_at_most_however_much_there_is(
    everybody: cast.Cast, who: str
) -> None:
    person = getattr(everybody, who)
    reader = browser(person)
    reader.get("/")
    with at_most(12):
        reader.get("/")

    for number in range(8):
        row = cast.departure(f"u{number}", State.DISABLED, everybody.payments)
        cast.hit(row)
        cast.batch(everybody.account, everybody.mei, status="asked", asked_by=everybody.mei)
        other = cast.account(f"21098765432{number}", f"account-{number}")
        cast.departure(cast.iam_user(f"b{number}", other, suggested_team=everybody.payments))
    reader.get("/")

    with at_most(12):
        reader.get("/")


def test_the_foot_tells_when_each_source_was_read(everybody: cast.Cast) -> None:
    at = datetime(2025, 3, 6, 14, 22, tzinfo=UTC)
    steps = [
        {"key": "users", "label": "Users", "status": "done", "read_at": at.isoformat()},
        {"key": "trail", "label": "Events", "status": "done", "read_at": at.isoformat()},
        {"key": "services", "label": "Services", "status": "failed"},
    ]
    Sync.objects.create(
        account=everybody.account, asked_at=at, finished_at=at, status="partial", steps=steps
    )

    text = text_of(browser(everybody.jonas).get("/"))

    assert re.search(r"CloudTrail <time [^>]*>6 Mar 2025 14:22</time>", text)
    assert "Access Advisor <time" not in text


def test_an_engineer_asks_for_a_sync(everybody: cast.Cast) -> None:
    answer = browser(everybody.jonas).post("/syncs/start/", {"account": cast.ACCOUNT_ID})

    assert answer.status_code == 302
    assert Sync.objects.get().asked_by == everybody.jonas


def test_asking_twice_joins_the_sync_that_runs(everybody: cast.Cast) -> None:
    for _ in range(2):
        browser(everybody.jonas).post("/syncs/start/", {"account": cast.ACCOUNT_ID})

    assert Sync.objects.count() == 1


def test_a_viewer_cannot_ask_for_a_sync(everybody: cast.Cast) -> None:
    answer = browser(everybody.vera).post("/syncs/start/", {"account": cast.ACCOUNT_ID})

    assert answer.status_code == 403
    assert not Sync.objects.exists()


def running(account: Account) -> Sync:
    steps = [
        {"key": "report", "label": "Credential report", "status": "done", "detail": "206 users"},
        {"key": "trail", "label": "CloudTrail", "status": "running", "done": 124, "total": 206},
    ]
    now = clock.now()
    return Sync.objects.create(
        account=account, asked_at=now, started_at=now, status="running", steps=steps
    )


def test_a_running_sync_shows_how_far_each_step_is(everybody: cast.Cast) -> None:
    running(everybody.account)

    answer = browser(everybody.vera).get(f"/syncs/{cast.ACCOUNT_ID}/", headers=HTMX)

    assert answer.status_code == 200
    assert "124 of 206" in text_of(answer)


def test_polling_stops_when_the_sync_is_over(everybody: cast.Cast) -> None:
    sync = running(everybody.account)
    sync.status = Sync.Status.WHOLE
    sync.save()

    answer = browser(everybody.vera).get(f"/syncs/{cast.ACCOUNT_ID}/", headers=HTMX)

    assert answer.status_code == 286


def test_a_sync_is_dated_by_its_start_as_everywhere_else(everybody: cast.Cast) -> None:
    cast.departure("a")
    started = clock.now() - timedelta(minutes=40)
    Sync.objects.create(
        account=everybody.account,
        asked_at=started,
        started_at=started,
        finished_at=started + timedelta(minutes=3),
        status="whole",
    )

    for path in ("/", "/settings/accounts/"):
        text = text_of(browser(everybody.jonas).get(path))
        assert f"{started:%H:%M}</time>" in text
        assert f"{started + timedelta(minutes=3):%H:%M}</time>" not in text


def test_a_sync_of_an_account_that_is_not_there_is_not_found(everybody: cast.Cast) -> None:
    assert browser(everybody.vera).get("/syncs/999999999999/").status_code == 404


def test_the_root_tile_counts_accounts_and_says_what_is_wrong(everybody: cast.Cast) -> None:
    cast.departure("a")
    now = clock.now()
    at = now.isoformat()
    everybody.account.root_facts = {"mfa_active": False, "active_keys": 1, "live_at": at}
    everybody.account.save()
    sound = {"mfa_active": True, "has_keys": False, "at": at}
    other = cast.account("210987654321", "staging", root_facts=sound)
    half = cast.account("310987654321", "half", root_facts={"mfa_active": True})

    everywhere = overview.root_tile(Account.objects.all(), now)
    assert everywhere.count == 1
    assert everywhere.fact == "production has an access key and has no MFA"
    assert overview.root_tile([other], now).fact.startswith("MFA, no access key")
    assert overview.root_tile([half], now).fact == "nothing wrong in what could be read"
    text = text_of(browser(everybody.vera).get("/"))
    assert "Root user" in text
    assert "has an access key" in text


def test_a_root_that_was_not_read_is_not_said_to_be_safe(everybody: cast.Cast) -> None:
    found = overview.root_tile(Account.objects.all(), clock.now())
    assert (found.count, found.accounts, found.fact) == (0, 0, "not read yet")
