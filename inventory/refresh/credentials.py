"""Live credentials become rows. A user whose read broke keeps its old rows and has a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from inventory import clock
from inventory.aws import credentials as live
from inventory.aws.credentials import UserCredentials
from inventory.aws.holdings import ServiceCredential
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import Credential, IamUser
from inventory.refresh.judging import of_sync
from inventory.refresh.run import Run

_CHUNK = 32
_COLUMNS = (
    "status",
    "service",
    "created_at",
    "expires_at",
    "last_used_at",
    "last_used_service",
    "last_used_region",
    "gone_at",
)


@dataclass(slots=True)
class _Sweep:
    """Service-specific credentials of all users by name, and which services did not answer."""

    found: dict[str, list[ServiceCredential]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


def read_credentials(run: Run) -> bool:
    """The step `credentials`; False when the slice ended before all users were read."""
    users = of_sync(run.sync)
    pending = [user for user in users if user.coverage.get("credentials_sync") != run.sync.pk]
    sweep = _sweep(run) if pending else _Sweep()
    limiter = Limiter.for_reads(run.account)
    done = len(users) - len(pending)
    for start in range(0, len(pending), _CHUNK):
        if start and run.time_left() <= 0:
            return False
        chunk = {user.user_name: user for user in pending[start : start + _CHUNK]}
        told = dict(live.read_many(run.aws, chunk, limiter))
        with transaction.atomic():
            _save(run, chunk, told, sweep)
            done += len(chunk)
            run.advance("credentials", done, len(users))
    broken = sum(1 for user in of_sync(run.sync) if "credentials" in user.coverage["gaps"])
    if broken:
        run.fail("credentials", f"{broken} of {len(users)} users could not be read whole.")
    else:
        run.finish("credentials", f"{len(users)} of {len(users)}")
    return True


def _sweep(run: Run) -> _Sweep:
    sweep = _Sweep()
    for service in live.SERVICES:
        try:
            for name, found in live.service_specific(run.aws, service).items():
                sweep.found.setdefault(name, []).extend(found)
        except AwsFailure as failed:
            if failed.code in {"NotSupportedService", "ServiceNotSupported"}:
                # This partition has no such credentials.
                continue
            sweep.gaps.append(f"Service-specific credentials of {service}: {failed}")
    return sweep


def _save(
    run: Run,
    chunk: dict[str, IamUser],
    told: dict[str, UserCredentials | AwsFailure],
    sweep: _Sweep,
) -> None:
    now = clock.now()
    rows: list[Credential] = []
    for name, user in chunk.items():
        answer = told[name]
        gaps = list(sweep.gaps)
        if isinstance(answer, AwsFailure):
            gaps.append(f"Credentials: {answer}")
        else:
            user.has_console_password = answer.has_console_password
            user.mfa = [{"serial": one.serial, "kind": one.kind} for one in answer.mfa]
            rows += rows_of(user, answer, sweep.found.get(name, []))
        user.coverage["credentials_sync"] = run.sync.pk
        if gaps:
            user.coverage["gaps"] = user.coverage.get("gaps", {}) | {"credentials": " ".join(gaps)}
        else:
            user.coverage["credentials_at"] = now.isoformat()
    IamUser.objects.bulk_update(chunk.values(), ["has_console_password", "mfa", "coverage"])
    read = [user for name, user in chunk.items() if isinstance(told[name], UserCredentials)]
    new, reactivated = save_credentials(rows, read, services_known=not sweep.gaps)
    fresh = set(run.sync.changes.get("new_users", []))
    known = {row.pk for row in rows if row.user_id not in fresh}
    changes = run.sync.changes
    changes["new_keys"] = [*changes.get("new_keys", []), *(pk for pk in new if pk in known)]
    changes["reactivated"] = [*changes.get("reactivated", []), *reactivated]


def save_credentials(
    rows: list[Credential], owners: Iterable[IamUser], *, services_known: bool
) -> tuple[list[int], list[int]]:
    """Make the credentials of `owners` what `rows` say; pks of new and of re-activated ones.

    What is there no more is marked gone, service-specific ones only if they were all listed.
    """
    before = {
        (row.user_id, row.kind, row.credential_id): row
        for row in Credential.objects.filter(user__in=list(owners))
    }
    for row in rows:
        old = before.get((row.user_id, row.kind, row.credential_id))
        if old and old.last_used_at and _forgot(row, old.last_used_at):
            row.last_used_at = old.last_used_at
            row.last_used_service = old.last_used_service
            row.last_used_region = old.last_used_region
    Credential.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["user", "kind", "credential_id"],
        update_fields=list(_COLUMNS),
    )
    there = {(row.user_id, row.kind, row.credential_id) for row in rows}
    gone = [
        row.pk
        for key, row in before.items()
        if key not in there
        and row.gone_at is None
        and (services_known or row.kind != Credential.Kind.SERVICE_SPECIFIC)
    ]
    Credential.objects.filter(pk__in=gone).update(gone_at=clock.now())
    new, reactivated = [], []
    for row in rows:
        old = before.get((row.user_id, row.kind, row.credential_id))
        if old is None:
            new.append(row.pk)
        elif old.status != "Active" and row.status == "Active":
            reactivated.append(row.pk)
    return new, reactivated


def _forgot(row: Credential, seen_at: datetime) -> bool:
    """AWS forgets, as when a user is re-created around its key; what was seen stays seen."""
    return row.last_used_at is None or row.last_used_at < seen_at


def rows_of(
    user: IamUser, told: UserCredentials, services: Iterable[ServiceCredential]
) -> list[Credential]:
    """What AWS told about one user's credentials, as rows that are not saved yet."""
    kinds = Credential.Kind

    def row(kind: str, credential_id: str, status: str, **more: Any) -> Credential:
        return Credential(user=user, kind=kind, credential_id=credential_id, status=status, **more)

    found = [
        row(
            kinds.ACCESS_KEY,
            use.key.id,
            use.key.status,
            created_at=use.key.created_at,
            last_used_at=use.last_used_at,
            last_used_service=use.service,
            last_used_region=use.region,
        )
        for use in told.keys
    ]
    found += [
        row(kinds.SSH_KEY, one.id, one.status, created_at=one.created_at) for one in told.ssh_keys
    ]
    found += [
        row(kinds.SIGNING_CERTIFICATE, one.id, one.status, created_at=one.created_at)
        for one in told.certificates
    ]
    found += [
        row(
            kinds.SERVICE_SPECIFIC,
            one.id,
            one.status,
            service=one.service,
            created_at=one.created_at,
            expires_at=one.expires_at,
        )
        for one in services
    ]
    return found
