"""The pages of batches: list, compose, draft, review and run, as each role meets them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import clock, ledger
from inventory.aws import identity
from inventory.aws.session import Identity
from inventory.models import Account, LedgerEntry, Person
from migrations_app import batch_run, changes
from migrations_app.models import Batch, Change, Departure, Viewed
from tests import cast
from tests.migrations_app import batch_rows as rows
from tests.migrations_app.browsing import address

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker said whose credentials it runs on."""
    known = Identity("arn:aws:iam::999999999999:user/worker", "AIDAWORKER", "999999999999")
    monkeypatch.setattr(identity, "own_identity", lambda: known)
    identity.report("a worker")


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


# ── List ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_begins_with_the_newest_batch_and_a_sentence(everybody: cast.Cast) -> None:
    rows.draft(everybody, number=3)
    rows.started(everybody, number=4)

    text = text_of(browser(everybody.vera).get("/batches/"))

    assert "Batch #4 is running. Batch #3 is a draft." in text
    assert text.index('href="/batches/4/"') < text.index('href="/batches/3/" data-open')


def test_nobody_is_still_to_approve_what_was_withdrawn(everybody: cast.Cast) -> None:
    rows.asked(everybody, number=3, status="withdrawn")

    text = text_of(browser(everybody.vera).get("/batches/"))

    assert "Withdrawn" in text
    assert "not yet" not in text


def test_only_who_may_compose_is_offered_it(everybody: cast.Cast) -> None:
    assert "/batches/new/" in text_of(browser(everybody.jonas).get("/batches/"))
    assert "/batches/new/" not in text_of(browser(everybody.vera).get("/batches/"))


@pytest.mark.parametrize("path", ["", "undo.sh", "calls.json"])
def test_an_unknown_number_is_not_found(everybody: cast.Cast, path: str) -> None:
    assert browser(everybody.jonas).get(f"/batches/999/{path}").status_code == 404


ACTIONS = (
    *("add", "remove", "method", "discard", "dry-run", "ask", "viewed", "comment", "approve"),
    *("send-back", "withdraw", "take-over", "pause", "resume", "abort", "skip", "retry", "restore"),
)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_get_never_acts(everybody: cast.Cast, action: str) -> None:
    rows.draft(everybody, number=1)
    assert browser(everybody.jonas).get(f"/batches/1/{action}/").status_code == 405


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_may_do_nothing_to_a_batch(everybody: cast.Cast, action: str) -> None:
    batch = rows.draft(everybody, cast.departure("idle", "owner-assigned"), number=1)
    before = Batch.objects.values().get(pk=batch.pk)

    answer = browser(everybody.vera).post(f"/batches/1/{action}/", {"reason": "x", "text": "x"})

    assert answer.status_code == 403
    assert Batch.objects.values().get(pk=batch.pk) == before


# ── Compose ──────────────────────────────────────────────────────────────────────────────────────


def test_composing_makes_a_draft_and_leads_to_it(everybody: cast.Cast) -> None:
    quiet = cast.departure("quiet", "owner-assigned")
    sent = {"account": cast.ACCOUNT_ID, "move": "disable", "users": [quiet.user.user_id]}

    answer = browser(everybody.jonas).post("/batches/new/", sent)

    batch = Batch.objects.get()
    assert answer["Location"] == f"/batches/{batch.number}/"
    assert [row.departure for row in batch.changes.all()] == [quiet]


def test_a_user_is_found_by_its_name_in_any_case(everybody: cast.Cast) -> None:
    quiet = cast.departure("Quiet.One", "owner-assigned")
    sent = {"account": cast.ACCOUNT_ID, "move": "disable", "names": "quiet.one"}

    browser(everybody.jonas).post("/batches/new/", sent)

    assert Change.objects.get().departure == quiet


def test_a_name_that_nobody_has_is_named_and_nothing_is_made(everybody: cast.Cast) -> None:
    sent = {"account": cast.ACCOUNT_ID, "move": "disable", "names": "ghost"}

    answer = browser(everybody.jonas).post("/batches/new/", sent)

    assert answer.status_code == 422
    assert "No such user in production: ghost." in text_of(answer)
    assert not Batch.objects.exists()


def test_an_urgent_batch_without_a_reason_comes_back_with_the_question(
    everybody: cast.Cast,
) -> None:
    leaked = cast.departure("leaked", "owner-assigned")
    sent = {"account": cast.ACCOUNT_ID, "move": "disable", "urgent": "on"}

    answer = browser(everybody.jonas).post(
        "/batches/new/", {**sent, "users": [leaked.user.user_id]}
    )

    assert answer.status_code == 422
    assert "Say why this cannot wait" in text_of(answer)
    assert not Batch.objects.exists()


def test_who_may_not_go_is_listed_with_the_reason(everybody: cast.Cast) -> None:
    cast.departure("needed", "owner-assigned", everybody.payments, answer="needed")

    text = text_of(browser(everybody.jonas).get("/batches/new/?once=1"))

    assert "Payments still needs needed." in text
    assert "Plan a replacement and have the owner confirm it." in text


def ticked(text: str) -> list[str]:
    """The names of the ticked users on the compose page."""
    boxes = [box for box in text.split("<input ") if "data-select-row" in box]
    return [
        box.partition('aria-label="')[2].partition('"')[0]
        for box in boxes
        if "checked" in box.partition(">")[0]
    ]


def test_the_suggested_users_are_ticked_up_to_the_size_of_a_batch(everybody: cast.Cast) -> None:
    for number in range(22):
        cast.departure(f"quiet-{number}", "owner-assigned", everybody.payments)

    assert len(ticked(text_of(browser(everybody.jonas).get("/batches/new/?once=1")))) == 20


def test_admins_are_suggested_first_and_then_whoever_has_been_quiet_the_longest(
    everybody: cast.Cast,
) -> None:
    days = {"lately": 100, "long": 300, "never": None, "admin": 95}
    for name, ago in days.items():
        last = None if ago is None else clock.now() - timedelta(days=ago)
        privilege = "admin" if name == "admin" else "read"
        user = cast.iam_user(
            name, verdict="dormant", last_activity_at=last, privilege=privilege, tags={"a": "b"}
        )
        cast.departure(user, "owner-assigned", everybody.payments)
    jonas = browser(everybody.jonas)
    jonas.get("/batches/new/?once=1")

    with CaptureQueriesContext(connection) as asked:
        text = text_of(jonas.get("/batches/new/?once=1"))

    assert ticked(text) == ["admin", "never", "long", "lately"]
    assert len(asked) <= 11


def test_a_user_whose_owner_did_not_let_it_go_says_so(everybody: cast.Cast) -> None:
    for name, answer in (("a", ""), ("b", "unsure"), ("c", "can-go")):
        cast.departure(name, "owner-assigned", everybody.payments, answer=answer)

    text = text_of(browser(everybody.jonas).get("/batches/new/?once=1"))

    assert text.count("has not said that it can go") == 1
    assert text.count("does not know yet") == 1


def test_a_link_that_names_users_ticks_those_alone(everybody: cast.Cast) -> None:
    cast.departure("other", "owner-assigned", everybody.payments)
    quiet = cast.departure("quiet", "owner-assigned", everybody.payments)

    answer = browser(everybody.jonas).get(f"/batches/new/?once=1&users={quiet.user.user_id}")

    assert ticked(text_of(answer)) == ["quiet"]


def test_nobody_is_suggested_for_an_urgent_batch(everybody: cast.Cast) -> None:
    cast.departure("quiet", "owner-assigned", everybody.payments)

    answer = browser(everybody.jonas).get("/batches/new/?once=1&urgent=on")

    assert ticked(text_of(answer)) == []


def test_an_urgent_batch_without_suggestions_asks_for_names(everybody: cast.Cast) -> None:
    text = text_of(browser(everybody.jonas).get("/batches/new/?once=1&urgent=on"))

    assert "Name the users whose keys leaked" in text
    assert "Somebody has to answer for a user first" not in text


def test_a_viewer_may_not_compose(everybody: cast.Cast) -> None:
    assert browser(everybody.vera).get("/batches/new/?once=1").status_code == 403
    sent = {"account": cast.ACCOUNT_ID, "move": "disable"}
    assert browser(everybody.vera).post("/batches/new/", sent).status_code == 403


# ── Draft ────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_shows_each_call_with_its_day_and_its_undo(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody, cast.departure("quiet", "owner-assigned"))

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))

    assert "undo: DetachUserPolicy" in text
    assert "day 7" in text
    assert "the old password does not come back" in text


def test_access_keys_are_cut_wherever_a_batch_is_shown(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody, cast.departure("quiet", "owner-assigned"))

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))

    assert rows.SHOWN_KEY in text
    assert rows.KEY not in text


def test_left_out_users_are_named_with_their_reason(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody)
    blocker = {"code": "rare", "text": "tax-export runs each quarter.", "fix": "Ask its owner."}
    rows.item(batch, cast.departure("tax-export", "owner-assigned"), blockers=[blocker])

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))

    assert "Disable 0 users" in text
    assert "tax-export runs each quarter." in text


def test_an_old_dry_run_cannot_be_asked_with(everybody: cast.Cast) -> None:
    quiet = cast.departure("quiet", "owner-assigned")
    old = clock.now() - timedelta(hours=1, minutes=1)
    batch = rows.draft(everybody, quiet, dry_run_at=old)
    client = browser(everybody.jonas)

    assert "run it again before you ask" in text_of(client.get(f"/batches/{batch.number}/"))
    answer = client.post(f"/batches/{batch.number}/ask/")

    assert answer.status_code == 422
    assert "The dry run is older than an hour" in text_of(answer)
    assert Batch.objects.get().status == "draft"


def test_a_dry_run_is_polled_until_it_ends(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody, dry_run_asked_at=clock.now(), dry_run_at=None)
    change = rows.item(batch, cast.departure("quiet", "owner-assigned"))
    client, path = browser(everybody.jonas), f"/batches/{batch.number}/"
    assert 'hx-get="/batches/1/?mark=0-1-1"' in text_of(client.get(path))

    assert client.get(f"{path}?mark=0-1-1", headers=HTMX).status_code == 204

    Change.objects.filter(pk=change.pk).update(digest="a" * 64)
    moved = client.get(f"{path}?mark=0-1-1", headers=HTMX)
    assert moved.status_code == 200
    assert "Looking at 1 of 1" in text_of(moved)

    Batch.objects.update(dry_run_asked_at=None, dry_run_at=clock.now())
    assert client.get(f"{path}?mark=1-1-1", headers=HTMX).status_code == 286


def test_a_fragment_and_its_page_are_not_mixed_up_by_a_cache(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody, cast.departure("quiet", "owner-assigned"))

    answer = browser(everybody.jonas).get(f"/batches/{batch.number}/")

    assert "HX-Request" in answer["Vary"]


def test_a_user_is_taken_out_in_place_with_a_toast(everybody: cast.Cast) -> None:
    quiet = cast.departure("quiet", "owner-assigned")
    batch = rows.draft(everybody, quiet, cast.departure("other", "owner-assigned"))

    answer = browser(everybody.jonas).post(
        f"/batches/{batch.number}/remove/", {"users": quiet.user.user_id}, headers=HTMX
    )

    assert answer.status_code == 200
    assert "quiet is out of batch" in answer["HX-Trigger"]
    assert "<html" not in text_of(answer)
    assert batch.changes.get().departure.user.user_name == "other"


def test_a_batch_that_is_no_draft_any_more_refuses_the_old_form(everybody: cast.Cast) -> None:
    quiet = cast.departure("quiet", "owner-assigned")
    batch = rows.asked(everybody, quiet)

    answer = browser(everybody.jonas).post(
        f"/batches/{batch.number}/remove/", {"users": quiet.user.user_id}
    )

    assert answer.status_code == 409
    assert "waits for approval, no longer a draft" in text_of(answer)
    assert "is waits" not in text_of(answer)
    assert batch.changes.count() == 1


def test_a_viewer_reads_a_draft_without_its_buttons(everybody: cast.Cast) -> None:
    batch = rows.draft(everybody, cast.departure("quiet", "owner-assigned"))

    text = text_of(browser(everybody.vera).get(f"/batches/{batch.number}/"))

    assert "quiet" in text
    for action in ("ask", "remove", "discard", "add", "dry-run"):
        assert f"/batches/{batch.number}/{action}/" not in text


# ── Review ───────────────────────────────────────────────────────────────────────────────────────


def test_text_from_aws_stays_text(everybody: cast.Cast) -> None:
    hostile = cast.iam_user("quiet", tags={"note": "<script>alert(1)</script>"})
    batch = rows.asked(everybody, cast.departure(hostile, "soaking"), move="delete")

    text = text_of(browser(everybody.mei).get(f"/batches/{batch.number}/"))

    assert "<script>alert(1)</script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_whoever_asked_reads_why_somebody_else_approves(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))

    assert "You asked for this batch, so somebody else approves it." in text
    assert f"/batches/{batch.number}/approve/" not in text
    assert "Open each user and tick Viewed." not in text


@pytest.mark.parametrize(
    ("urgent", "said"),
    [(False, "Approving runs nothing today."), (True, "It starts within a minute")],
)
def test_the_approver_reads_when_it_would_run(
    everybody: cast.Cast, urgent: bool, said: str
) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    Batch.objects.update(urgent=urgent, reason="leaked")

    text = text_of(browser(everybody.mei).get(f"/batches/{batch.number}/"))

    assert said in text
    assert ("Approving runs nothing today." in text) is not urgent


def test_the_approver_marks_a_user_as_viewed(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    change, client = batch.changes.get(), browser(everybody.mei)
    path = f"/batches/{batch.number}/"

    client.post(f"{path}viewed/", {"change": change.pk})

    assert Viewed.objects.get().person == everybody.mei
    assert "1</span> of 1 viewed" in text_of(client.get(path))


def test_the_button_names_one_time_and_the_head_both(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    Account.objects.update(time_zone="Asia/Tokyo")

    text = text_of(browser(everybody.mei).get(f"/batches/{batch.number}/"))

    (button,) = re.findall(r"<span>Approve for .*?</button>", text, re.DOTALL)
    assert "JST" in button
    assert "UTC)" not in button
    assert re.search(r"Earliest <time[^>]*>[^<]* JST \(\d\d:\d\d UTC\)", text)


def test_the_same_warning_about_several_users_is_one_sentence(everybody: cast.Cast) -> None:
    batch = rows.asked(
        everybody, *(cast.departure(name, "owner-assigned") for name in ("ana", "ben", "cleo"))
    )
    lost = {"code": "password", "text": "The password does not come back"}
    for change in batch.changes.all():
        change.warnings = [lost]
        if change.departure.user.user_name == "cleo":
            change.warnings = [lost, {"code": "no-mfa", "text": "No MFA"}]
        change.save()

    text = text_of(browser(everybody.mei).get(f"/batches/{batch.number}/"))

    assert text.count("The password does not come back") == 1
    assert "<b>3 users</b>: The password does not come back" in text
    assert '<b class="mono">cleo</b>: No MFA' in text


def test_a_mark_in_place_brings_the_decision_with_it(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))

    answer = browser(everybody.mei).post(
        f"/batches/{batch.number}/viewed/", {"change": batch.changes.get().pk}, headers=HTMX
    )

    text = text_of(answer)
    assert "Every user viewed" in text
    assert 'id="review-decision" hx-swap-oob="true"' in text
    assert "<html" not in text


def test_a_mark_on_an_earlier_version_does_not_count(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    change, client = batch.changes.get(), browser(everybody.mei)
    client.post(f"/batches/{batch.number}/viewed/", {"change": change.pk})

    Change.objects.filter(pk=change.pk).update(digest="other".ljust(64, "0"))

    assert "0</span> of 1 viewed" in text_of(client.get(f"/batches/{batch.number}/"))


def test_a_user_of_another_batch_cannot_be_marked_here(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    other = rows.asked(everybody, cast.departure("other", "owner-assigned"))

    answer = browser(everybody.mei).post(
        f"/batches/{batch.number}/viewed/", {"change": other.changes.get().pk}
    )

    assert answer.status_code == 404


@pytest.fixture
def ready(everybody: cast.Cast, _worker: None) -> Batch:
    """A batch that Mei may approve: nothing is missing but her click."""
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned", everybody.payments))
    change = batch.changes.get()
    cast.iam_user("root-like", privilege="admin")
    Viewed.objects.create(change=change, person=everybody.mei, digest=change.digest, at=clock.now())
    return batch


@pytest.fixture(autouse=True)
def may_be_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of these batches is one that the installation names as a sandbox (rule 20)."""
    monkeypatch.setattr(settings, "IAMCLEANUP_SANDBOX_ACCOUNTS", [cast.ACCOUNT_ID])


def approve(client: Client, batch: Batch, **sent: str) -> Any:
    return client.post(f"/batches/{batch.number}/approve/", {"digest": batch.digest, **sent})


def test_an_approver_approves_what_the_page_showed(everybody: cast.Cast, ready: Batch) -> None:
    client = browser(everybody.mei)
    shown = text_of(client.get(f"/batches/{ready.number}/"))
    assert f'name="digest" value="{ready.digest}"' in shown

    answer = approve(client, ready)

    assert answer.status_code == 302, text_of(answer)
    ready.refresh_from_db()
    assert (ready.status, ready.approved_by) == ("approved", everybody.mei)


def test_an_approval_of_something_older_is_stale(everybody: cast.Cast, ready: Batch) -> None:
    ledger.append("batch.asked", actor=everybody.jonas, batch=ready.number)

    answer = approve(browser(everybody.mei), ready, digest="e" * 64)

    assert answer.status_code == 409
    assert "changed since you looked at it by Jonas Weber, " in text_of(answer)
    ready.refresh_from_db()
    assert ready.status == "asked"


def test_a_second_click_on_approve_changes_nothing(everybody: cast.Cast, ready: Batch) -> None:
    client = browser(everybody.mei)
    approve(client, ready)
    ready.refresh_from_db()

    answer = approve(client, ready)

    assert answer.status_code == 409
    approved_at = ready.approved_at
    ready.refresh_from_db()
    assert (ready.status, ready.approved_at) == ("approved", approved_at)


def test_nothing_is_approved_before_every_user_was_viewed(
    everybody: cast.Cast, ready: Batch
) -> None:
    Viewed.objects.all().delete()
    client = browser(everybody.mei)

    assert "1 user not viewed yet" in text_of(client.get(f"/batches/{ready.number}/"))
    assert approve(client, ready).status_code == 422


def test_a_delete_asks_for_the_typed_words(everybody: cast.Cast) -> None:
    shut = cast.departure("quiet", "soaking")
    batch = rows.asked(everybody, shut, move="delete")

    text = text_of(browser(everybody.mei).get(f"/batches/{batch.number}/"))

    assert 'data-typed="delete 1 user"' in text
    assert "Deletion is final." in text


def test_taking_a_delete_back_asks_for_no_words(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "soaking"), move="delete")

    for person, deed, asks in ((everybody.jonas, "withdraw", 0), (everybody.mei, "send-back", 1)):
        text = text_of(browser(person).get(f"/batches/{batch.number}/"))
        form = text[text.index(f'action="/batches/{batch.number}/{deed}/"') :]
        assert "data-typed" not in form[: form.index("</form>")]
        assert text.count('name="words"') == asks


def test_sending_back_makes_it_a_draft_with_the_words_on_top(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))

    browser(everybody.mei).post(
        f"/batches/{batch.number}/send-back/", {"reason": "Ask Payments first."}
    )

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))
    assert f"Draft #{batch.number}" in text
    assert "Ask Payments first." in text


def test_a_comment_stands_with_its_user(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, cast.departure("quiet", "owner-assigned"))
    change = batch.changes.get()

    browser(everybody.mei).post(
        f"/batches/{batch.number}/comment/", {"change": change.pk, "text": "Known at DATA-2231."}
    )

    assert change.comments.get().text == "Known at DATA-2231."
    entry = LedgerEntry.objects.get(kind="batch.commented")
    assert (entry.batch, entry.user_id) == (batch.number, change.departure.user.user_id)
    assert (entry.actor, entry.data) == (ledger.person_hash(everybody.mei), {})
    assert "Known at DATA-2231." in text_of(
        browser(everybody.vera).get(f"/batches/{batch.number}/")
    )


def test_an_approved_batch_says_what_it_waits_for(everybody: cast.Cast, ready: Batch) -> None:
    for change in ready.changes.all():
        change.facts = {**change.facts, "owner": "payments"}
        change.save(update_fields=["facts"])
    client = browser(everybody.mei)
    approve(client, ready)

    text = text_of(client.get(f"/batches/{ready.number}/"))

    assert "Approved, and waits." in text
    assert "A lead of Payments has not opened the message yet." in text


# ── Run ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def running(everybody: cast.Cast) -> Batch:
    """Three users: one done, one running, one queued."""
    done = cast.departure("done-one", "disabled", everybody.payments)
    batch = rows.started(
        everybody,
        done,
        cast.departure("busy-one", "owner-assigned"),
        cast.departure("next-one", "owner-assigned"),
    )
    first, second, _ = batch.changes.order_by("pk")
    Change.objects.filter(pk=first.pk).update(status="done", finished_at=clock.now())
    Change.objects.filter(pk=second.pk).update(status="running")
    rows.call(first, "GetUser", kind="look", target=f"done-one: same {done.user.user_id}")
    rows.call(first)
    return batch


def test_the_run_shows_how_far_each_user_is(everybody: cast.Cast, running: Batch) -> None:
    text = text_of(browser(everybody.vera).get(f"/batches/{running.number}/"))

    assert "1 of 3" in text
    assert text.index("busy-one") < text.index("done-one") < text.index("next-one")
    assert "AttachUserPolicy AWSDenyAll" in text


def test_the_head_counts_who_was_restored_apart(everybody: cast.Cast, running: Batch) -> None:
    done = running.changes.get(departure__user__user_name="done-one")
    cast.change(done.departure, "restore", status="done")

    text = text_of(browser(everybody.vera).get(f"/batches/{running.number}/"))

    assert '<span class="run-done num">0 of 3</span>' in text
    assert "disabled, 1 restored" in text


def poll_of(text: str) -> str:
    """The address that the live head asks next, with the switch beside the calls on."""
    start = text.index('id="run-head"')
    address = text[text.index('hx-get="', start) + 8 :].partition('"')[0]
    return address.replace("&amp;", "&") + "&follow=1"


def test_the_strip_counts_as_the_head_of_the_page_does(everybody: cast.Cast) -> None:
    users = [cast.departure(name, "owner-assigned") for name in ("one", "two", "three", "four")]
    batch = rows.started(everybody, *users)
    done, skipped, *_ = batch.changes.order_by("pk")
    Change.objects.filter(pk=done.pk).update(status=Change.Status.DONE)
    Change.objects.filter(pk=skipped.pk).update(status=Change.Status.WITHDRAWN)
    # Neither the shut that follows nor a restore is a user more.
    cast.change(done.departure, "soak", batch=batch, follows=done, status="queued")
    cast.change(done.departure, "restore", batch=batch, status="failed")
    vera = browser(everybody.vera)

    head = text_of(vera.get(f"/batches/{batch.number}/"))
    strip = text_of(vera.get("/live/", headers={"HX-Request": "true"}))

    assert '<span class="run-done num">1 of 3</span>' in head
    for told in (head, strip):
        assert '<span class="num">1 of 3</span> users disabled, nothing failed' in told


def test_one_page_never_shows_two_counts_of_one_batch(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = rows.started(everybody, *(cast.departure(n, "owner-assigned") for n in ("one", "two")))
    counted = batch_run.progress_of

    def then_one_more_is_done(*told: Any) -> batch_run.Progress:
        found = counted(*told)
        Change.objects.filter(pk=batch.changes.order_by("pk")[0].pk).update(
            status=Change.Status.DONE
        )
        return found

    monkeypatch.setattr(batch_run, "progress_of", then_one_more_is_done)

    text = text_of(browser(everybody.vera).get(f"/batches/{batch.number}/"))

    assert '<span class="run-done num">0 of 2</span>' in text
    assert '<span class="num">0 of 2</span> users disabled' in text
    assert f"/live/?mark={batch.number}.0.0.0" in text


def test_a_poll_that_brings_nothing_new_is_answered_with_nothing(
    everybody: cast.Cast, running: Batch
) -> None:
    client = browser(everybody.jonas)
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))

    assert client.get(poll, headers=HTMX).status_code == 204


def test_a_poll_brings_only_the_calls_that_are_new(everybody: cast.Cast, running: Batch) -> None:
    client = browser(everybody.jonas)
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))
    old = [call.pk for change in running.changes.all() for call in change.calls.all()]
    new = rows.call(running.changes.get(status="running"), outcome="")

    text = text_of(client.get(poll, headers=HTMX))

    assert f'id="call-{new.pk}"' in text
    assert not any(f'id="call-{pk}"' in text for pk in old)


def test_who_does_not_follow_gets_the_calls_later(everybody: cast.Cast, running: Batch) -> None:
    client = browser(everybody.jonas)
    page = text_of(client.get(f"/batches/{running.number}/"))
    assert 'name="follow" value="1" checked' in page
    poll = poll_of(page)
    busy = running.changes.get(status="running")
    first = rows.call(busy, outcome="")

    held = text_of(client.get(poll.removesuffix("&follow=1"), headers=HTMX))
    assert f'id="call-{first.pk}"' not in held
    assert "1 of 3" in held

    # Nothing else happens, and the calls come all the same once they are wanted.
    later = poll_of(held)
    assert client.get(later.removesuffix("&follow=1"), headers=HTMX).status_code == 204
    assert f'id="call-{first.pk}"' in text_of(client.get(later, headers=HTMX))

    # At the end everybody has them all.
    running.changes.update(status="done", finished_at=clock.now())
    Batch.objects.update(status="done", finished_at=clock.now())
    last = client.get(later.removesuffix("&follow=1"), headers=HTMX)
    assert (last.status_code, f'id="call-{first.pk}"' in text_of(last)) == (286, True)


def test_what_an_abort_and_a_restore_of_all_would_do_is_kept_up_to_date(
    everybody: cast.Cast, running: Batch
) -> None:
    client = browser(everybody.jonas)
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))
    busy = running.changes.get(status="running")
    Change.objects.filter(pk=busy.pk).update(status="done", finished_at=clock.now())
    Departure.objects.filter(pk=busy.departure_id).update(state="disabled")

    text = text_of(client.get(poll, headers=HTMX))

    assert '<b id="abort-leave" hx-swap-oob="true">Leave the 2 disabled</b>' in text
    assert "2 are already disabled." in text
    assert '<span id="restore-count" hx-swap-oob="true">all 2</span>' in text
    # What may be open is not put anew.
    assert "<dialog" not in text


def test_calls_stand_in_the_order_of_the_clock(everybody: cast.Cast, running: Batch) -> None:
    busy = running.changes.get(status="running")
    write = rows.call(busy)
    # Written down when it was answered, which was after that write.
    look = rows.call(busy, "GetUser", kind="look", sent_at=clock.now() - timedelta(seconds=9))

    text = text_of(browser(everybody.jonas).get(f"/batches/{running.number}/"))

    assert text.index(f'id="call-{write.pk}"') < text.index(f'id="call-{look.pk}"')


def test_a_pause_is_said_once_and_an_abort_offers_what_there_is(
    everybody: cast.Cast, running: Batch
) -> None:
    client, where = browser(everybody.jonas), f"/batches/{running.number}/"
    assert 'Restore <span id="restore-count">all</span>' in text_of(client.get(where))
    changes.pause(running, everybody.mei)
    running.changes.update(status="queued", finished_at=None)
    Departure.objects.update(state="owner-assigned")

    text = text_of(client.get(where))

    assert f"<b>Paused by {everybody.mei}.</b>" in text
    assert "Leave who is disabled by then" in text
    assert "They are watched as planned." in text
    assert ("Keep it paused" in text, "Keep running" in text) == (True, False)
    Batch.objects.update(method="shut")
    assert "They soak as planned." in text_of(client.get(where))
    running.refresh_from_db()
    changes.abort(running, everybody.mei)
    assert "No user of this batch is off." in text_of(client.get(where))


def test_a_call_that_was_sent_is_mended_in_place_when_it_is_answered(
    everybody: cast.Cast, running: Batch
) -> None:
    client = browser(everybody.jonas)
    call = rows.call(running.changes.get(status="running"), outcome="")
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))

    call.outcome, call.answered_at = "refused", clock.now()
    call.error_code = "AccessDenied"
    call.save()
    text = text_of(client.get(poll, headers=HTMX))

    assert f'<li id="call-{call.pk}" hx-swap-oob="true">' in text
    assert "AccessDenied" in text


def test_the_last_poll_tells_the_browser_to_stop(everybody: cast.Cast, running: Batch) -> None:
    client = browser(everybody.jonas)
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))
    running.changes.update(status="done", finished_at=clock.now())
    Batch.objects.update(status="done", finished_at=clock.now())

    answer = client.get(poll, headers=HTMX)

    assert answer.status_code == 286
    assert "hx-trigger" not in text_of(answer).partition("run-users")[0]
    assert "has ended" in answer["HX-Trigger"]


def test_a_failure_is_told_to_screen_readers(everybody: cast.Cast, running: Batch) -> None:
    client = browser(everybody.jonas)
    poll = poll_of(text_of(client.get(f"/batches/{running.number}/")))
    running.changes.filter(status="running").update(status="failed", error="AWS refused it.")

    answer = client.get(poll, headers=HTMX)

    assert "1 of 3 users failed." in answer["HX-Trigger"]
    assert "AWS refused it." in text_of(answer)


def test_pausing_twice_is_harmless(everybody: cast.Cast, running: Batch) -> None:
    client = browser(everybody.jonas)
    client.post(f"/batches/{running.number}/pause/")
    first = Batch.objects.get().paused_at

    answer = client.post(f"/batches/{running.number}/pause/")

    assert answer.status_code == 302
    assert Batch.objects.get().paused_at == first


def test_aborting_leaves_the_queued_users_as_they_are(everybody: cast.Cast, running: Batch) -> None:
    answer = browser(everybody.jonas).post(f"/batches/{running.number}/abort/", {"then": "leave"})

    assert answer.status_code == 302
    assert Batch.objects.get().status == "aborted"
    assert running.changes.get(departure__user__user_name="next-one").status == "withdrawn"


def test_an_abort_that_says_nonsense_is_refused(everybody: cast.Cast, running: Batch) -> None:
    answer = browser(everybody.jonas).post(f"/batches/{running.number}/abort/", {"then": "delete"})

    assert answer.status_code == 422
    assert Batch.objects.get().status == "running"


def test_a_queued_user_is_skipped_once(everybody: cast.Cast, running: Batch) -> None:
    client, change = browser(everybody.jonas), running.changes.get(status="queued")
    sent = {"change": change.pk}

    assert client.post(f"/batches/{running.number}/skip/", sent).status_code == 302
    assert client.post(f"/batches/{running.number}/skip/", sent).status_code == 409
    assert running.changes.get(pk=change.pk).status == "left-out"


def test_a_delete_says_that_nobody_comes_back(everybody: cast.Cast) -> None:
    batch = rows.started(everybody, cast.departure("quiet", "soaking"), move="delete")

    text = text_of(browser(everybody.jonas).get(f"/batches/{batch.number}/"))

    assert "Deleted users cannot be restored." in text
    assert f"/batches/{batch.number}/restore/" not in text


def test_the_undo_script_is_handed_out_once_it_is_stored(
    everybody: cast.Cast, running: Batch
) -> None:
    client, path = browser(everybody.jonas), f"/batches/{running.number}/undo.sh"
    assert client.get(path).status_code == 404

    Batch.objects.update(undo_script="#!/bin/sh\n")

    answer = client.get(path)
    assert answer.content == b"#!/bin/sh\n"
    assert answer["Content-Disposition"] == f'attachment; filename="undo-batch-{running.number}.sh"'


def test_a_viewer_does_not_get_the_undo_script(everybody: cast.Cast, running: Batch) -> None:
    Batch.objects.update(undo_script="#!/bin/sh\n")
    assert browser(everybody.vera).get(f"/batches/{running.number}/undo.sh").status_code == 403


def test_the_calls_download_holds_request_ids_and_no_whole_key(
    everybody: cast.Cast, running: Batch
) -> None:
    change = running.changes.get(status="running")
    params = {"AccessKeyId": rows.KEY, "Status": "Inactive"}
    rows.call(change, "UpdateAccessKey", target=rows.KEY, params=params, request_id="r-1")

    answer = browser(everybody.vera).get(f"/batches/{running.number}/calls.json")

    last = answer.json()["calls"][-1]
    assert (last["operation"], last["request_id"]) == ("UpdateAccessKey", "r-1")
    assert rows.KEY not in text_of(answer)


# ── Queries ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [rows.draft, rows.asked, rows.started])
def test_a_page_asks_the_database_no_more_for_more_users(everybody: cast.Cast, kind: Any) -> None:
    few = kind(everybody, *(cast.departure(f"few-{n}", "owner-assigned") for n in range(2)))
    many = kind(everybody, *(cast.departure(f"many-{n}", "owner-assigned") for n in range(12)))
    client = browser(everybody.jonas if kind is not rows.asked else everybody.vera)

    def queries(batch: Batch) -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/batches/{batch.number}/")
        return len(asked)

    queries(few)
    assert queries(many) <= queries(few)


@pytest.mark.parametrize("warned", [False, True])
def test_who_decides_on_a_batch_is_shown_it_in_twelve_statements(
    everybody: cast.Cast, warned: bool
) -> None:
    users = [cast.departure(f"u{n}", "owner-assigned", everybody.payments) for n in range(9)]
    batch = rows.asked(everybody, *users)
    if warned:
        # Each that is named somewhere has to be ticked, and is looked up with all others.
        batch.changes.update(warnings=[{"code": "reference", "text": "A role names it."}])
    mei = browser(everybody.mei)
    mei.get(f"/batches/{batch.number}/")

    with CaptureQueriesContext(connection) as asked:
        shown = text_of(mei.get(f"/batches/{batch.number}/"))

    assert "9 users not viewed yet" in shown
    assert len(asked) <= 12


@pytest.mark.parametrize("status", ["draft", "asked", "started"])
def test_fenced_is_explained_on_every_page_of_a_batch(everybody: cast.Cast, status: str) -> None:
    one = cast.departure("old-deploy", "owner-assigned", everybody.payments)
    batch = getattr(rows, status)(everybody, one)

    for path in ("/batches/", f"/batches/{batch.number}/"):
        assert "keys live, every call denied" in text_of(browser(everybody.vera).get(path))


@pytest.mark.parametrize(
    ("code", "words", "section"),
    [
        ("admin", "See permissions", "permissions"),
        ("reference", "See who names it", "references"),
        ("rare", "See timeline", "evidence"),
        ("no-mfa", "See credentials", "credentials"),
        ("unclaimed", "See owner", "owner"),
        ("overruled", "See history", "history"),
        ("password", "See calls", ""),
    ],
)
def test_each_risk_leads_to_its_proof(
    everybody: cast.Cast, code: str, words: str, section: str
) -> None:
    one = cast.departure("old-deploy", "owner-assigned", everybody.payments)
    batch = rows.asked(everybody, one)
    change = batch.changes.get()
    Change.objects.filter(pk=change.pk).update(warnings=[{"code": code, "text": "Look."}])
    reader, user = browser(everybody.mei), address(one.user)

    text = text_of(reader.get(f"/batches/{batch.number}/"))

    to = f"{user}#{section}" if section else f"#change-{change.pk}"
    assert f'href="{to}">{words}<span class="visually-hidden"> of old-deploy</span>' in text
    assert not section or f'id="{section}"' in text_of(reader.get(user))
