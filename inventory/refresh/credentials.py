"""Live credentials become rows. A user whose read broke keeps its old rows and has a gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from inventory import clock
from inventory.aws import credentials as live
from inventory.aws.credentials import KeyUse, UserCredentials
from inventory.aws.holdings import ServiceCredential
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import Credential, IamUser, ReadPass
from inventory.reads import (
    CREDENTIALS,
    KEYS,
    REPORT,
    Reads,
    begun,
    cursor,
    listed_by,
    mark,
    reads_of,
)
from inventory.refresh.bulk import Before, update
from inventory.refresh.report_notes import later_use, user_notes
from inventory.refresh.run import Run

_CHUNK = 32
_NEEDED = (
    "account",
    "user_id",
    "user_name",
    "has_console_password",
    "password_created_at",
    "mfa",
    "coverage",
    "last_seen_at",
    "missing_since",
)
_SAVED = ("has_console_password", "password_created_at", "mfa", "coverage")
_GAP = "credentials"
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


Key = tuple[int, str, str]


@dataclass(slots=True)
class _Sweep:
    """Service-specific credentials of all users by name, and which services did not answer."""

    found: dict[str, list[ServiceCredential]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


def read_credentials(run: Run) -> bool:
    """The step `credentials`; False when the slice ended before all users were read.

    Nothing of it is skipped on a second sync: IAM lists keys, passwords, hardware and FIDO devices,
    SSH keys and certificates of one user at a time only, and the credential report, which has some
    of that for all, is a snapshot whose moment cannot be checked against a change.
    """
    users = list(listed_by(run.sync).order_by("pk").values_list("pk", flat=True))
    walk = begun(run.account, ReadPass.Part.CREDENTIALS, run.sync)
    pending = [pk for pk in users if pk > cursor(walk)]
    sweep = _sweep(run) if pending else _Sweep()
    limiter = Limiter.for_reads(run.account)
    reads = reads_of(run.account)
    done = len(users) - len(pending)
    for start in range(0, len(pending), _CHUNK):
        if start and run.time_left() <= 0:
            return False
        some = pending[start : start + _CHUNK]
        rows = IamUser.objects.filter(pk__in=some).only(*_NEEDED).order_by("pk")
        chunk = {user.user_name: user for user in rows}
        began = clock.now()
        told = _read(run, chunk, sweep, limiter, reads)
        with transaction.atomic():
            _save(run, _held(chunk), told, sweep, reads)
            mark(walk, some[-1], began)
            done += len(chunk)
            run.advance("credentials", done, len(users))
    broken = listed_by(run.sync).filter(coverage__gaps__has_key="credentials").count()
    differ = listed_by(run.sync).filter(coverage__has_key="report_notes").count()
    if broken:
        run.fail("credentials", f"{broken} of {len(users)} users could not be read whole.")
    else:
        noted = f", {differ} not as in the credential report" if differ else ""
        run.finish("credentials", f"{len(users)} of {len(users)}{noted}")
    return True


def _sweep(run: Run) -> _Sweep:
    sweep = _Sweep()
    held = Credential.objects.filter(
        user__account=run.account, kind=Credential.Kind.SERVICE_SPECIFIC
    ).exclude(service="")
    seen = held.order_by().values_list("service", flat=True).distinct()
    for service in dict.fromkeys([*live.SERVICES, *seen]):
        try:
            for name, found in live.service_specific(run.aws, service).items():
                sweep.found.setdefault(name, []).extend(found)
        except AwsFailure as failed:
            if failed.code in {"NotSupportedService", "ServiceNotSupported"}:
                # This partition has no such credentials.
                continue
            sweep.gaps.append(f"Service-specific credentials of {service}: {failed}")
    return sweep


def _read(
    run: Run, chunk: dict[str, IamUser], sweep: _Sweep, limiter: Limiter, reads: Reads
) -> dict[str, UserCredentials | AwsFailure]:
    """What each of these users holds; a failure also for a name that is another user's now.

    A user seen for the first time is asked for service-specific credentials of every service, known
    here or not.
    """
    first = {name for name, user in chunk.items() if reads.at(user, CREDENTIALS) is None}
    told = dict(live.read_many(run.aws, chunk, limiter, with_services=first))
    for name, answer in told.items():
        if isinstance(answer, UserCredentials) and answer.services is None:
            told[name] = replace(answer, services=tuple(sweep.found.get(name, ())))
    doubtful = _doubtful(chunk, told)
    if not doubtful:
        return told
    try:
        ids = live.who_bears(run.aws, doubtful, limiter)
    except AwsFailure as failed:
        return told | dict.fromkeys(doubtful, failed)
    for name in doubtful:
        if ids.get(name) != chunk[name].user_id:
            message = "The name is another user's now. What that one holds was not taken for this."
            told[name] = AwsFailure("AnotherUser", message, operation="GetUser")
    return told


def _doubtful(
    chunk: dict[str, IamUser], told: Mapping[str, UserCredentials | AwsFailure]
) -> list[str]:
    """Names that may have passed to another user since they were listed.

    Not in doubt: who holds something by an id that was this user's before, or the same password;
    and who holds nothing, as before. In a sync that finds nothing new nobody is.
    """
    had: dict[int, set[str]] = {}
    live_rows: set[int] = set()
    for user_id, credential_id, gone_at in Credential.objects.filter(
        user__in=chunk.values()
    ).values_list("user_id", "credential_id", "gone_at"):
        had.setdefault(user_id, set()).add(credential_id)
        if gone_at is None:
            live_rows.add(user_id)
    found = []
    for name, answer in told.items():
        user = chunk[name]
        if isinstance(answer, AwsFailure):
            continue
        held = answer.ids()
        same_password = (
            answer.password_created_at is not None
            and answer.password_created_at == user.password_created_at
        )
        if held & had.get(user.pk, set()) or same_password:
            continue
        nothing = not (held or answer.has_console_password or answer.mfa)
        had_nothing = not (user.pk in live_rows or user.has_console_password or user.mfa)
        if not (nothing and had_nothing):
            found.append(name)
    return found


def _held(chunk: Mapping[str, IamUser]) -> dict[str, IamUser]:
    """The same users as they are by now, held until they are written: a look at one of them may
    have come between."""
    names = {user.pk: name for name, user in chunk.items()}
    rows = IamUser.objects.filter(pk__in=names).only(*_NEEDED).order_by("pk")
    return {names[user.pk]: user for user in rows.select_for_update(no_key=True)}


def _save(
    run: Run,
    chunk: dict[str, IamUser],
    told: Mapping[str, UserCredentials | AwsFailure],
    sweep: _Sweep,
    reads: Reads,
) -> None:
    now = clock.now()
    rows: list[Credential] = []
    before = Before(chunk.values(), _SAVED)
    for name, user in chunk.items():
        answer = told[name]
        gaps = list(sweep.gaps)
        user.coverage.pop("report_notes", None)
        if isinstance(answer, AwsFailure):
            gaps.append(f"Credentials: {answer}")
        else:
            user.has_console_password = answer.has_console_password
            user.password_created_at = answer.password_created_at
            user.mfa = [{"serial": one.serial, "kind": one.kind} for one in answer.mfa]
            answer = _beside_report(user, answer, reads)
            rows += rows_of(user, answer, answer.services or ())
        had = user.coverage.get("gaps", {})
        others = {key: text for key, text in had.items() if key != _GAP}
        if gaps:
            if _GAP not in had:
                reads.keep_own(user, _GAP)
            if not isinstance(answer, AwsFailure):
                user.coverage[KEYS] = now.isoformat()
            others[_GAP] = " ".join(gaps)
        user.coverage["gaps"] = others
    update(before.changed(chunk.values()), _SAVED)
    read = [user for name, user in chunk.items() if isinstance(told[name], UserCredentials)]
    new, reactivated = save_credentials(rows, read, services_known=not sweep.gaps)
    fresh = set(run.sync.changes.get("new_users", []))
    known = {row.pk for row in rows if row.user_id not in fresh}
    changes = run.sync.changes
    changes["new_keys"] = [*changes.get("new_keys", []), *(pk for pk in new if pk in known)]
    changes["reactivated"] = [*changes.get("reactivated", []), *reactivated]


def _beside_report(user: IamUser, answer: UserCredentials, reads: Reads) -> UserCredentials:
    """The report as a second source: a later use counts, and what it contradicts is noted."""
    kept, at = user.coverage.get("report"), reads.at(user, REPORT)
    if not kept or not at:
        return answer
    notes = user_notes(kept, at, answer)
    if notes:
        user.coverage["report_notes"] = [note.document() for note in notes]
    slots = later_use(kept, [use.key for use in answer.keys])
    return replace(answer, keys=tuple(_later(use, slots.get(use.key.id)) for use in answer.keys))


def _later(use: KeyUse, slot: Mapping[str, Any] | None) -> KeyUse:
    if slot is None:
        return use
    at = datetime.fromisoformat(slot["last_used_at"])
    if use.last_used_at is not None and use.last_used_at >= at:
        return use
    return replace(use, last_used_at=at, service=slot["service"], region=slot["region"])


def save_credentials(
    rows: list[Credential], owners: Iterable[IamUser], *, services_known: bool
) -> tuple[list[int], list[int]]:
    """Make the credentials of `owners` what `rows` say; pks of new and of re-activated ones.

    What is there no more is marked gone, service-specific ones only if they were all listed. Rows
    that say what is known already are not written.
    """
    before: dict[Key, Credential] = {
        _key(row): row for row in Credential.objects.filter(user__in=list(owners))
    }
    changed: list[Credential] = []
    new: list[Credential] = []
    reactivated: list[int] = []
    for row in rows:
        old = before.get(_key(row))
        if old is None:
            new.append(row)
            continue
        row.pk = old.pk
        if old.last_used_at and _forgot(row, old.last_used_at):
            row.last_used_at = old.last_used_at
            row.last_used_service = old.last_used_service
            row.last_used_region = old.last_used_region
        if any(getattr(row, name) != getattr(old, name) for name in _COLUMNS):
            changed.append(row)
        if old.status != "Active" and row.status == "Active":
            reactivated.append(row.pk)
    # Another worker may have entered it a moment ago, as when one looks at a single user.
    Credential.objects.bulk_create(
        new,
        update_conflicts=True,
        unique_fields=["user", "kind", "credential_id"],
        update_fields=list(_COLUMNS),
    )
    if changed:
        update(changed, _COLUMNS)
    there = {_key(row) for row in rows}
    gone = [
        row.pk
        for key, row in before.items()
        if key not in there
        and row.gone_at is None
        and (services_known or row.kind != Credential.Kind.SERVICE_SPECIFIC)
    ]
    if gone:
        Credential.objects.filter(pk__in=gone).update(gone_at=clock.now())
    return [row.pk for row in new], reactivated


def _key(row: Credential) -> Key:
    return row.user_id, row.kind, row.credential_id


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
