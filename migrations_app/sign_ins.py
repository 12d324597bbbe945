"""Who may come in by the sign-in provider: one person is one row, joined by verified e-mail.

What its groups give is read at each sign-in. A role that is lost takes tokens along at once, and
approvals with it: they count only while their approver has the role (rule 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory import clock, group_roles, ledger
from inventory.models import Identity, Organization, Person
from inventory.names import without_unseen
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Stale
from migrations_app import tokens
from migrations_app.declared import declared_rows

_NOT_FOR_A_USERNAME = re.compile(r"[^a-z0-9._@+-]+")


@dataclass(frozen=True, slots=True)
class Vouched:
    """What the issuer says, checked, about whoever signs in; `groups` are all that it names."""

    issuer: str
    issuer_name: str
    subject: str
    email: str
    email_verified: bool
    name: str
    groups: frozenset[str]


def admit(told: Vouched) -> Person:
    """The person who comes in, with the roles of the file and of their groups.

    NotAllowed where the e-mail address is not verified, the person is switched off, is known as
    somebody else, or may do nothing here. Roles that are lost are lost even then.
    """
    _require_verified(told)
    person = _settled(told)
    if not person.roles and not person.led_teams().exists():
        raise _in_no_group(told)
    return person


def _settled(told: Vouched) -> Person:
    with transaction.atomic():
        # Else a file that is applied at this moment could give back what a group just lost.
        declared_rows.lock()
        person = _known(told) or _joined(told) or _new(told)
        if not person.is_active:
            raise NotAllowed("This account is switched off. Ask Security.")
        _settle(person, told)
    return person


def forget(person: Person, admin: Person) -> None:
    """Let go of whom the provider knows as `person`; the next verified sign-in joins anew."""
    require(admin, Action.ADMINISTER)
    with transaction.atomic():
        if not person.identities.all().delete()[0]:
            raise Stale(f"No sign-in of {person} is remembered.")
        ledger.append("person.forgotten", actor=admin, person=ledger.person_hash(person))


def _require_verified(told: Vouched) -> None:
    try:
        # Checks the length of the column too.
        Person._meta.get_field("email").run_validators(told.email or "-")
    except ValidationError:
        raise NotAllowed(
            f"{told.issuer_name} did not tell your e-mail address. Ask Security to let it send the "
            "e-mail claim.",
            rule="no-email",
        ) from None
    if not told.email_verified:
        raise NotAllowed(
            f"{told.issuer_name} has not verified {told.email}. Verify it there, then sign in "
            "again.",
            rule="email-not-verified",
        )


def _known(told: Vouched) -> Person | None:
    """Whoever this subject was before; their e-mail address may have changed since."""
    row = Identity.objects.filter(issuer=told.issuer, subject=told.subject)
    identity = row.select_related("person").first()
    if identity is None:
        return None
    Identity.objects.filter(pk=identity.pk).update(last_at=clock.now())
    return identity.person


def _joined(told: Vouched) -> Person | None:
    """The person with this e-mail address, whom the provider was never seen to know."""
    person = Person.objects.filter(email__iexact=told.email).first()
    # PostgreSQL folds more letters into one than a mail server does.
    if person is None or person.email.lower() != told.email.lower():
        return None
    if person.identities.filter(issuer=told.issuer).exists():
        raise NotAllowed(
            f"{told.issuer_name} used to know {told.email} as somebody else. Ask an admin to look, "
            "and to forget the old sign-in under Settings, People.",
            rule="another-subject",
        )
    if person.is_active:
        _remember(person, told)
    return person


def _new(told: Vouched) -> Person:
    """A person whom only a group brings; the organization file does not name them."""
    if not told.groups & _mapping().keys():
        raise _in_no_group(told)
    wanted = _NOT_FOR_A_USERNAME.sub("-", told.email.lower())[:140]
    if Person.objects.filter(username=wanted).exists():
        wanted += f"-{ledger.digest([told.issuer, told.subject])[:8]}"
    person = Person.objects.create_user(
        wanted,
        told.email,
        name=without_unseen(told.name)[:150] or told.email.partition("@")[0],
        declared=False,
    )
    _remember(person, told)
    return person


def _remember(person: Person, told: Vouched) -> None:
    now = clock.now()
    Identity.objects.create(
        person=person,
        issuer=told.issuer,
        subject=told.subject,
        email=told.email,
        joined_at=now,
        last_at=now,
    )
    ledger.append(
        "person.joined", person=ledger.person_hash(person), issuer=told.issuer, new=not person.roles
    )


def _settle(person: Person, told: Vouched) -> None:
    before = set(person.roles)
    roles = group_roles.declared_roles(person) if person.declared else ()
    teams = group_roles.declared_teams(person) if person.declared else ()
    person.groups = sorted(told.groups)
    if not group_roles.settle(person, roles, teams, _mapping()):
        return
    ledger.append(
        "person.roles",
        person=ledger.person_hash(person),
        roles=person.roles,
        lost=sorted(before - set(person.roles)),
        groups=person.groups,
    )
    tokens.end_void()


def _mapping() -> dict[str, dict[str, list[str]]]:
    mapping: dict[str, dict[str, list[str]]] = Organization.get().sign_in.get("group_roles", {})
    return mapping


def _in_no_group(told: Vouched) -> NotAllowed:
    return NotAllowed(
        f"{told.issuer_name} says you are not in a group that may use this. Ask Security.",
        rule="no-group",
    )
