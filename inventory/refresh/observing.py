"""What changed in AWS since the last sync becomes rows: one comparison, after everything was read.

The rows of users are brought up to date by every look, also between syncs; so what was known is
kept apart, and only what this sync itself read is compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Prefetch

from inventory import clock, ledger, reads
from inventory.models import Account, Credential, IamUser, LastKnown, Observation, Sync
from inventory.observations import (
    CREDENTIALS,
    DETAILS,
    LISTING,
    PARTS,
    SERVICES,
    Kind,
    Seen,
    compare,
    compare_root,
)
from inventory.reads import listed_by
from inventory.refresh.bulk import update
from inventory.rights.privilege import ADMIN
from inventory.signals import changes_observed

_AT_ONCE = 200
_COLUMNS = (
    "account_id",
    "user_id",
    "user_name",
    "path",
    "created_at",
    "last_seen_at",
    "missing_since",
    "coverage",
    "tags",
    "groups",
    "attached_policies",
    "inline_policies",
    "boundary_arn",
    "privilege",
    "mfa",
    "has_console_password",
)
# When each part was last read from AWS.
_READ_AT = {
    LISTING: reads.LISTED,
    DETAILS: reads.DETAILS,
    CREDENTIALS: reads.KEYS,
    SERVICES: reads.SERVICE_KEYS,
}


def observe(sync: Sync) -> int:
    """Write down what this sync saw change, in a few statements; how many changes.

    The first sync of an account finds everything new and says only how many users there are. A
    second call for the same sync finds nothing, so that a slice may be repeated.
    """
    with transaction.atomic():
        # Two workers at once would both find the same changes.
        account = Account.objects.select_for_update(no_key=True).get(pk=sync.account_id)
        own = account.last_known.filter(user=None).first()
        look = _Look(sync, account, reads.reads_of(account), own)
        look.users()
        look.gone()
        look.root()
        return look.save()


@dataclass(slots=True)
class _Look:
    """One comparison under way. `own`: what was known of the account itself."""

    sync: Sync
    account: Account
    reads: reads.Reads
    own: LastKnown | None
    now: datetime = field(default_factory=clock.now)
    found: list[Observation] = field(default_factory=list)
    new: list[LastKnown] = field(default_factory=list)
    changed: list[LastKnown] = field(default_factory=list)

    @property
    def last_at(self) -> datetime | None:
        """When the last comparison's sync began; None on the first."""
        return self.own.looked_at if self.own else None

    def users(self) -> None:
        pks = list(listed_by(self.sync).order_by("pk").values_list("pk", flat=True))
        named: list[IamUser] = []
        # Some hundred at a time: policies and credentials of thousands would fill the memory.
        for start in range(0, len(pks), _AT_ONCE):
            named += self._some(pks[start : start + _AT_ONCE])
            self._keep()
        self._namesakes(named)
        if self.own is None:
            self._note(None, Seen(Kind.FIRST_LOOK, "", {"count": len(pks)}), None)

    def _some(self, pks: list[int]) -> list[IamUser]:
        """Compare these users; those of them that bear a name that is new to them."""
        live = Credential.objects.filter(gone_at=None)
        users = IamUser.objects.filter(pk__in=pks).only(*_COLUMNS).order_by("pk")
        known = {row.user_id: row for row in self.account.last_known.filter(user__in=pks)}
        named: list[IamUser] = []
        for user in users.prefetch_related(Prefetch("credentials", queryset=live)):
            parts = dict(self._read(user))
            row = known.get(user.pk)
            if row is None:
                self.new.append(LastKnown(account=self.account, user=user, parts=parts))
                if self.last_at is not None:
                    rights = ", with admin rights" if user.privilege == ADMIN else ""
                    seen = Seen(Kind.APPEARED, "", {"rights": rights}, user.created_at)
                    self._note(user, seen, self.last_at)
                    named.append(user)
            elif self._compare(user, row, parts):
                named.append(user)
        return named

    def _read(self, user: IamUser) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parts of this user that this very sync read whole, as they are compared."""
        started = self.sync.started_at or self.sync.asked_at
        values = _values(user)
        for part in PARTS:
            told = self.reads.at(user, _READ_AT[part])
            if told and told >= started:
                yield part, values[part]

    def _compare(self, user: IamUser, row: LastKnown, parts: Mapping[str, Any]) -> bool:
        """Note what differs and bring the row up to date; whether the user bears another name."""
        before = json.dumps([row.parts, row.unread], sort_keys=True)
        renamed = False
        for part in PARTS:
            if part not in parts:
                # From now on until it is read again, nobody can say when something changed.
                if part in row.parts and self.last_at:
                    row.unread.setdefault(part, self.last_at.isoformat())
                continue
            since = row.unread.pop(part, None)
            if part in row.parts:
                since_at = datetime.fromisoformat(since) if since else self.last_at
                for seen in compare(part, row.parts[part], parts[part]):
                    self._note(user, seen, since_at)
                    renamed |= seen.kind is Kind.RENAMED
            row.parts[part] = parts[part]
        if json.dumps([row.parts, row.unread], sort_keys=True) != before:
            self.changed.append(row)
        return renamed

    def _namesakes(self, named: list[IamUser]) -> None:
        """Of users with a name new to them: whose name another user id bore before."""
        if not named:
            return
        bearers: dict[str, list[tuple[int, str]]] = {}
        rows = self.account.users.values_list("pk", "user_id", "user_name", "earlier_names")
        for pk, user_id, name, earlier in rows:
            for each in {one.lower() for one in (name, *earlier)}:
                bearers.setdefault(each, []).append((pk, user_id))
        for user in named:
            others = [each for pk, each in bearers[user.user_name.lower()] if pk != user.pk]
            if others:
                seen = Seen(Kind.NAMESAKE, user.user_name, {"other": ", ".join(others)})
                self._note(user, seen, self.last_at)

    def gone(self) -> None:
        """Users that were proven gone since the last look."""
        rows = self.account.last_known.exclude(user__gone_at=None).select_related("user")
        for row in rows.exclude(user=None):
            if row.user is not None:
                # A user id never comes back.
                self._note(row.user, Seen(Kind.GONE), row.user.last_seen_at)
        rows.exclude(user=None).delete()

    def root(self) -> None:
        facts = self.account.root_facts
        keys = facts.get("active_keys")
        if facts.get("has_keys") and not keys:
            # IAM tells at once that there is one; how many, only the next report does.
            keys = 1
        told = {"keys": keys, "mfa": facts.get("mfa_active")} if facts else {}
        row = self.own
        started = self.sync.started_at or self.sync.asked_at
        if row is None:
            self.new.append(LastKnown(account=self.account, parts=told, looked_at=started))
            return
        for seen in compare_root(row.parts, told):
            self._note(None, seen, self.last_at)
        row.parts, row.looked_at = told or row.parts, started
        self.changed.append(row)

    def _note(self, user: IamUser | None, seen: Seen, since: datetime | None) -> None:
        whom = user.user_id if user else ""
        self.found.append(
            Observation(
                account=self.account,
                user=user,
                sync=self.sync,
                kind=seen.kind.value,
                params={"what": seen.what, **seen.params},
                key=ledger.digest([seen.kind.value, whom, seen.what]),
                since_at=since,
                seen_at=self.now,
                aws_at=seen.aws_at,
            )
        )

    def _keep(self) -> None:
        LastKnown.objects.bulk_create(self.new)
        update(self.changed, ["parts", "unread", "looked_at"])
        self.new, self.changed = [], []

    def save(self) -> int:
        self._keep()
        if self.found:
            changes_observed.send(sender=Sync, sync=self.sync, observations=self.found)
        Observation.objects.bulk_create(self.found, batch_size=500, ignore_conflicts=True)
        return len(self.found)


def _values(user: IamUser) -> dict[str, dict[str, Any]]:
    """What is known of a user, part by part, as JSON-able values."""
    apart: dict[str, dict[str, Any]] = {CREDENTIALS: {}, SERVICES: {}}
    for one in user.credentials.all():
        service = one.kind == Credential.Kind.SERVICE_SPECIFIC
        apart[SERVICES if service else CREDENTIALS][one.credential_id] = {
            "kind": one.kind,
            "status": one.status,
            "at": one.created_at.isoformat() if one.created_at else "",
        }
    return {
        LISTING: {"name": user.user_name, "path": user.path},
        DETAILS: {
            "policies": sorted(user.attached_policies),
            "inline": {
                name: ledger.digest(document) for name, document in user.inline_policies.items()
            },
            "groups": sorted(user.groups),
            "boundary": user.boundary_arn,
            "tags": user.tags,
            "privilege": user.privilege,
        },
        CREDENTIALS: {
            "password": user.has_console_password,
            "mfa": {one["serial"]: one["kind"] for one in user.mfa},
            "keys": apart[CREDENTIALS],
        },
        SERVICES: {"keys": apart[SERVICES]},
    }
