"""Every page of the product and every state of it that looks different, as rows of the database.

`pages` takes the addresses from the resolver, so that a new page cannot be forgotten; `states`
adds what one address shows in more than one way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from inventory import clock, ledger
from inventory.models import Account, Alert, IamUser, Person, Sync
from migrations_app.lifecycle import Protection, State
from migrations_app.models import (
    Batch,
    Change,
    Departure,
    EmergencyStop,
    EvidencePack,
    Hit,
    Holdings,
)
from migrations_app.soak import tally
from tests import cast
from tests.migrations_app import batch_rows
from tests.test_url_permissions import BY_TOKEN, OF_EVERY_PERSON, ROWS, Scene, names, set_scene

PASSWORD = "correct horse battery"
# Whoever may do most sees most of a page.
BY_RANK = "EDALFV"
NOBODY, HALF = "", "half"


@dataclass(frozen=True)
class Stop:
    """One page to look at: where, signed in as whom, and what it may answer."""

    path: str
    who: str
    status: int = 200


def session_of(username: str) -> str:
    """The session of somebody who signed in with everything asked for just now."""
    if username == HALF:
        return _half_signed_in()
    client = Client()
    client.force_login(Person.objects.get(username=username))
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time()},
        {"method": "mfa", "at": time.time(), "type": "totp"},
    ]
    session.save()
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _tess() -> None:
    """Somebody with a local account and a second factor."""
    tess = cast.person("tess", "Tess Okafor", [])
    tess.set_password(PASSWORD)
    tess.save()
    TOTP.activate(tess, generate_totp_secret())
    RecoveryCodes.activate(tess)


def _half_signed_in() -> str:
    """The session of Tess, whose password was right and who has not shown the second factor."""
    client = Client()
    answer = client.post("/sign-in/", {"login": "tess", "password": PASSWORD})
    assert "second-factor" in answer["Location"]
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def furnished() -> Iterator[Stop]:
    """Every page, then every state; the emergency stop last, since it shows everywhere."""
    scene = set_scene()
    _tess()
    yield Stop(reverse("mfa_authenticate"), HALF)
    yield from pages(scene)
    yield from states(scene)
    yield from stopped(scene)


def pages(scene: Scene) -> Iterator[Stop]:
    """Every address that answers with a page, seen by whoever may see most of it."""
    for name in sorted(set(names(get_resolver())) - BY_TOKEN):
        row = ROWS.get(name)
        if row and not row.get:
            continue
        path = _path(scene, name)
        for who in _seen_by(scene, name):
            client = Client(raise_request_exception=False)
            if who:
                client.cookies[settings.SESSION_COOKIE_NAME] = session_of(who)
            answer = client.get(path)
            if _is_page(answer):
                yield Stop(path, who, answer.status_code)


def _is_page(answer: Any) -> bool:
    """Downloads, fragments and addresses that lead on are none."""
    if answer.streaming or answer.status_code in (301, 302, 405):
        return False
    saved = answer.get("Content-Disposition", "").startswith("attachment")
    return not saved and b"<html" in answer.content


def _path(scene: Scene, name: str) -> str:
    try:
        return scene.path(name)
    except NoReverseMatch:
        return "/" + name


def _seen_by(scene: Scene, name: str) -> list[str]:
    row = ROWS.get(name)
    if row:
        letter = next(one for one in BY_RANK if one in (row.get or ""))
        return [scene.people[letter].username]
    if name in OF_EVERY_PERSON:
        return ["tess"]
    return [NOBODY]


def states(scene: Scene) -> Iterator[Stop]:
    """What one address shows in more than one way."""
    engineer, approver, lead, admin, viewer = (scene.people[one].username for one in "EALDV")
    account = Account.objects.get(account_id=cast.ACCOUNT_ID)
    for row in _users(account):
        yield Stop(_user(row.user), engineer)
    deleted = Departure.objects.select_related("user").get(user__user_name="gone")
    change = cast.change(deleted, "delete", status="done", finished_at=clock.now())
    Holdings.objects.create(
        departure=deleted,
        change=change,
        taken_at=clock.now(),
        document=cast.everything_held("gone").document(),
    )
    yield Stop(f"{_user(deleted.user)}rebuild/", engineer)
    shut = Departure.objects.filter(state=State.SOAKING).select_related("user").first()
    assert shut
    yield Stop(_user(shut.user), lead)
    yield Stop(f"{_user(shut.user)}restore/", engineer)
    for batch in _batches():
        yield Stop(reverse("batch", args=[batch.number]), batch.composed_by.username)
        if batch.status == Batch.Status.ASKED:
            yield Stop(reverse("batch", args=[batch.number]), "mei")
            yield Stop(reverse("batch", args=[batch.number]), viewer)
    _around(account)
    for path in (
        "/users/?view=all",
        "/users/?q=nothing-is-called-so",
        f"/hits/{Hit.objects.exclude(tally={}).earliest('pk').pk}/?as=table",
        "/users/?state=soaking&verdict=dormant",
        "/search/?q=deploy",
        "/search/?q=nothing-is-called-so",
        "/soak/",
        "/plans/?target=eks",
        "/nowhere/",
        f"{reverse('batch-new')}?move=delete",
        reverse("batch-new"),
    ):
        yield Stop(path, engineer, 404 if path == "/nowhere/" else 200)
    for who in (approver, lead, admin, viewer, "mei"):
        yield Stop("/", who)
    for path in ("/users/", "/soak/", "/plans/", "/batches/", "/inbox/", "/log/"):
        yield Stop(path, lead)
        yield Stop(path, viewer)
    yield Stop("/settings/policy/", viewer, 403)


def stopped(scene: Scene) -> Iterator[Stop]:
    """The same under the emergency stop, which shows on every page."""
    EmergencyStop.objects.create(
        pulled_by=scene.people["A"], pulled_at=clock.now(), reason="Payments cannot settle"
    )
    for path in ("/", "/stop/", "/batches/", "/users/"):
        yield Stop(path, scene.people["E"].username)


def empty() -> Iterator[Stop]:
    """Nothing read and nothing done yet."""
    cast.cast()
    for path in (
        "/",
        "/users/",
        "/claims/",
        "/claim/",
        "/plans/",
        "/plans/staying-clean/",
        "/plans/identity-center/",
        "/batches/",
        reverse("batch-new"),
        "/soak/",
        "/inbox/",
        "/alerts/",
        "/search/?q=x",
        "/log/",
        "/log/deletions/",
        "/log/restores/",
        "/log/approvals/",
        "/log/messages/",
        "/log/packs/",
        "/settings/accounts/",
        "/settings/break-glass/",
        "/settings/notifications/",
        "/settings/tokens/",
        "/stop/",
    ):
        yield Stop(path, "jonas")
    Account.objects.update(last_whole_at=None)
    yield Stop("/", "jonas")
    Account.objects.update(active=False)
    yield Stop("/", "jonas")
    yield Stop("/", "ada")


def _user(user: IamUser) -> str:
    return reverse("user", args=[user.account.account_id, user.user_id])


def _users(account: Account) -> list[Departure]:
    """One of each kind of IAM user."""
    now, payments = clock.now(), cast.team("payments")
    busy = cast.iam_user("release-bot", verdict="active", privilege="admin")
    cast.access_key(busy)
    for day in range(1, 40, 3):
        cast.activity(busy, (now - timedelta(days=day)).date(), count=day * 7)
    long_name = "svc-" + "a-very-long-name-" * 3 + "end"
    rows = [
        cast.departure(busy, State.DISCOVERED),
        cast.departure(cast.iam_user(long_name, suggested_team=payments), State.DISCOVERED),
        cast.departure(
            cast.iam_user("night-job", verdict="unknown", coverage_whole=False), State.DISCOVERED
        ),
        cast.departure("contested", State.OWNER_ASSIGNED, payments, contested_at=now,
                       contested_by_team=cast.team("platform")),
        cast.departure("disputed", State.OWNER_ASSIGNED, payments, dispute_reason="Year end",
                       disputed_until=(now + timedelta(days=20)).date()),
        cast.departure("overruled", State.OWNER_ASSIGNED, payments, overruled_at=now,
                       overruled_verdict="dormant", overruled_note="Only a monitor"),
        cast.departure("break-glass-1", protection=Protection.BREAK_GLASS,
                       protection_reason="Way in when everything else is down"),
        cast.departure("scanner", protection=Protection.EXEMPT, protection_reason="Until March",
                       protection_until=(now + timedelta(days=60)).date()),
        cast.departure("stolen", State.DISABLED, payments, compromised=True),
        cast.departure("quiet", State.SOAKING, payments),
        cast.departure("ripe", State.SOAKING, payments, fenced_at=now - timedelta(days=40),
                       clock_started_at=now - timedelta(days=40)),
        cast.departure("restored", State.OWNER_ASSIGNED, payments, restored_at=now),
        cast.departure("gone", State.DELETED, payments),
        cast.departure("gone-elsewhere", State.DELETED, payments, deleted_outside=True),
    ]  # fmt: skip
    cast.hit(rows[9], "sts:GetCallerIdentity was denied", kind="knock")
    called = cast.hit(rows[8])
    called.tally = tally.counted({}, called.last_at)
    called.save()
    cast.caller(called)
    for row, target in zip(rows[3:6], ("eks", "identity-center", "other"), strict=True):
        cast.plan(row, target)
    return rows


def _batches() -> list[Batch]:
    """One batch in each state, in the way it comes to it."""
    everybody = _everybody()
    counted = iter(range(1000))

    def two(state: State) -> list[Departure]:
        return [cast.departure(f"item-{next(counted)}", state) for _ in range(2)]

    owned, soaking = State.OWNER_ASSIGNED, State.SOAKING
    running = batch_rows.started(everybody, *two(owned), *two(owned))
    first, second, third, _ = running.changes.all()
    for change, status in ((first, "done"), (second, "failed"), (third, "running")):
        batch_rows.call(change)
        Change.objects.filter(pk=change.pk).update(
            status=status, started_at=clock.now(), error="AWS said no" if second == change else ""
        )
    commented = batch_rows.asked(everybody, *two(owned))
    commented.comments.create(person=everybody.mei, at=clock.now(), text="Ask Payments first.")
    done = batch_rows.started(everybody, *two(owned), status="done", finished_at=clock.now())
    done.changes.update(status="done", finished_at=clock.now())
    return [
        batch_rows.draft(everybody),
        batch_rows.draft(everybody, *two(owned)),
        commented,
        batch_rows.asked(everybody, *two(soaking), move="delete"),
        batch_rows.started(everybody, *two(owned), status="approved", started_at=None),
        running,
        batch_rows.started(everybody, *two(owned), status="paused", paused_at=clock.now(),
                           pause_reason="1 of 2 failed"),
        done,
        batch_rows.started(everybody, *two(owned), status="aborted", finished_at=clock.now()),
        batch_rows.asked(everybody, *two(owned), status="withdrawn"),
    ]  # fmt: skip


def _around(account: Account) -> None:
    """What accounts, alerts, packs and the log show."""
    now = clock.now()
    jonas = Person.objects.get(username="jonas")
    steps = [
        {"key": "users", "label": "Users", "status": "done", "done": 9, "total": 9, "detail": ""},
        {"key": "trail", "label": "Trail", "status": "running", "done": 1, "total": 3,
         "detail": "us-east-1"},
    ]  # fmt: skip
    Sync.objects.create(
        account=account, asked_at=now, status="failed", started_at=now, finished_at=now,
        steps=steps, error="AccessDenied: iam:ListUsers",
    )  # fmt: skip
    other = cast.account("333333333333", "staging", last_whole_at=None)
    Sync.objects.create(account=other, asked_at=now, status="running", started_at=now, steps=steps)
    Alert.objects.create(
        key="a", kind="a", title="The trail stopped", text="Nothing arrived since noon.",
        account=account, raised_at=now,
    )  # fmt: skip
    Alert.objects.create(
        key="b", kind="b", title="An older one", raised_at=now, closed_at=now, closed_by=jonas
    )
    for status in ("done", "failed", "deleted", "building"):
        EvidencePack.objects.create(
            asked_by=jonas, asked_at=now, from_day=now.date(), until_day=now.date(), whole=True,
            status=status,
        )  # fmt: skip
    ledger.append("plan.chosen", actor=jonas, account_id=account.account_id, target="eks")


def _everybody() -> cast.Cast:
    people = {one.username: one for one in Person.objects.all()}
    return cast.Cast(
        account=cast.account(),
        payments=cast.team("payments"),
        platform=cast.team("platform"),
        security=cast.team("security"),
        **{name: people[name] for name in ("sara", "priya", "jonas", "mei", "vera", "ada")},
    )
