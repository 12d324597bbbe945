"""Protection: declared entries bound to users seen, protection by hand, and the product itself."""

from __future__ import annotations

from datetime import date

import redis
from django.db import transaction

from inventory import clock, ledger
from inventory.aws import identity
from inventory.models import Account, IamUser, Person, ProtectedEntry, Role
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws
from migrations_app.changes import restoring
from migrations_app.changes.state import locked, note
from migrations_app.lifecycle import SWITCHED_OFF, Protection, State
from migrations_app.models import Change, Departure
from migrations_app.outgoing import notices

_ENTRY_HOLD = "Protected entry"


def protect(
    departure: Departure, person: Person, reason: str, until: date | None = None
) -> Departure:
    """Exempt a user from every forward move; one that is fenced or shut is restored at once."""
    require(person, Action.PROTECT)
    if not reason.strip():
        raise Refused("Say why it must stay.")
    if until is not None and until <= clock.now().date():
        raise Refused("Choose an end date in the future.")
    with transaction.atomic():
        row = locked(departure)
        if row.state == State.DELETED:
            raise Refused(f"{row.user} is deleted.")
        if row.compromised and not person.has_role(Role.ENGINEER):
            raise NotAllowed(
                f"{row.user} was shut as compromised; protecting restores it, so an engineer does."
            )
        if row.owner is None:
            raise Refused(f"Nobody answers for {row.user}. Give it an owner first.")
        if row.protection not in (Protection.NONE, Protection.EXEMPT):
            # Nobody makes the break-glass user an exempt one, which ends by itself.
            raise Refused(f"{row.user} is protected already ({row.protection}).")
        held = row.protection_until
        if row.protection and until is not None and (held is None or until < held):
            # Protecting only ever tightens; to shorten it is an admin's, with a second person.
            raise Refused(f"{row.user} is exempt for longer than that. An admin ends it.")
        return _protect(row, Protection.EXEMPT, reason.strip(), until, person)


def unprotect(departure: Departure, person: Person, reason: str) -> Departure:
    """An admin ends a protection given by hand; a declared one ends in the file."""
    require(person, Action.ADMINISTER)
    if not reason.strip():
        raise Refused("Say why it may go now.")
    with transaction.atomic():
        row = locked(departure)
        if row.protection != Protection.EXEMPT:
            raise Refused(f"{row.user} is not exempt by hand; see the organization file.")
        if _entry_for(row.user) is not None:
            raise Refused(f"{row.user} is declared in the organization file; take it out there.")
        return note(
            row,
            "protection.ended",
            actor=person,
            data={"reason": reason},
            protection=Protection.NONE,
            protection_reason="",
            protection_until=None,
        )


def bind_protection(account: Account) -> list[str]:
    """Match every declared entry with a user seen, by name and by id; what does not match.

    Rule 3: an entry that matches nobody, or a name that now has another id, holds every forward
    write in the account until an engineer binds it or the file is applied anew.
    """
    problems = []
    for entry in account.protected_entries.all():
        users = _matching(entry)
        if not users:
            # As soon as anybody was listed there; a sync may stay partial for other reasons.
            if account.users.present().exists():
                problems.append(f"{_ENTRY_HOLD} {entry.user_name} matches nobody.")
            continue
        bearer = _bearer(entry, users)
        if entry.bound_user_id and bearer and bearer.user_id != entry.bound_user_id:
            problems.append(
                f"{_ENTRY_HOLD} {entry.user_name} is another user now ({bearer.user_id})."
            )
        elif not entry.bound_user_id:
            ProtectedEntry.objects.filter(pk=entry.pk).update(
                bound_user_id=(bearer or users[0]).user_id, bound_at=clock.now()
            )
        for user in users:
            _protect_seen(user, Protection(entry.kind), entry.reason, entry.until)
    for user in _ourselves(account):
        _protect_seen(user, Protection.SELF, "The product itself runs as this user.", None)
    _hold(account, problems)
    return problems


def bind_entry(entry: ProtectedEntry, user: IamUser, person: Person) -> None:
    """An engineer says which user a declared entry means."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        # Of two who say it at once, the second finds nothing open.
        entry = ProtectedEntry.objects.select_for_update(of=("self",)).get(pk=entry.pk)
        matching = _matching(entry)
        bearer = _bearer(entry, matching)
        renewed = bearer and entry.bound_user_id and bearer.user_id != entry.bound_user_id
        if matching and not renewed:
            raise Refused(f"{entry.user_name} is bound to {matching[0]} already; nothing is open.")
        ProtectedEntry.objects.filter(pk=entry.pk).update(
            bound_user_id=user.user_id, bound_at=clock.now()
        )
        ledger.append("protection.bound", actor=person, user=user, entry=entry.user_name)
    bind_protection(entry.account)


def own_user_ids() -> frozenset[str]:
    """The IAM users that workers' base credentials are; empty also when it cannot be told."""
    try:
        return frozenset(one.identity.user_id for one in identity.reported())
    except redis.RedisError:
        return frozenset()


def _ourselves(account: Account) -> list[IamUser]:
    """IAM users that workers run as, or that the trust policy of a declared role names."""
    roles = {
        arn.rpartition("/")[2]
        for arn in (account.reader_role, account.actor_role, account.deleter_role)
        if arn
    }
    own = own_user_ids()
    return [
        user
        for user in account.users.present()
        if user.user_id in own
        or any(one["kind"] == "role-trust" and one["name"] in roles for one in user.references)
    ]


def end_exemptions() -> int:
    """Clear exemptions whose day has passed; how many. Nothing moves by it."""
    ended = 0
    today = clock.now().date()
    for row in Departure.objects.filter(
        protection=Protection.EXEMPT, protection_until__lt=today
    ).select_related("user__account", "owner"):
        declared = _entry_for(row.user)
        if declared is not None and (declared.until is None or declared.until >= today):
            # The file still says that it stays.
            continue
        with transaction.atomic():
            note(
                row,
                "protection.ended",
                data={"reason": "its date has passed"},
                protection=Protection.NONE,
                protection_reason="",
                protection_until=None,
            )
            notices.tell_owner(
                row,
                "unprotected",
                f"unprotected:{row.pk}:{today}",
                f"The exemption of {row.user} has ended",
                "It stays as it is; from now on it may be disabled like any other.",
            )
        ended += 1
    return ended


def _protect_seen(user: IamUser, kind: Protection, reason: str, until: date | None) -> None:
    departure = Departure.objects.filter(user=user).select_related("user__account").first()
    if departure is None or departure.state == State.DELETED:
        return
    if until is not None and until < clock.now().date():
        return
    if departure.protection == kind:
        return
    with transaction.atomic():
        _protect(departure, kind, reason, until, None)


def _protect(
    row: Departure, kind: Protection, reason: str, until: date | None, person: Person | None
) -> Departure:
    """Set the protection; forward changes end, and a user that is off is restored."""
    row = note(
        row,
        "protection.set",
        actor=person,
        data={"kind": str(kind), "reason": reason, "until": str(until or "")},
        protection=kind,
        protection_reason=reason,
        protection_until=until,
    )
    running = row.changes.filter(status=Change.Status.RUNNING).exists()
    touched = running or restoring.made_by_us(row) != aws.Made()
    row.changes.filter(status__in=[*Change.UNCLAIMED, Change.Status.FAILED]).exclude(
        move="restore"
    ).update(
        status=Change.Status.LEFT_OUT,
        finished_at=clock.now(),
        result="It was protected meanwhile.",
    )
    if (row.state in SWITCHED_OFF or touched) and not row.irreversible_at:
        restoring.restore(row, None, f"It is protected now: {reason}")
    return row


def _matching(entry: ProtectedEntry) -> list[IamUser]:
    users = entry.account.users.present()
    by_name = list(users.filter(user_name__iexact=entry.user_name))
    by_id = users.filter(user_id=entry.bound_user_id) if entry.bound_user_id else users.none()
    return by_name + [user for user in by_id if user not in by_name]


def _bearer(entry: ProtectedEntry, users: list[IamUser]) -> IamUser | None:
    """Who bears the declared name now.

    Names are unique in AWS: of two, the one that was listed last; the other waits to be proven
    gone.
    """
    named = [user for user in users if user.user_name.lower() == entry.user_name.lower()]
    listed = [user for user in named if user.missing_since is None]
    return max(
        listed or named, key=lambda user: (user.last_seen_at, user.first_seen_at), default=None
    )


def _entry_for(user: IamUser) -> ProtectedEntry | None:
    return next(
        (entry for entry in user.account.protected_entries.all() if user in _matching(entry)), None
    )


def _hold(account: Account, problems: list[str]) -> None:
    """Hold the account for its entries, or let go of a hold that was for them."""
    if problems:
        Account.objects.filter(pk=account.pk, hold_reason="").update(
            hold_reason=" ".join(problems), hold_since=clock.now()
        )
    else:
        Account.objects.filter(pk=account.pk, hold_reason__startswith=_ENTRY_HOLD).update(
            hold_reason="", hold_since=None
        )
