"""Personal tokens: made, told to their person, used by the API, and ended.

A token is shown once and kept as a hash. It may do what its scopes say and its person may; with a
lost role, or once its person is switched off, it is void.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse

from inventory import clock, ledger
from inventory.models import Person, Scope, Token
from inventory.models.tokens import APPROVE_HOLDS
from inventory.names import wrong_name
from inventory.permissions import Action, may, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import turns
from migrations_app.outgoing import notices

BEGINS = "iamc_"
SHOWN = len(BEGINS) + 6
DEFAULT_DAYS = 30
MOST_DAYS = 365
# Its last use is noted to the minute: a program that asks ten times a second writes once.
NOTED_EVERY = timedelta(minutes=1)
ACTIONS: Mapping[Scope, tuple[Action, ...]] = {
    Scope.READ: (Action.SEE,),
    Scope.CLAIM: (Action.CLAIM,),
    Scope.OPERATE: (Action.OPERATE, Action.SYNC),
    Scope.RESTORE: (Action.RESTORE,),
    Scope.APPROVE: (Action.APPROVE,),
    Scope.STOP: (Action.STOP,),
}

SCOPE_WORDS: Mapping[Scope, str] = {
    Scope.READ: "Look at users, evidence, batches, hits and the log",
    Scope.CLAIM: "Claim users, dispute, hand over",
    Scope.OPERATE: "Sync; compose, ask for, pause, resume and abort batches; dismiss hits",
    Scope.RESTORE: "Restore users, extend their time, say that a caller is fixed",
    Scope.APPROVE: "Approve batches of other people; such a token lives 24 hours at most",
    Scope.STOP: "Pull and lift the emergency stop",
}


def scopes_for(person: Person) -> list[Scope]:
    """The scopes this person could use, in the order they are shown."""
    return [scope for scope in Scope if any(may(person, action) for action in ACTIONS[scope])]


def make(
    person: Person,
    name: str,
    scopes: Iterable[str],
    days: int | None = None,
    *,
    made_by: Person | None = None,
) -> tuple[Token, str]:
    """A new token of `person`, and its secret, which nobody can read again.

    It ends after `days` (30, 365 at most); one that approves after 24 hours at most. `made_by` None
    is the command line. Ledgered, and told to its person. Refused for scopes it cannot use. Stale
    where the person made the same a moment ago and never used it: a form that is sent twice would
    leave a token whose secret nobody has.
    """
    if made_by is not None and made_by.pk != person.pk:
        raise NotAllowed("Everybody makes their own tokens.", rule="own-token")
    require(person, Action.OWN_CHOICES)
    wanted = _wanted(person, scopes)
    ends_after = _length(wanted, days)
    if not name.strip():
        raise Refused("Say what the token is for.", rule="input")
    name = " ".join(name.split())[:100]
    if wrong := wrong_name(name):
        raise Refused(wrong, rule="input")
    secret = BEGINS + secrets.token_urlsafe(32)
    now = clock.now()
    told = {
        "name": name,
        "scopes": [scope.value for scope in wanted],
        "made_by": made_by,
    }
    with transaction.atomic():
        turns.take(person)
        if made_by is not None:
            _refuse_twin(person, told, ends_after)
        token = Token.objects.create(
            person=person,
            **told,
            start=secret[:SHOWN],
            digest=_digest(secret),
            roles=sorted(person.roles),
            made_at=now,
            expires_at=now + ends_after,
        )
        ledger.append(
            "token.made",
            actor=made_by,
            token=token.pk,
            # A pseudonym: names of people stand apart from the ledger.
            person=ledger.person_hash(person),
            scopes=token.scopes,
            until=token.expires_at.isoformat(),
        )
        whose = "You made it" if made_by else "It was made on the command line"
        notices.tell(
            "token",
            f"token:{token.pk}:made",
            f"A token in your name: {', '.join(token.scopes)}",
            person=person,
            text=f"“{token.name}” begins with {token.start} and ends on "
            f"{token.expires_at:%d %b %Y at %H:%M} UTC. {whose}. If you did not expect it, revoke "
            "it in Settings, Tokens.",
            url=reverse("settings-tokens"),
        )
    return token, secret


def revoke(token: Token, person: Person) -> Token:
    """End one's own token for good; an admin ends anybody's."""
    if token.person_id != person.pk and not may(person, Action.ADMINISTER):
        raise NotAllowed("This is another person's token.", rule="own-token")
    with transaction.atomic():
        row = Token.objects.select_for_update().get(pk=token.pk)
        if row.ended_at is not None:
            raise Stale("This token has ended already.")
        _end(row, "Revoked", actor=person)
    return row


def usable(secret: str) -> Token | None:
    """The token with this secret if it may still be used now, its use noted; else None.

    One that lost a role of its person, or its person, is ended by the way.
    """
    if not secret.startswith(BEGINS):
        return None
    rows = Token.objects.select_related("person")
    token = rows.filter(digest=_digest(secret), ended_at=None).first()
    if token is None:
        return None
    if why := _void(token):
        _end(token, why)
        return None
    now = clock.now()
    if token.expires_at <= now:
        return None
    if token.last_used_at is None or now - token.last_used_at >= NOTED_EVERY:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def end_void() -> int:
    """End the tokens of people who were switched off or lost a role; how many were ended."""
    ended = 0
    for token in Token.objects.filter(ended_at=None).select_related("person"):
        if why := _void(token):
            _end(token, why)
            ended += 1
    return ended


def _refuse_twin(person: Person, told: Mapping[str, Any], ends_after: timedelta) -> None:
    twins = Token.objects.filter(person=person, ended_at=None, last_used_at=None, **told)
    fresh = twins.filter(made_at__gt=clock.now() - turns.AGAIN)
    twin = fresh.filter(expires_at=F("made_at") + ends_after).first()
    if twin is not None:
        raise Stale(
            f"You made “{twin.name}” a moment ago; it begins with {twin.start}, and its secret was "
            "shown once. If you did not see it, revoke it below, then make another."
        )


def _wanted(person: Person, scopes: Iterable[str]) -> list[Scope]:
    chosen = set(scopes)
    if unknown := chosen - set(Scope):
        raise Refused(f"There is no scope {min(unknown)}.", rule="input")
    if not chosen:
        raise Refused("Choose at least one thing it may do.", rule="input")
    allowed = scopes_for(person)
    if beyond := sorted(chosen - set(allowed)):
        raise NotAllowed(
            f"{person} has no role for {', '.join(beyond)}. Possible: {', '.join(allowed)}.",
            rule="role",
        )
    return [scope for scope in Scope if scope in chosen]


def _length(scopes: list[Scope], days: int | None) -> timedelta:
    approves = Scope.APPROVE in scopes
    if days is None:
        return APPROVE_HOLDS if approves else timedelta(days=DEFAULT_DAYS)
    most = APPROVE_HOLDS.days if approves else MOST_DAYS
    if not 1 <= days <= most:
        what = "A token that approves" if approves else "A token"
        raise Refused(f"{what} lives {most} day{'' if most == 1 else 's'} at most.", rule="input")
    return timedelta(days=days)


def _void(token: Token) -> str:
    """Why it may no longer be used, whatever its time; empty while it may."""
    if not token.person.is_active:
        return "Its person was switched off"
    lost = sorted(set(token.roles) - set(token.person.roles))
    return f"Its person lost the role {', '.join(lost)}" if lost else ""


def _end(token: Token, why: str, actor: Person | None = None) -> None:
    with transaction.atomic():
        if not Token.objects.filter(pk=token.pk, ended_at=None).update(
            ended_at=clock.now(), ended_why=why[:100]
        ):
            return
        ledger.append(
            "token.ended",
            actor=actor,
            token=token.pk,
            person=ledger.person_hash(token.person),
            reason=why,
        )
    token.refresh_from_db(fields=["ended_at", "ended_why"])


def _digest(secret: str) -> str:
    """256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
