"""Every address × every role × own and foreign team. An address without a row here fails.

A row says who may: V viewer, L lead of the owning team, F lead of another team, E engineer,
A approver, D admin. Whoever may gets an answer of the verb (done, or refused with reasons);
everybody else gets 403, and a stranger is sent to sign in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, resolve, reverse

from inventory import clock
from inventory.aws import identity
from inventory.models import Alert, Connection, Person, ProtectedEntry, Role
from migrations_app import owner_import, tokens
from migrations_app.claims import claim_links
from migrations_app.lifecycle import State
from migrations_app.models import (
    Batch,
    Campaign,
    Drift,
    EvidencePack,
    Holdings,
    PendingDeclaration,
    SavedView,
)
from tests import cast

pytestmark = pytest.mark.django_db

EVERYBODY = "VLFEAD"
DONE = {200, 204, 302, 409, 422}
# A page about something that is not so (yet) refuses with reasons.
SEEN = {200, 302, 422}


@dataclass(frozen=True)
class Row:
    """Who may GET an address and who may POST to it; None where the method is not allowed.

    Whoever stands in `missing` is told that there is no such thing, instead of 403.
    """

    get: str | None = None
    post: str | None = None
    missing: str = ""


def page(who: str = EVERYBODY) -> Row:
    return Row(get=who)


def act(who: str) -> Row:
    return Row(post=who)


ROWS: dict[str, Row] = {
    "overview": page(),
    "users": page(),
    "users-csv": page(),
    "users-json": page(),
    "posture-csv": page(),
    "posture-json": page(),
    "user": page(),
    "user-evidence": page(),
    "plans": page(),
    "plan": page(),
    "staying-clean": page(),
    "staying-clean-download": page("EAD"),
    "staying-clean-deny": act("ED"),
    "staying-clean-take-back": act("ED"),
    "plan-download": page("LEAD"),
    # A lead gets those of the own teams.
    "plans-download": page("LFEAD"),
    "plan-choose": act("LE"),
    "plan-comment": act("LEAD"),
    "plan-way": act("LE"),
    "plan-keep": act("LE"),
    "plan-agree": act("E"),
    "identity-center": page(),
    "identity-center-check": act("ED"),
    "identity-center-accept": act("E"),
    "identity-center-fix": page(),
    "soak": page(),
    "hit": page(),
    "batches": page(),
    "batch": page(),
    "batch-calls": page(),
    "inbox": page(),
    "notice": Row(get="L", post="L", missing="VFEAD"),
    "alerts": page(),
    "search": page(),
    "live": page(),
    "sync-status": page(),
    "log": page(),
    "log-csv": page(),
    "log-json": page(),
    "log-deletions": page(),
    "log-deletions-csv": page(),
    "log-deletions-json": page(),
    "log-restores": page(),
    "log-messages": page(),
    "log-messages-csv": page(),
    "log-messages-json": page(),
    "log-message": page(),
    "message-send-again": act("E"),
    "settings-notifications": Row(get=EVERYBODY, post=EVERYBODY),
    "settings-notifications-test": act("ED"),
    "settings-notifications-again": act("E"),
    "log-approvals": page(),
    "log-packs": Row(get=EVERYBODY, post=EVERYBODY),
    # It was made for somebody who sees everything.
    "log-pack-download": page("EAD"),
    "claim-mine": page("LFE"),
    "claim": page("LE"),
    # A lead is sent on to the claims of the own teams.
    "claims": page("LFE"),
    "import-owners": Row(get="E", post="E"),
    "import-owners-shown": page("E"),
    "import-owners-confirm": act("E"),
    "import-owners-left-out": page("E"),
    "batch-undo": page("LEAD"),
    "settings-accounts": page("EAD"),
    "settings-account": page("EAD"),
    "settings-test": Row(get="EAD", post="ED"),
    "settings-disconnect": act("D"),
    "connect-new": Row(get="D", post="D"),
    "connect-account": page("D"),
    "connect-file": page("D"),
    "connect-start": act("D"),
    "connect-changes": act("D"),
    "connect-discard": act("D"),
    "settings-policy": page("EAD"),
    "settings-break-glass": page("EAD"),
    "settings-break-glass-file": page("EAD"),
    "settings-break-glass-look": act("ED"),
    "settings-break-glass-drill": act("ED"),
    "settings-break-glass-seal": act("ED"),
    "settings-break-glass-explain": act("ED"),
    "settings-teams": page("EAD"),
    "settings-people": page("EAD"),
    "settings-person-forget": act("D"),
    "stop": Row(get=EVERYBODY, post="EAD"),
    "batch-new": Row(get="E", post="E"),
    "user-restore": Row(get="LEA", post="LEA"),
    "user-extend": Row(get="LEA", post="LEA"),
    "user-finish-deleting": Row(get="E", post="E"),
    "user-stop-and-rebuild": Row(get="E", post="E"),
    "user-holdings": page("LEAD"),
    "user-rebuild": page("LEAD"),
    "sync-start": act("ED"),
    "users-bulk": act("E"),
    "users-add": Row(get="E", post="E"),
    "users-facet": page(),
    "users-columns": act(EVERYBODY),
    "users-view-save": act(EVERYBODY),
    "users-view-change": act(EVERYBODY),
    "users-view-delete": act(EVERYBODY),
    "user-assign": act("E"),
    "user-release": act("LE"),
    "user-hand-over": act("LE"),
    "user-dispute": act("LE"),
    "user-end-dispute": act("LE"),
    "user-settle": act("E"),
    "user-confirm-claim": act("E"),
    "user-decline-claim": act("E"),
    "user-protect": act("EAD"),
    "user-unprotect": act("D"),
    "user-overrule": act("E"),
    "user-confirm-plan": act("LE"),
    "user-removed-from-code": act("E"),
    "user-category": Row(get="E", post="E"),
    "user-category-clear": act("E"),
    "claim-answer": act("LE"),
    "claim-answer-several": act("LE"),
    # Whoever is of another team reads whom to ask, and may ask.
    "claim-link": page("LE"),
    "claim-link-access": act(EVERYBODY),
    "ask": Row(get="E", post="E"),
    "campaign": page("E"),
    "campaign-close": act("E"),
    "claims-adopt": act("E"),
    "alert-close": act("ED"),
    "batch-add": act("E"),
    "batch-remove": act("E"),
    "batch-method": act("E"),
    "batch-discard": act("E"),
    "batch-dry-run": act("E"),
    "batch-ask": act("E"),
    "batch-viewed": act("A"),
    "batch-comment": act("EA"),
    "batch-approve": act("A"),
    "batch-send-back": act("A"),
    "batch-take-over": act("A"),
    # Only the requester, who is the engineer here, or the approver who approved; nobody did.
    "batch-withdraw": act("E"),
    "batch-pause": act("E"),
    "batch-resume": act("E"),
    "batch-abort": act("E"),
    "batch-skip": act("E"),
    "batch-retry": act("E"),
    "batch-restore": act("LEA"),
    "hit-dismiss": act("E"),
    "hit-fixed": act("LEA"),
    "stop-lift": act("EAD"),
    "settings-accept-listing": act("E"),
    "settings-bind": act("E"),
    "settings-confirm": act("AD"),
    "settings-reject": act("AD"),
    "settings-tokens": Row(get=EVERYBODY, post=EVERYBODY),
    # Nobody's but the person's own; another's is not there.
    "settings-token-revoke": Row(post="V", missing="LFEAD"),
}
# The API asks for a token, whoever is signed in; what each role may do with one is tested in
# tests/migrations_app/api/test_permissions.py.
BY_TOKEN = {
    "api-users",
    "api-user",
    "api-sync",
    "api-claim",
    "api-batch",
    "api-batch-compose",
    "api-batch-ask",
    "api-batch-approve",
    "api-batch-withdraw",
    "api-batch-pause",
    "api-batch-resume",
    "api-batch-abort",
    "api-restore",
    "api-hits",
    "api-hit-dismiss",
    "api-hit-fixed",
    "api-hit-extend",
    "api-emergency-stop",
    "api-emergency-stop-lift",
    "api-ledger",
}
# Theirs or open to all: no role of ours decides. Sign-in is tested beside them.
OPEN_TO_ALL = {
    "healthz",
    "readyz",
    "metrics",
    "account_login",
    "account_inactive",
    # On to the issuer and back: tests/iamcleanup/test_openid.py.
    "sign-in-to-issuer",
    "sign-in-from-issuer",
    # They say how the API works, and nothing about anybody.
    "api-docs",
    "api-description",
    "api-nowhere",
}
OF_EVERY_PERSON = {
    "account_logout",
    "account_reauthenticate",
    "account_change_password",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
}
# The second step of signing in; it leads back to sign-in where nobody began the first.
HALF_SIGNED_IN = {"mfa_authenticate"}


def names(resolver: URLResolver) -> Iterator[str]:
    """Every address of the product by name; one without a name shows as its pattern."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from names(entry)
        elif isinstance(entry, URLPattern):
            yield entry.name or str(entry.pattern)


def test_every_address_has_a_row() -> None:
    known = set(ROWS) | BY_TOKEN | OPEN_TO_ALL | OF_EVERY_PERSON | HALF_SIGNED_IN
    assert set(names(get_resolver())) == known


@dataclass(frozen=True)
class Scene:
    """One of each thing an address can be about, all of it of the team Payments."""

    people: dict[str, Person]
    arguments: dict[str, dict[str, Any]]

    def path(self, name: str) -> str:
        for prefix, arguments in self.arguments.items():
            if name == prefix or name.startswith(f"{prefix}-"):
                try:
                    return reverse(name, kwargs=arguments)
                except NoReverseMatch:
                    continue
        return reverse(name)


@pytest.fixture
def scene() -> Scene:
    return set_scene()


def set_scene() -> Scene:
    """The cast and one of each thing, written to the database."""
    everybody = cast.cast()
    payments, account = everybody.payments, everybody.account
    people = {
        "V": everybody.vera,
        "L": everybody.sara,
        "F": everybody.priya,
        "E": cast.person("erik", "Erik Berg", [Role.ENGINEER]),
        "A": cast.person("anna", "Anna Falk", [Role.APPROVER]),
        "D": everybody.ada,
    }
    user = cast.iam_user("deploy-prod", suggested_team=payments)
    departure = cast.departure(user, State.DISABLED, payments)
    batch = cast.batch(
        account,
        people["E"],
        asked_by=people["E"],
        asked_at=clock.now(),
        status=Batch.Status.ASKED,
        undo_script="aws iam …",
    )
    change = cast.change(departure, batch=batch, status="done")
    Holdings.objects.create(
        departure=departure, change=change, taken_at=clock.now(), document={"user_name": "x"}
    )
    pending = PendingDeclaration.objects.create(
        asked_by="jonas",
        asked_by_person=everybody.jonas,
        asked_at=clock.now(),
        document="accounts: []",
    )
    alert = Alert.objects.create(key="k", kind="k", title="t", raised_at=clock.now())
    campaign = Campaign.objects.create(
        number=1,
        asked_by=people["E"],
        asked_at=clock.now(),
        deadline_at=clock.now() + timedelta(days=14),
    )
    ask = campaign.asks.create(
        team=payments, asked_at=clock.now(), deadline_at=campaign.deadline_at
    )
    entry = ProtectedEntry.objects.create(account=account, user_name="scanner", kind="exempt")
    notice = cast.notice(payments)
    view = SavedView.objects.create(
        person=everybody.vera, name="Mine", query="view=left", saved_at=clock.now()
    )
    drift = Drift.objects.create(
        key="gone:g", kind="gone", group_id="g", headline="Group g is gone", found_at=clock.now()
    )
    one = {"account": account.account_id, "user_id": user.user_id}
    return Scene(
        people,
        {
            "user": one,
            "users-facet": {"name": "state"},
            "users-view-change": {"pk": view.pk},
            "users-view-delete": {"pk": view.pk},
            "claim-answer": {"team": "payments", "pk": departure.pk},
            "claim": {"team": "payments"},
            "import-owners": {"pk": _an_import(people["E"])},
            "claim-answer-several": {"team": "payments"},
            "claim-link": {"token": resolve(claim_links.make(ask)).kwargs["token"]},
            "campaign": {"number": campaign.number},
            "notice": {"pk": notice.pk},
            "log-message": {"pk": notice.pk},
            "log-pack": {"pk": _a_pack(people["E"])},
            "message": {"pk": cast.delivery(notice, status="parked").pk},
            "alert": {"pk": alert.pk},
            "plan": {"pk": cast.plan(departure).pk},
            "identity-center": {"pk": drift.pk},
            "batch": {"number": batch.number},
            "hit": {"pk": cast.hit(departure).pk},
            "sync-status": {"account": account.account_id},
            "staying-clean": {"account": account.account_id},
            "settings-break-glass-file": {"name": "runbook.html"},
            "settings-token-revoke": {"pk": tokens.make(people["V"], "a test", ["read"])[0].pk},
            "api-user": one,
            "api-batch": {"number": batch.number},
            "api-hit": {"id": 1},
            "connect-new": {},
            "connect-file": {"account": _prepared(), "name": "iam-cleanup.tf"},
            "connect": {"account": _prepared()},
            "settings-bind": {"account": account.account_id, "pk": entry.pk},
            "settings-person-forget": {"username": people["V"].username},
            "settings-confirm": {"pk": pending.pk},
            "settings-reject": {"pk": pending.pk},
            "settings": {"account": account.account_id},
        },
    )


def _prepared() -> str:
    """An account that an admin began to connect, and workers that told who they are."""
    worker = {
        "arn": f"arn:aws:iam::{cast.ACCOUNT_ID}:role/iam-cleanup",
        "user_id": "AROA",
        "account_id": cast.ACCOUNT_ID,
        "at": clock.real_now().isoformat(),
    }
    identity._store().hset(identity._KEY, "read@test", json.dumps(worker))
    row, _ = Connection.objects.get_or_create(
        account_id="210987654321",
        defaults={
            "name": "staging",
            "reader_role": "arn:aws:iam::210987654321:role/IamCleanupReader",
            "external_id": "ic-0123456789",
            "asked_at": clock.now(),
        },
    )
    return row.account_id


def _an_import(person: Person) -> int:
    return owner_import.show(b"user,team\ndeploy-prod,security\n", "owners.csv", person).pk


def _a_pack(person: Person) -> int:
    today = clock.now().date()
    return EvidencePack.objects.create(
        asked_by=person,
        asked_at=clock.now(),
        from_day=today,
        until_day=today,
        whole=True,
        status=EvidencePack.Status.DONE,
        built_at=clock.now(),
        bytes=0,
    ).pk


def answer(client: Client, method: str, path: str) -> Any:
    """What comes back, without leaving a trace for the next one."""
    with transaction.atomic():
        response = client.get(path) if method == "get" else client.post(path, {})
        transaction.set_rollback(True)
    return response


def signed_in(person: Person) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def is_sign_in(response: Any) -> bool:
    to: str = response.get("Location", "")
    return to.startswith("/sign-in/")


def expected(row: Row, may: str, letter: str, method: str) -> set[int]:
    if letter in may:
        return SEEN if method == "get" else DONE
    return {404} if letter in row.missing else {403}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_an_address_answers_those_who_may_and_nobody_else(scene: Scene, name: str) -> None:
    row, path = ROWS[name], scene.path(name)
    clients = {letter: signed_in(person) for letter, person in scene.people.items()}
    wrong = {}
    for method, may in (("get", row.get), ("post", row.post)):
        if may is None:
            if answer(clients["E"], method, path).status_code != 405:
                wrong[method] = "is allowed"
            continue
        for letter, client in clients.items():
            status = answer(client, method, path).status_code
            if status not in expected(row, may, letter, method):
                wrong[f"{method} by {letter}"] = str(status)
    assert not wrong, path


def test_a_stranger_is_sent_to_sign_in_from_everywhere(scene: Scene) -> None:
    paths = [scene.path(name) for name in {*ROWS, *OF_EVERY_PERSON, *HALF_SIGNED_IN}]
    client = Client(raise_request_exception=False)
    let_in = [
        f"{method} {path}"
        for path in paths
        for method in ("get", "post")
        if not is_sign_in(answer(client, method, path))
    ]
    assert not let_in


@pytest.mark.parametrize("name", sorted(BY_TOKEN))
def test_the_api_lets_nobody_in_without_a_token(scene: Scene, name: str) -> None:
    path = scene.path(name)
    clients = [Client(), *map(signed_in, scene.people.values())]
    answers = [
        answer(client, method, path).status_code for client in clients for method in ("get", "post")
    ]
    # The one method it takes asks for a token; the other is no way in either.
    assert set(answers) == {401, 405}
    assert answers.count(401) == len(clients)


@pytest.mark.parametrize("name", ["overview", "user", "batch-approve"])
def test_whoever_is_switched_off_is_a_stranger_at_once(scene: Scene, name: str) -> None:
    client = signed_in(scene.people["E"])
    Person.objects.update(is_active=False)
    assert is_sign_in(client.get(scene.path(name)))
