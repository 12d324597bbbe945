"""Applies the declared organization: one transaction, ledgered, loosening by two people.

`apply` compares the file with what the rows say, so a second run finds nothing to change. What
loosens waits as a `PendingDeclaration` until another approver or admin confirms it in Settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from inventory import clock, ledger
from inventory.models import Account, Organization, Person
from inventory.organization import (
    Declaration,
    Difference,
    difference,
    read,
    sandbox_refusal,
    warnings,
)
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Stale
from migrations_app import changes
from migrations_app.declared import declared_rows, leaving
from migrations_app.models import PendingDeclaration


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `apply` found and did. With `pending` nothing was changed yet."""

    difference: Difference
    applied: bool
    pending: PendingDeclaration | None
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """The diff and what became of it, for a person to read."""
        if not self.difference:
            return ["Nothing to change."]
        lines = [f"  {sentence}" for sentence in self.difference.changes]
        if self.difference.loosens and not self.applied:
            lines += ["This loosens:", *(f"  {one}" for one in self.difference.loosens)]
        if self.applied:
            lines.append("Applied.")
        elif self.pending:
            lines.append(
                "Nothing was changed yet: another approver or admin has to confirm it under "
                "Settings, Policy."
            )
        else:
            lines.append("Dry run: nothing was changed.")
        return lines


def apply(
    document: str, actor: Person | None = None, dry_run: bool = False, asked_by: str = ""
) -> Outcome:
    """Apply the text of `iamcleanup.yaml`.

    `asked_by` names whoever asks where no `actor` is known, as at a shell. BadDocument with every
    mistake and its line; Refused where users or requests would be left with nobody. Nothing is
    changed then. The first apply on an empty database is direct; afterwards what loosens waits.
    """
    with transaction.atomic():
        declared_rows.lock()
        declared = _read(document)
        found = difference(declared_rows.present(), declared, clock.now().date())
        first = Organization.get().applied_at is None
        leaving.check(declared)
        warned = _warned(declared)
        if dry_run:
            return Outcome(found, False, None, warned)
        if found.loosens and not first:
            pending = _wait(document, found, actor, asked_by)
            return Outcome(found, False, pending, warned)
        _write(document, declared, found, actor, asked_by=asked_by)
        return Outcome(found, True, None, warned)


def confirm(pending: PendingDeclaration, person: Person) -> Outcome:
    """Apply what waits. Another approver or admin than the one who asked, or NotAllowed.

    Stale if it was decided or replaced meanwhile, or would now loosen more than was shown.
    """
    with transaction.atomic():
        declared_rows.lock()
        waiting = _undecided(pending)
        require(person, Action.CONFIRM_LOOSENING)
        if waiting.asked_by_person == person or waiting.asked_by == person.username:
            raise NotAllowed("You asked for this change, so somebody else confirms it.")
        declared = _read(waiting.document)
        found = difference(declared_rows.present(), declared, clock.now().date())
        if not set(found.loosens) <= set(waiting.loosens):
            raise Stale("What is in force changed meanwhile. Apply the file again to see it anew.")
        leaving.check(declared)
        waiting.decided_by, waiting.decided_at, waiting.confirmed = person, clock.now(), True
        waiting.save()
        _write(waiting.document, declared, found, person, asked_by=waiting.asked_by)
        return Outcome(found, True, waiting, _warned(declared))


def reject(pending: PendingDeclaration, person: Person) -> None:
    """Drop what waits; whoever may confirm it may, and so may the one who asked."""
    with transaction.atomic():
        declared_rows.lock()
        waiting = _undecided(pending)
        if waiting.asked_by_person != person:
            require(person, Action.CONFIRM_LOOSENING)
        waiting.decided_by, waiting.decided_at, waiting.confirmed = person, clock.now(), False
        waiting.save()
        ledger.append("organization.rejected", actor=person, pending=waiting.pk)


def waiting() -> PendingDeclaration | None:
    """The declaration that waits for a second person; there is one at most."""
    return PendingDeclaration.objects.filter(decided_at=None).first()


def _read(document: str) -> Declaration:
    def refuse_sandbox(account_id: str) -> str:
        earnest = Account.objects.filter(account_id=account_id, batched_for_real=True).exists()
        return sandbox_refusal(
            account_id,
            endpoint=settings.AWS_ENDPOINT_URL,
            allowed=settings.IAMCLEANUP_SANDBOX_ACCOUNTS,
            batched_for_real=earnest,
        )

    return read(document, refuse_sandbox=refuse_sandbox)


def _warned(declared: Declaration) -> tuple[str, ...]:
    """What will hurt, and which accounts are read although the file does not name them."""
    named = {account.account_id for account in declared.accounts}
    kept = Account.objects.filter(active=True, account_id__in=declared_rows.undeclared())
    return (
        *warnings(declared),
        *(
            f"{row} was connected in the browser and is not in this file: it is read on and can"
            " take no change. Its page under Settings has the lines to add."
            for row in kept.exclude(account_id__in=named)
        ),
    )


def _undecided(pending: PendingDeclaration) -> PendingDeclaration:
    row = PendingDeclaration.objects.select_for_update(of=("self",)).get(pk=pending.pk)
    if row.decided_at is not None:
        raise Stale("This change was decided or replaced meanwhile.")
    return row


def _wait(
    document: str, found: Difference, actor: Person | None, asked_by: str
) -> PendingDeclaration:
    """The row that waits: the same one when the same file is applied again, else a new one."""
    before = waiting()
    if before and before.document == document and before.loosens == list(found.loosens):
        return before
    _replace_waiting()
    row = PendingDeclaration.objects.create(
        asked_by=actor.username if actor else asked_by or "the command line",
        asked_by_person=actor or Person.objects.filter(username=asked_by).first(),
        asked_at=clock.now(),
        document=document,
        loosens=list(found.loosens),
    )
    ledger.append(
        "organization.asked",
        actor=row.asked_by_person,
        pending=row.pk,
        document=ledger.digest(document),
        loosens=_impersonal(found.loosens, found),
    )
    return row


def _replace_waiting() -> None:
    """A whole file waits, so confirming an older one would undo what was applied since."""
    PendingDeclaration.objects.filter(decided_at=None).update(
        decided_at=clock.now(), confirmed=False
    )


def _write(
    document: str, declared: Declaration, found: Difference, actor: Person | None, asked_by: str
) -> None:
    """Make the rows say what is declared. Protection is bound anew even if nothing else changes."""
    _replace_waiting()
    if found or Organization.get().document != document:
        leaving.hand_over(declared, actor)
        declared_rows.write(declared, document)
    if found:
        ledger.append(
            "organization.applied",
            actor=actor,
            document=ledger.digest(document),
            changes=_impersonal(found.changes, found),
            loosens=_impersonal(found.loosens, found),
            people=_people(),
            from_command_line=actor is None,
        )
    for account in Account.objects.filter(active=True):
        _bind_anew(account)
        changes.bind_protection(account)


def _bind_anew(account: Account) -> None:
    """Applying the file says that its names are right: an entry means who bears its name now.

    Whoever it meant before stays protected until an admin ends that.
    """
    for entry in account.protected_entries.exclude(bound_user_id=""):
        namesake = account.users.present().filter(user_name__iexact=entry.user_name).first()
        if namesake and namesake.user_id != entry.bound_user_id:
            entry.bound_user_id, entry.bound_at = namesake.user_id, clock.now()
            entry.save()


def _impersonal(sentences: tuple[str, ...], found: Difference) -> list[str]:
    """Without those that name a person: in the ledger people stand as hashes."""
    return [sentence for sentence in sentences if sentence not in found.personal]


def _people() -> dict[str, list[str]]:
    """Who may do what from now on, by the hash of the person."""
    active = Person.objects.filter(is_active=True).exclude(Q(roles=[]) & Q(teams=None))
    return {ledger.person_hash(person): sorted(person.roles) for person in active}
