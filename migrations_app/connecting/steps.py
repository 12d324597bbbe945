"""The steps by which an admin connects an account: prepare it, test it, read it; or let it go.

A connected account is read and nothing more. No line here names a change role of an account: those
come by iamcleanup.yaml alone, with everything else that can loosen what holds. So one admin may do
all of this, and an account that the file does not declare can take no write whatever happens here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from inventory import access, clock, ledger, refresh
from inventory.models import AccessTest, Account, Connection, Person, Sync
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app.connecting.trust import partition_of, principals
from migrations_app.iam_policies import RoleName, policy

# An older test says little about what the role may do today.
PROOF_LASTS = timedelta(hours=24)
_SUFFIX: Mapping[RoleName, str] = {"reader": "Reader", "actor": "Actor", "deleter": "Deleter"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an admin says of an account. No `regions` means all enabled ones."""

    account_id: str
    name: str
    time_zone: str = "UTC"
    regions: tuple[str, ...] = ()
    prefix: str = "IamCleanup"
    changes: bool = False


def prepare(wanted: Wanted, person: Person) -> Connection:
    """The account with an external id of its own; a second time it keeps that id.

    Raises NotAllowed; Refused where the account is connected or was declared here before.
    """
    require(person, Action.ADMINISTER)
    with transaction.atomic():
        before = Connection.objects.select_for_update().filter(account_id=wanted.account_id).first()
        _refuse_known(wanted, before)
        was = vars(before).copy() if before else {}
        row = before or Connection(account_id=wanted.account_id, external_id=_external_id())
        row.name, row.time_zone, row.regions = wanted.name, wanted.time_zone, list(wanted.regions)
        row.reader_role = _role(wanted, "reader")
        row.actor_role = _role(wanted, "actor") if wanted.changes else ""
        row.deleter_role = _role(wanted, "deleter") if wanted.changes else ""
        if was == vars(row):
            return row
        row.asked_by, row.asked_at = person, clock.now()
        row.save()
        ledger.append("connection.prepared", actor=person, account_id=row.account_id)
    return row


def prepare_changes(connection: Connection, person: Person) -> None:
    """Name the change roles of an account that was connected with its reader alone.

    They are used only once the file names them. Raises NotAllowed, Stale.
    """
    require(person, Action.ADMINISTER)
    with transaction.atomic():
        row = _locked(connection)
        stem = row.reader_role.removesuffix(_SUFFIX["reader"])
        named = (f"{stem}{_SUFFIX['actor']}", f"{stem}{_SUFFIX['deleter']}")
        if (row.actor_role, row.deleter_role) == named:
            return
        row.actor_role, row.deleter_role = named
        row.save(update_fields=["actor_role", "deleter_role"])
        ledger.append("connection.prepared", actor=person, account_id=row.account_id)


def ask_test(account: Account, person: Person) -> AccessTest:
    """Ask for a test of the roles `account` names; see `access.as_tested`."""
    named: Mapping[RoleName, str] = {"actor": account.actor_role, "deleter": account.deleter_role}
    writes: dict[str, list[str]] = {
        role: _allowed(role, account.account_id) for role, arn in named.items() if arn
    }
    return access.ask_test(account, writes, person)


def proven(connection: Connection) -> bool:
    """Whether a test of late, of these very roles, showed all that reading needs."""
    test = access.last_test(connection.account())
    if test is None or test.status != AccessTest.Status.DONE or test.finished_at is None:
        return False
    fresh = test.finished_at >= clock.now() - PROOF_LASTS
    return fresh and access.passed(test.checks, "reader")


def connect(connection: Connection, person: Person) -> Sync:
    """Read the account from now on; its first sync.

    Raises NotAllowed; Refused without a good test; Stale where it was decided meanwhile.
    """
    require(person, Action.ADMINISTER)
    with transaction.atomic():
        row = _locked(connection)
        if row.connected_at is not None:
            raise Stale(f"{row.name} is connected already.")
        if not proven(row):
            raise Refused(
                "The reader role was not tested within 24 hours, or lacks something. Test it, mend"
                " what is missing, then connect."
            )
        account, _ = Account.objects.update_or_create(
            account_id=row.account_id,
            defaults={
                "name": row.name,
                "time_zone": row.time_zone,
                "regions": row.regions,
                "reader_role": row.reader_role,
                "actor_role": "",
                "deleter_role": "",
                "external_id": row.external_id,
                "sandbox": False,
                "active": True,
            },
        )
        row.connected_at = clock.now()
        row.save(update_fields=["connected_at"])
        sync = refresh.ask_sync(account, person)
        ledger.append("account.connected", actor=person, account_id=row.account_id)
    return sync


def disconnect(account: Account, person: Person) -> None:
    """Stop reading an account that the file does not declare; what is known of it is kept.

    Raises NotAllowed; Refused for a declared account.
    """
    require(person, Action.ADMINISTER)
    if not account.active:
        raise Stale(f"{account.name} is not read any more.")
    with transaction.atomic():
        row = (
            Connection.objects.select_for_update()
            .filter(account_id=account.account_id, connected_at__isnull=False)
            .first()
        )
        if row is None:
            raise Refused(
                f"{account.name} is declared in iamcleanup.yaml. Take it out there and apply the"
                " file."
            )
        Account.objects.filter(pk=account.pk).update(active=False)
        row.connected_at = None
        row.save(update_fields=["connected_at"])
        ledger.append("account.disconnected", actor=person, account_id=row.account_id)


def discard(connection: Connection, person: Person) -> None:
    """Forget an account that was prepared and not connected. Raises NotAllowed, Stale."""
    require(person, Action.ADMINISTER)
    with transaction.atomic():
        row = _locked(connection)
        if row.connected_at is not None:
            raise Stale(f"{row.name} was connected meanwhile.")
        row.delete()
        ledger.append("connection.discarded", actor=person, account_id=row.account_id)


def _locked(connection: Connection) -> Connection:
    row = Connection.objects.select_for_update(of=("self",)).filter(pk=connection.pk).first()
    if row is None:
        raise Stale("This was discarded, or the file declares the account meanwhile.")
    return row


def _refuse_known(wanted: Wanted, before: Connection | None) -> None:
    known = Account.objects.filter(account_id=wanted.account_id).first()
    if known is not None and known.active:
        raise Refused(f"{known} is connected already. Open it under Settings, AWS accounts.")
    if known is not None and before is None:
        raise Refused(
            f"{known} was declared here before, with all that goes with it. Declare it again in"
            " iamcleanup.yaml and apply the file."
        )
    others = Account.objects.filter(active=True, name__iexact=wanted.name)
    prepared = Connection.objects.filter(name__iexact=wanted.name)
    if others.exists() or prepared.exclude(account_id=wanted.account_id).exists():
        raise Refused(f"Another account is called {wanted.name} already. Choose another name.")


def _role(wanted: Wanted, role: RoleName) -> str:
    partition = partition_of(principals())
    return f"arn:{partition}:iam::{wanted.account_id}:role/{wanted.prefix}{_SUFFIX[role]}"


def _external_id() -> str:
    """Never typed in, another one for each account: the confused deputy problem (IAM User Guide)
    begins where somebody else can choose it."""
    return f"ic-{secrets.token_hex(16)}"


def _allowed(role: RoleName, account_id: str) -> list[str]:
    """Every action that the shipped policy of a change role allows, once."""
    allowed = [
        action
        for statement in policy(role, account_id)["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]
    return list(dict.fromkeys(allowed))
