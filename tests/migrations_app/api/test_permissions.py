"""Every address of the API × every role × own and foreign team, with a token for everything.

V viewer, L lead of the owning team, F lead of another team, E engineer, A approver, D admin.
Whoever may is answered by the verb (done, or refused with its rule); everybody else gets 403.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction

from inventory import clock, ledger
from inventory.models import Person, Role
from migrations_app.api.description import described
from migrations_app.lifecycle import State
from migrations_app.models import Batch
from tests import cast
from tests.migrations_app.api.programs import Program, program

pytestmark = pytest.mark.django_db
EVERYBODY = "VLFEAD"
# Whoever lacks the role gets no token with the scope either.
NOT_THEIRS = {"scope", "role", "team", "requester"}


@dataclass(frozen=True)
class Row:
    who: str
    body: dict[str, Any] | None = None


REASON = {"reason": "because"}
ROWS: dict[str, Row] = {
    "GET users": Row(EVERYBODY),
    "GET users/{user}": Row(EVERYBODY),
    "GET batches/{batch}": Row(EVERYBODY),
    "GET hits": Row(EVERYBODY),
    "GET ledger": Row(EVERYBODY),
    "POST syncs": Row("ED", {}),
    "POST claims": Row("LE", {"team": "payments", "said": "ours"}),
    "POST batches": Row("E", {"move": "disable"}),
    "POST batches/{batch}/ask": Row("E", {}),
    "POST batches/{batch}/approve": Row("A", {"digest": "0" * 64}),
    # Only the requester, who is the engineer here, or the approver who approved; nobody did.
    "POST batches/{batch}/withdraw": Row("E", {}),
    "POST batches/{batch}/pause": Row("E", {}),
    "POST batches/{batch}/resume": Row("E", {}),
    "POST batches/{batch}/abort": Row("E", {}),
    "POST restores": Row("LEA", {}),
    "POST hits/{hit}/dismiss": Row("E", REASON),
    "POST hits/{hit}/fixed": Row("LEA", {}),
    "POST hits/{hit}/extend": Row("LEA", REASON),
    "POST emergency-stop": Row("EAD", REASON),
    "POST emergency-stop/lift": Row("EAD", REASON),
}


@dataclass(frozen=True)
class Scene:
    """One of each thing, all of it of the team Payments, and somebody of each role."""

    people: dict[str, Person]
    parts: dict[str, str]

    def ask(self, one: Program, row: str) -> Any:
        method, _, path = row.partition(" ")
        path = path.format(**self.parts)
        body = dict(ROWS[row].body or {})
        account, _, user_id = self.parts["user"].partition("/")
        if path == "claims":
            body |= {"account": account, "user_id": user_id}
        if path in ("batches", "restores"):
            body |= {"account": account, "user_ids": [user_id]}
        if path.endswith("/extend"):
            body["until"] = str(clock.now().date())
        return one.get(path) if method == "GET" else one.post(path, body)


@pytest.fixture
def scene() -> Scene:
    everybody = cast.cast()
    people = {
        "V": everybody.vera,
        "L": everybody.sara,
        "F": everybody.priya,
        "E": cast.person("erik", "Erik Berg", [Role.ENGINEER]),
        "A": cast.person("anna", "Anna Falk", [Role.APPROVER]),
        "D": everybody.ada,
    }
    user = cast.iam_user("deploy-prod", suggested_team=everybody.payments)
    departure = cast.departure(user, State.DISABLED, everybody.payments)
    batch = cast.batch(
        everybody.account,
        people["E"],
        asked_by=people["E"],
        asked_at=clock.now(),
        status=Batch.Status.ASKED,
    )
    cast.change(departure, batch=batch, status="done")
    parts = {
        "user": f"{everybody.account.account_id}/{user.user_id}",
        "batch": str(batch.number),
        "hit": str(cast.hit(departure).pk),
    }
    return Scene(people, parts)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_an_address_answers_those_who_may_and_nobody_else(scene: Scene, row: str) -> None:
    wrong = {}
    for letter, person in scene.people.items():
        with transaction.atomic():
            answer = scene.ask(program(person), row)
            transaction.set_rollback(True)
        may = letter in ROWS[row].who
        if may and answer.status == 403:
            wrong[letter] = answer.body["detail"]
        if not may and (answer.status != 403 or answer.rule not in NOT_THEIRS):
            wrong[letter] = f"{answer.status} {answer.body}"
    assert not wrong


def test_every_route_has_a_row() -> None:
    told = {
        f"{method.upper()} {path.removeprefix('/api/v1/')}"
        for path, methods in described()["paths"].items()
        for method in methods
    }
    names = {"{account}/{user_id}": "{user}", "batches/{number}": "batches/{batch}"}
    names["hits/{id}"] = "hits/{hit}"
    for theirs, ours in names.items():
        told = {row.replace(theirs, ours) for row in told}
    assert told == set(ROWS)


# ── What of it each may see ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("letter", "sees"), [(one, one not in "VF") for one in EVERYBODY])
def test_policies_addresses_and_holdings_are_for_the_owning_team_and_security(
    letter: str, sees: bool
) -> None:
    everybody = cast.cast()
    people = {
        "V": everybody.vera,
        "L": everybody.sara,
        "F": everybody.priya,
        "E": cast.person("erik", "Erik Berg", [Role.ENGINEER]),
        "A": cast.person("anna", "Anna Falk", [Role.APPROVER]),
        "D": everybody.ada,
    }
    user = cast.iam_user("deploy-prod", inline_policies={"inline": {"Statement": ["s3:Get*"]}})
    cast.access_key(user, "AKIAWHOLEKEYID000000")
    departure = cast.departure(user, State.DISABLED, everybody.payments)
    cast.activity(user, clock.now().date(), source_address="203.0.113.7", user_agent="terraform")
    hit = cast.hit(departure, details={"who": "deploy-prod", "where": "203.0.113.7", "with": "tf"})
    one = program(people[letter], "read")
    told = one.get(f"users/{cast.ACCOUNT_ID}/{user.user_id}").body
    (heard,) = one.get("hits").body["items"]
    everything = str(told) + str(heard)
    assert heard["id"] == hit.pk
    for hidden in ("203.0.113.7", "s3:Get*", "AKIAWHOLEKEYID000000"):
        assert (hidden in everything) is sees, hidden
    assert (told["sensitive"] is not None) is sees
    assert (heard["where"] is not None) is sees


@pytest.mark.parametrize("name", ["vera", "sara", "jonas"])
def test_a_list_that_spans_teams_is_searched_and_told_as_on_its_page(name: str) -> None:
    everybody = cast.cast()
    user = cast.iam_user("deploy-prod")
    cast.access_key(user, "AKIAWHOLEKEYID000000")
    cast.departure(user, State.OWNER_ASSIGNED, everybody.platform)
    cast.activity(user, clock.now().date(), source_address="203.0.113.7")
    one = program(getattr(everybody, name), "read")
    security = name == "jonas"
    assert ("AKIAWHOLEKEYID000000" in str(one.get("users").body)) is security
    assert bool(one.get("users?q=203.0.113.7").body["items"]) is security


def test_details_of_the_ledger_are_told_as_in_the_log() -> None:
    everybody = cast.cast()
    ledger.append("policy.read", document="s3:Get*", reason="looked")
    for person, sees in ((everybody.vera, False), (everybody.sara, False), (everybody.mei, True)):
        told = str(program(person, "read").get("ledger?kind=policy.read").body)
        assert "looked" in told
        assert ("s3:Get*" in told) is sees


def test_hostile_text_cannot_become_anything_else() -> None:
    everybody = cast.cast()
    name = "</script><script>alert(1)</script>&\u2028"
    cast.departure(cast.iam_user(name, tags={name: name}))
    one = program(everybody.mei, "read")
    response = one.client.get("/api/v1/users", headers={"Authorization": f"Bearer {one.secret}"})
    assert not set("<>&\u2028") & set(response.content.decode())
    assert response.json()["items"][0]["user_name"] == name
    assert response["X-Content-Type-Options"] == "nosniff"
