"""Every button pressed twice: the second finds what the first did, and nothing is there twice.

A double click, Back and the button once more, or a browser that sends again after a lost answer.
An address that takes a POST and has no row here fails. Afterwards no more stands in any table
than before, the ledger included, and the second is answered as the first or reads why not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import Client
from django.urls import resolve

from inventory import clock
from inventory.aws import identity
from inventory.aws.session import Identity as WorkerIdentity
from inventory.models import (
    Account,
    Alert,
    Connection,
    Identity,
    Organization,
    Person,
    ProtectedEntry,
)
from inventory.referrers.declared import signs_digest
from migrations_app import changes, owner_import, tokens
from migrations_app.changes import clean
from migrations_app.claims import claim_links
from migrations_app.declared import declare
from migrations_app.lifecycle import State
from migrations_app.models import (
    Batch,
    BreakGlassUse,
    Change,
    Departure,
    Drift,
    EmergencyStop,
    Holdings,
    PendingDeclaration,
    SavedView,
    Viewed,
)
from tests import cast
from tests.migrations_app import batch_rows
from tests.migrations_app.prospect import passed
from tests.migrations_app.test_declare import BASE, LOOSER
from tests.test_url_permissions import ROWS

pytestmark = pytest.mark.django_db

LISTING = "a1" * 32
HOLD = f"AWS listed 3 users, but 40 should exist. (listing {LISTING})"
STAGING = "210987654321"
# The second reads why nothing is done; of all others it is answered as the first was.
SAYS_THAT_IT_IS_SO = {
    "ask",
    "batch-abort",
    "batch-approve",
    "batch-ask",
    "batch-discard",
    "batch-resume",
    "batch-retry",
    "batch-send-back",
    "batch-skip",
    "batch-take-over",
    "batch-withdraw",
    "campaign-close",
    "connect-discard",
    "connect-start",
    "hit-dismiss",
    "hit-fixed",
    "identity-center-accept",
    "import-owners-confirm",
    "message-send-again",
    "plan-agree",
    "settings-bind",
    "settings-break-glass-explain",
    "settings-confirm",
    "settings-disconnect",
    "settings-notifications-again",
    "settings-person-forget",
    "settings-reject",
    "settings-token-revoke",
    "settings-tokens",
    "staying-clean-take-back",
    "stop-lift",
    "user-assign",
    "user-category-clear",
    "user-confirm-claim",
    "user-decline-claim",
    "user-dispute",
    "user-end-dispute",
    "user-hand-over",
    "user-overrule",
    "user-protect",
    "user-release",
    "user-settle",
    "user-unprotect",
    "users-bulk:assign",
    "users-view-delete",
}


@dataclass(frozen=True, slots=True)
class Press:
    """Who sends what to which address."""

    person: Person
    path: str
    sent: dict[str, Any]


Scene = Callable[[cast.Cast], Press]
SCENES: dict[str, Scene] = {}
# Files and pages: nothing is kept of asking for them.
SHOWS_ONLY = {"users-bulk:export", "users-bulk:compose", "users-bulk:ask"}
# They change a row that is there, or ask a worker to look.
ADDS_NO_ROW = {
    "batch-dry-run",
    "batch-method",
    "import-owners-confirm",
    "settings-break-glass-look",
    "settings-notifications",
    "users-columns",
    "users-view-change",
}


def at(name: str) -> Callable[[Scene], Scene]:
    def keep(scene: Scene) -> Scene:
        SCENES[name] = scene
        return scene

    return keep


def rows_of_everything() -> dict[str, int]:
    wanted = [*apps.get_app_config("inventory").get_models()]
    wanted += apps.get_app_config("migrations_app").get_models()
    found: dict[str, int] = {}
    for model in wanted:
        manager: models.Manager[Any] = model._base_manager
        found[model.__name__] = manager.count()
        for field in model._meta.many_to_many:
            through: Any = field.remote_field.through
            found[f"{model.__name__}.{field.name}"] = through._base_manager.count()
    return found


@pytest.fixture(autouse=True)
def _ground(_clean_redis: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.IAMCLEANUP_SANDBOX_ACCOUNTS = [cast.ACCOUNT_ID]
    worker = WorkerIdentity("arn:aws:iam::999999999999:user/worker", "AIDAW", "999999999999")
    monkeypatch.setattr(identity, "own_identity", lambda: worker)
    identity.report("a worker")


def _fresh(sent: dict[str, Any]) -> dict[str, Any]:
    """A file is read to its end by the first."""
    return {
        key: SimpleUploadedFile("owners.csv", value) if isinstance(value, bytes) else value
        for key, value in sent.items()
    }


def user_path(row: Departure, act: str) -> str:
    return f"/users/{row.user.account.account_id}/{row.user.user_id}/{act}/"


def theirs(c: cast.Cast, state: State = State.OWNER_ASSIGNED, **columns: Any) -> Departure:
    owner = None if state is State.DISCOVERED else c.payments
    return cast.departure("ci-pay", state, owner, **columns)


def version(row: Departure, **sent: Any) -> dict[str, Any]:
    row.refresh_from_db()
    return {"version": row.version, **sent}


# ── Users and who answers for them ───────────────────────────────────────────────────────────────


def _on_user(
    name: str, act: str, state: State = State.OWNER_ASSIGNED, who: str = "jonas", **sent: Any
) -> None:
    @at(name)
    def scene(c: cast.Cast) -> Press:
        row = theirs(c, state)
        return Press(getattr(c, who), user_path(row, act), version(row, **sent))


_on_user("user-assign", "assign", State.DISCOVERED, team="platform")
_on_user("user-release", "release", who="sara")
_on_user("user-hand-over", "hand-over", who="sara", team="platform")
_on_user("user-protect", "protect", reason="vendor")
_on_user("user-overrule", "overrule", reason="known")
_on_user("user-category:another", "category", category="mystery", reason="asked", seen="ci-cd")
_on_user("user-category:the-same", "category", category="ci-cd", reason="asked", seen="ci-cd")
_on_user("user-restore", "restore", State.SOAKING, who="sara")


@at("user-extend")
def _(c: cast.Cast) -> Press:
    row = theirs(c, State.SOAKING)
    until = clock.now().date() + timedelta(days=30)
    return Press(c.sara, user_path(row, "extend"), {"until": until, "reason": "quarter"})


@at("user-extend:less than was granted")
def _(c: cast.Cast) -> Press:
    row = theirs(c, State.SOAKING)
    day = clock.now().date()
    changes.extend(row, c.jonas, day + timedelta(days=40), "audit")
    sent = {"until": day + timedelta(days=30), "reason": "quarter"}
    return Press(c.sara, user_path(row, "extend"), sent)


@at("user-dispute")
def _(c: cast.Cast) -> Press:
    row = theirs(c)
    until = clock.now().date() + timedelta(days=9)
    return Press(c.sara, user_path(row, "dispute"), version(row, reason="audit", until=until))


@at("user-end-dispute")
def _(c: cast.Cast) -> Press:
    row = theirs(c, disputed_until=clock.now().date() + timedelta(days=9), disputed_by=c.sara)
    return Press(c.jonas, user_path(row, "end-dispute"), version(row, reason="looked at"))


@at("user-settle")
def _(c: cast.Cast) -> Press:
    row = theirs(c, contested_by_team=c.platform, contested_by=c.priya, contested_at=clock.now())
    return Press(c.jonas, user_path(row, "settle"), version(row, team="platform", reason="asked"))


def pending(c: cast.Cast) -> Departure:
    return theirs(c, State.DISCOVERED, claim_pending_team=c.platform, claim_pending_by=c.priya)


@at("user-confirm-claim")
def _(c: cast.Cast) -> Press:
    row = pending(c)
    return Press(c.jonas, user_path(row, "confirm-claim"), version(row))


@at("user-decline-claim")
def _(c: cast.Cast) -> Press:
    row = pending(c)
    return Press(c.jonas, user_path(row, "decline-claim"), version(row))


@at("user-unprotect")
def _(c: cast.Cast) -> Press:
    row = theirs(c, protection="exempt", protection_reason="vendor")
    return Press(c.ada, user_path(row, "unprotect"), version(row, reason="gone"))


@at("user-confirm-plan")
def _(c: cast.Cast) -> Press:
    row = theirs(c)
    cast.plan(row)
    return Press(c.sara, user_path(row, "confirm-plan"), version(row))


@at("user-removed-from-code")
def _(c: cast.Cast) -> Press:
    row = cast.departure(
        cast.iam_user("declared", tags={"managed-by": "terraform"}), State.OWNER_ASSIGNED
    )
    signs = signs_digest(row.user.tags, row.user.created_with)
    sent = version(row, reason="merge request 7", signs=signs)
    return Press(c.jonas, user_path(row, "removed-from-code"), sent)


@at("user-category-clear")
def _(c: cast.Cast) -> Press:
    row = cast.departure(
        cast.iam_user("told", category_override="mystery", category_note="asked"),
        State.OWNER_ASSIGNED,
    )
    return Press(c.jonas, user_path(row, "category/clear"), {"seen": "mystery"})


def half_deleted(c: cast.Cast) -> Departure:
    row = theirs(c, State.SOAKING, irreversible_at=clock.now())
    batch = cast.batch(c.account, c.jonas, "delete")
    change = cast.change(
        row, "delete", batch=batch, status="failed", irreversible_at=clock.now(), attempts=3
    )
    Holdings.objects.create(
        departure=row,
        change=change,
        taken_at=clock.now(),
        document=cast.everything_held("ci-pay").document(),
    )
    return row


@at("user-finish-deleting")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, user_path(half_deleted(c), "finish-deleting"), {})


@at("user-stop-and-rebuild")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, user_path(half_deleted(c), "stop-and-rebuild"), {})


@at("users-bulk:assign")
def _(c: cast.Cast) -> Press:
    row = theirs(c, State.DISCOVERED)
    sent = {"act": "assign", "team": "platform", "users": f"{row.user.user_id}.{row.version}"}
    return Press(c.jonas, "/users/bulk/", sent)


@at("users-bulk:assign all that the filter shows")
def _(c: cast.Cast) -> Press:
    theirs(c)
    sent = {"act": "assign", "team": "platform", "all": "on", "query": "view=left"}
    return Press(c.jonas, "/users/bulk/", sent)


@at("users-bulk:adopt")
def _(c: cast.Cast) -> Press:
    row = theirs(c, State.DISCOVERED)
    sent = {"act": "adopt", "users": f"{row.user.user_id}.{row.version}"}
    return Press(c.jonas, "/users/bulk/", sent)


def _in_bulk(act: str) -> None:
    @at(f"users-bulk:{act}")
    def scene(c: cast.Cast) -> Press:
        row = theirs(c)
        sent = {"act": act, "users": f"{row.user.user_id}.{row.version}"}
        return Press(c.jonas, "/users/bulk/", sent)


for _act in ("export", "compose", "ask"):
    _in_bulk(_act)


@at("users-add")
def _(c: cast.Cast) -> Press:
    c.account.sandbox, c.account.admin_seen_at = True, clock.now()
    c.account.actor_role = "role"
    c.account.save()
    row = theirs(c)
    sent = {"account": cast.ACCOUNT_ID, "users": row.user.user_id}
    client = Client()
    client.force_login(c.jonas)
    page = client.get("/users/add/", sent).content.decode()
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', page)
    return Press(c.jonas, "/users/add/", {**sent, "seen": seen})


@at("users-columns")
def _(c: cast.Cast) -> Press:
    return Press(c.vera, "/users/columns/", {"columns": ["state", "owner"]})


@at("users-view-save")
def _(c: cast.Cast) -> Press:
    return Press(c.vera, "/users/views/", {"name": "Robots", "query": "view=left"})


def view_of(c: cast.Cast) -> SavedView:
    return SavedView.objects.create(
        person=c.vera, name="Mine", query="view=left", saved_at=clock.now()
    )


@at("users-view-change")
def _(c: cast.Cast) -> Press:
    view = view_of(c)
    sent = {"query": "view=dormant", "seen": view.saved_at.isoformat()}
    return Press(c.vera, f"/users/views/{view.pk}/", sent)


@at("users-view-delete")
def _(c: cast.Cast) -> Press:
    return Press(c.vera, f"/users/views/{view_of(c).pk}/delete/", {})


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────


@at("claim-answer")
def _(c: cast.Cast) -> Press:
    row = cast.departure(cast.iam_user("ours", suggested_team=c.payments))
    return Press(c.sara, f"/claim/payments/{row.pk}/", version(row, said="ours"))


@at("claim-answer-several")
def _(c: cast.Cast) -> Press:
    rows = [
        cast.departure(cast.iam_user(name, suggested_team=c.payments)) for name in ("one", "two")
    ]
    users = [f"{row.pk}.{row.version}" for row in rows]
    return Press(c.sara, "/claim/payments/several/", {"said": "ours", "users": users})


def asked(c: cast.Cast) -> Any:
    row = cast.departure(cast.iam_user("theirs", suggested_team=c.payments))
    started = changes.start_campaign(c.jonas, [row])
    assert started.campaign is not None
    return started.campaign


@at("claim-link-access")
def _(c: cast.Cast) -> Press:
    token = resolve(claim_links.make(asked(c).asks.get())).kwargs["token"]
    return Press(c.vera, f"/c/{token}/access/", {})


@at("ask")
def _(c: cast.Cast) -> Press:
    row = cast.departure(cast.iam_user("theirs", suggested_team=c.payments))
    return Press(c.jonas, "/claims/ask/", {"teams": "payments", "single": "1", "users": row.pk})


@at("campaign-close")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, f"/claims/{asked(c).number}/close/", {})


@at("claims-adopt")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, "/claims/adopt/", {"users": theirs(c, State.DISCOVERED).pk})


SHEET = b"user,team\nci-pay,platform\n"


@at("import-owners")
def _(c: cast.Cast) -> Press:
    theirs(c)
    return Press(c.jonas, "/claims/import/", {"file": SHEET})


@at("import-owners-confirm")
def _(c: cast.Cast) -> Press:
    theirs(c)
    row = owner_import.show(SHEET, "owners.csv", c.jonas)
    return Press(c.jonas, f"/claims/import/{row.pk}/confirm/", {"digest": row.digest})


# ── Plans ────────────────────────────────────────────────────────────────────────────────────────


def _on_plan(name: str, act: str, target: str = "github-oidc", **sent: Any) -> None:
    @at(name)
    def scene(c: cast.Cast) -> Press:
        plan = cast.plan(theirs(c), target)
        return Press(c.jonas, f"/plans/{plan.pk}/{act}/", sent)


_on_plan("plan-choose", "choose", "cross-account-role", vendor="Datadog")
_on_plan("plan-comment", "comment", text="Runs on Fridays only.")
_on_plan("plan-keep", "keep")


@at("plan-way")
def _(c: cast.Cast) -> Press:
    plan = cast.plan(theirs(c))
    return Press(c.jonas, f"/plans/{plan.pk}/way/", {"target": "eks"})


@at("plan-agree")
def _(c: cast.Cast) -> Press:
    until = (clock.now().date() + timedelta(days=30)).isoformat()
    choices = {"reason": "appliance", "until": until, "asked_by": "jonas"}
    plan = cast.plan(theirs(c), "secrets-manager", choices=choices)
    return Press(c.mei, f"/plans/{plan.pk}/agree/", {})


@at("identity-center-check")
def _(c: cast.Cast) -> Press:
    told = {"account": cast.ACCOUNT_ID, "region": "eu-central-1"}
    Organization.objects.update(identity_center=told)
    return Press(c.jonas, "/plans/identity-center/check/", {})


@at("identity-center-accept")
def _(c: cast.Cast) -> Press:
    drift = Drift.objects.create(
        key="gone:g", kind="gone", group_id="g", headline="Group g is gone", found_at=clock.now()
    )
    path = f"/plans/identity-center/{drift.pk}/accept/"
    return Press(c.jonas, path, {"reason": "meant"})


@at("staying-clean-deny")
def _(c: cast.Cast) -> Press:
    return Press(c.ada, f"/plans/staying-clean/{near_zero(c)}/deny/", {})


@at("staying-clean-take-back")
def _(c: cast.Cast) -> Press:
    account = near_zero(c)
    clean.say_denied(c.account, c.ada)
    return Press(c.ada, f"/plans/staying-clean/{account}/take-back/", {})


def near_zero(c: cast.Cast) -> str:
    cast.departure(cast.iam_user("old", c.account, gone_at=clock.now()), State.DELETED, c.payments)
    return c.account.account_id


# ── Batches ──────────────────────────────────────────────────────────────────────────────────────


@at("batch-new")
def _(c: cast.Cast) -> Press:
    sent = {"account": cast.ACCOUNT_ID, "move": "disable", "once": "an-id"}
    return Press(c.jonas, "/batches/new/", {**sent, "users": theirs(c).user.user_id})


def _on_batch(
    name: str,
    act: str,
    made: Callable[..., Batch] = batch_rows.draft,
    who: str = "jonas",
    **sent: Any,
) -> None:
    @at(name)
    def scene(c: cast.Cast) -> Press:
        cast.departure("another", State.OWNER_ASSIGNED, c.payments)
        made(c, theirs(c), number=1)
        return Press(getattr(c, who), f"/batches/1/{act}/", sent)


_on_batch("batch-add", "add", names="another")
_on_batch("batch-remove", "remove", names="ci-pay")
_on_batch("batch-method", "method", method="shut")
_on_batch("batch-discard", "discard")
_on_batch("batch-dry-run", "dry-run")
_on_batch("batch-comment", "comment", text="Why?")
_on_batch("batch-send-back", "send-back", batch_rows.asked, "mei", reason="Ask first.")
_on_batch("batch-withdraw", "withdraw", batch_rows.asked)
_on_batch("batch-pause", "pause", batch_rows.started)
_on_batch("batch-abort", "abort", batch_rows.started)


@at("batch-ask")
def _(c: cast.Cast) -> Press:
    batch = batch_rows.draft(c, theirs(c), number=1, digest="d" * 64)
    batch.changes.update(judged={"looked_at": clock.now().isoformat(), "whole": True})
    cast.iam_user("root-like", privilege="admin")
    return Press(c.jonas, "/batches/1/ask/", {"digest": batch.digest})


def ready(c: cast.Cast) -> Batch:
    batch = batch_rows.asked(c, theirs(c), number=1)
    cast.iam_user("root-like", privilege="admin")
    return batch


@at("batch-viewed")
def _(c: cast.Cast) -> Press:
    return Press(c.mei, "/batches/1/viewed/", {"change": ready(c).changes.get().pk})


@at("batch-approve")
def _(c: cast.Cast) -> Press:
    batch = ready(c)
    change = batch.changes.get()
    Viewed.objects.create(change=change, person=c.mei, digest=change.digest, at=clock.now())
    return Press(c.mei, "/batches/1/approve/", {"digest": batch.digest})


@at("batch-take-over")
def _(c: cast.Cast) -> Press:
    left = cast.person("left", "Left Behind")
    batch_rows.started(c, theirs(c), number=1, approved_by=left)
    return Press(c.mei, "/batches/1/take-over/", {})


@at("batch-resume")
def _(c: cast.Cast) -> Press:
    batch_rows.started(c, theirs(c), number=1, status="paused")
    return Press(c.jonas, "/batches/1/resume/", {})


@at("batch-skip")
def _(c: cast.Cast) -> Press:
    batch = batch_rows.started(c, theirs(c), number=1)
    return Press(c.jonas, "/batches/1/skip/", {"change": batch.changes.get().pk})


@at("batch-retry")
def _(c: cast.Cast) -> Press:
    batch = batch_rows.started(c, theirs(c), number=1)
    batch.changes.update(status=Change.Status.FAILED)
    return Press(c.jonas, "/batches/1/retry/", {"change": batch.changes.get().pk})


@at("batch-restore")
def _(c: cast.Cast) -> Press:
    batch = batch_rows.started(c, theirs(c, State.DISABLED), number=1, status="done")
    batch.changes.update(status=Change.Status.DONE)
    return Press(c.sara, "/batches/1/restore/", {})


# ── Hits, the stop, alerts ───────────────────────────────────────────────────────────────────────


@at("hit-dismiss")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, f"/hits/{called(c)}/dismiss/", {"reason": "a scanner"})


@at("hit-fixed")
def _(c: cast.Cast) -> Press:
    return Press(c.sara, f"/hits/{called(c)}/fixed/", {})


def called(c: cast.Cast) -> int:
    return cast.hit(theirs(c, State.SOAKING)).pk


@at("stop")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, "/stop/", {"reason": "look"})


@at("stop-lift")
def _(c: cast.Cast) -> Press:
    EmergencyStop.objects.create(pulled_by=c.jonas, pulled_at=clock.now())
    return Press(c.mei, "/stop/lift/", {"reason": "looked"})


@at("alert-close")
def _(c: cast.Cast) -> Press:
    alert = Alert.objects.create(key="k", kind="k", title="t", raised_at=clock.now())
    return Press(c.jonas, f"/alerts/{alert.pk}/close/", {})


# ── Messages, packs, tokens ──────────────────────────────────────────────────────────────────────


@at("notice")
def _(c: cast.Cast) -> Press:
    return Press(c.sara, f"/inbox/{cast.notice(c.payments).pk}/", {})


@at("message-send-again")
def _(c: cast.Cast) -> Press:
    parked = cast.delivery(cast.notice(c.payments), status="parked")
    return Press(c.jonas, f"/log/messages/deliveries/{parked.pk}/", {})


@at("settings-notifications")
def _(c: cast.Cast) -> Press:
    return Press(c.vera, "/settings/notifications/", {"mail": "all"})


@at("settings-notifications-test")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, "/settings/notifications/test/", {"to": "email:me"})


@at("settings-notifications-again")
def _(c: cast.Cast) -> Press:
    cast.delivery(cast.notice(c.payments), status="parked")
    return Press(c.jonas, "/settings/notifications/send-again/", {"channel": "slack"})


@at("log-packs")
def _(c: cast.Cast) -> Press:
    today = clock.now().date()
    sent = {"from_day": today, "until_day": today, "contents": ["users"]}
    return Press(c.vera, "/log/packs/", sent)


@at("settings-tokens")
def _(c: cast.Cast) -> Press:
    return Press(c.vera, "/settings/tokens/", {"name": "ci", "scopes": ["read"], "days": "30"})


@at("settings-token-revoke")
def _(c: cast.Cast) -> Press:
    token, _ = tokens.make(c.vera, "ci", ["read"])
    return Press(c.vera, f"/settings/tokens/{token.pk}/revoke/", {})


# ── Accounts and settings ────────────────────────────────────────────────────────────────────────


@at("sync-start")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, "/syncs/start/", {})


def prepared(connected: bool = False) -> Connection:
    worker = {
        "arn": f"arn:aws:iam::{cast.ACCOUNT_ID}:role/iam-cleanup",
        "user_id": "AROA",
        "account_id": cast.ACCOUNT_ID,
        "at": clock.real_now().isoformat(),
    }
    identity._store().hset(identity._KEY, "read@test", json.dumps(worker))
    return Connection.objects.create(
        account_id=STAGING,
        name="staging",
        reader_role=f"arn:aws:iam::{STAGING}:role/IamCleanupReader",
        external_id="ic-0123456789",
        asked_at=clock.now(),
        connected_at=clock.now() if connected else None,
    )


@at("connect-new")
def _(c: cast.Cast) -> Press:
    prepared().delete()
    sent = {"account_id": STAGING, "name": "staging", "time_zone": "UTC", "regions": "all"}
    return Press(c.ada, "/settings/connect/", {**sent, "role_prefix": "IamCleanup", "changes": ""})


@at("connect-start")
def _(c: cast.Cast) -> Press:
    passed(prepared(), c.ada)
    return Press(c.ada, f"/settings/connect/{STAGING}/start/", {})


@at("connect-changes")
def _(c: cast.Cast) -> Press:
    prepared()
    return Press(c.ada, f"/settings/connect/{STAGING}/changes/", {})


@at("connect-discard")
def _(c: cast.Cast) -> Press:
    prepared()
    return Press(c.ada, f"/settings/connect/{STAGING}/discard/", {})


@at("settings-test")
def _(c: cast.Cast) -> Press:
    return Press(c.jonas, f"/settings/accounts/{cast.ACCOUNT_ID}/test/", {})


@at("settings-disconnect")
def _(c: cast.Cast) -> Press:
    prepared(connected=True)
    cast.account(STAGING, "staging")
    return Press(c.ada, f"/settings/accounts/{STAGING}/disconnect/", {})


@at("settings-accept-listing")
def _(c: cast.Cast) -> Press:
    Account.objects.update(hold_reason=HOLD)
    path = f"/settings/accounts/{cast.ACCOUNT_ID}/accept-listing/"
    return Press(c.jonas, path, {"listing": LISTING})


@at("settings-bind")
def _(c: cast.Cast) -> Press:
    entry = ProtectedEntry.objects.create(
        account=c.account, user_name="scanner", kind="exempt", bound_user_id="AIDAOLD"
    )
    cast.iam_user("scanner", c.account)
    path = f"/settings/accounts/{cast.ACCOUNT_ID}/bind/{entry.pk}/"
    return Press(c.jonas, path, {"user": "scanner"})


def looser() -> PendingDeclaration:
    declare.apply(BASE)
    pending = declare.apply(LOOSER, Person.objects.get(username="jonas")).pending
    assert pending is not None
    return pending


@at("settings-confirm")
def _(c: cast.Cast) -> Press:
    pending = looser()
    return Press(c.mei, f"/settings/policy/{pending.pk}/confirm/", {"words": "loosen 1 rule"})


@at("settings-reject")
def _(c: cast.Cast) -> Press:
    return Press(c.mei, f"/settings/policy/{looser().pk}/reject/", {})


@at("settings-person-forget")
def _(c: cast.Cast) -> Press:
    Identity.objects.create(
        person=c.vera, issuer="i", subject="s", joined_at=clock.now(), last_at=clock.now()
    )
    return Press(c.ada, "/settings/people/vera/forget/", {})


@at("settings-break-glass-look")
def _(c: cast.Cast) -> Press:
    return Press(c.ada, "/settings/break-glass/look/", {})


@at("settings-break-glass-drill")
def _(c: cast.Cast) -> Press:
    ended = clock.now() - timedelta(hours=1)
    sent = {"at": f"{ended - timedelta(minutes=9):%Y-%m-%dT%H:%M}", "minutes": "4"}
    path = "/settings/break-glass/drill/"
    return Press(c.ada, path, {**sent, "until_at": f"{ended:%Y-%m-%dT%H:%M}"})


@at("settings-break-glass-seal")
def _(c: cast.Cast) -> Press:
    sealed = f"{clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    sent = {"sealed_at": sealed, "version": "v3", "seal": "A-1", "place": "safe"}
    return Press(c.ada, "/settings/break-glass/seal/", sent)


@at("settings-break-glass-explain")
def _(c: cast.Cast) -> Press:
    BreakGlassUse.objects.create(
        user=cast.iam_user("glass"), at=clock.now(), what="signin", seen_at=clock.now()
    )
    return Press(c.ada, "/settings/break-glass/explain/", {"reason": "Okta was down"})


# ── Pressed twice ────────────────────────────────────────────────────────────────────────────────


def test_every_address_that_takes_a_post_is_pressed_twice() -> None:
    taking = {name for name, row in ROWS.items() if row.post is not None}
    assert {name.partition(":")[0] for name in SCENES} == taking


@pytest.mark.parametrize("name", sorted(SCENES))
def test_the_second_adds_nothing(name: str) -> None:
    press = SCENES[name](cast.cast())
    client = Client(raise_request_exception=False)
    client.force_login(press.person)
    before = rows_of_everything()
    first = client.post(press.path, _fresh(press.sent))
    assert first.status_code in {200, 302}, first.content.decode()[-3000:]
    once = rows_of_everything()
    second = client.post(press.path, _fresh(press.sent))
    if name in SAYS_THAT_IT_IS_SO:
        assert second.status_code in {404, 409, 422}
    else:
        assert second.status_code == first.status_code
        assert second.get("Location") == first.get("Location")
    assert rows_of_everything() == once
    assert (once == before) == (name in SHOWS_ONLY | ADDS_NO_ROW)
