"""Who is asked for in event history: the users of a sync, as light as thousands of them must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from inventory import clock
from inventory.aws.cloudtrail import HISTORY
from inventory.models import Activity, Credential, Organization, Sync
from inventory.policy import policy_for
from inventory.reads import listed_by
from inventory.refresh.activity import alive_after
from inventory.verdict import VerdictValue

FENCE = ":iam::aws:policy/AWSDenyAll"
_COLUMNS = (
    "pk",
    "user_id",
    "user_name",
    "earlier_names",
    "federated_names",
    "attached_policies",
    "boundary_arn",
    "password_last_used_at",
    "category",
    "category_override",
    "coverage__services",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """An access key's last use as IAM tells it. `region` is "" where IAM names none."""

    key_id: str
    at: datetime
    region: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One IAM user to ask for. `names`: today's first, then those it bore before.

    `in_use`: something shows use within `window`, its policy's dormancy; else it is in doubt.
    `woke`: it is in use, and its last verdict does not know that yet.
    `seen_in`: Regions of which activity within event history is known.
    """

    pk: int
    user_id: str
    names: tuple[str, ...]
    federated: Mapping[str, Mapping[str, Any]]
    keys: tuple[KeyUse, ...]
    fenced: bool
    window: timedelta
    last_used_at: datetime | None
    in_use: bool
    woke: bool
    seen_in: frozenset[str]

    def names_after(self, since: datetime, most: int | None = None) -> tuple[str, ...]:
        """Every name that its events after `since` may bear; `most` federated ones, the newest."""
        return (*self.names, *alive_after(self.federated, since)[:most])


def subjects_of(sync: Sync) -> list[Subject]:
    """The users that this sync listed, those first whose last use lies furthest back, or who have
    none. A few statements, however many there are."""
    now = clock.now()
    organization = Organization.get()
    listed = listed_by(sync)
    keys = _key_uses(listed.values("pk"))
    latest, seen_in = _activity(listed.values("pk"), now)
    windows: dict[str, timedelta] = {}
    found = []
    for user in listed.values(*_COLUMNS):
        category = user["category_override"] or user["category"]
        if category not in windows:
            windows[category] = policy_for(organization, sync.account, category).dormant_after
        uses = [use.at for use in keys.get(user["pk"], ())]
        uses += [at for at in (user["password_last_used_at"], latest.get(user["pk"])) if at]
        uses += _accesses(user["coverage__services"])
        last = max(uses, default=None)
        policies = (*user["attached_policies"], user["boundary_arn"])
        in_use = last is not None and last > now - windows[category]
        found.append(
            Subject(
                pk=user["pk"],
                user_id=user["user_id"],
                names=tuple(dict.fromkeys([user["user_name"], *user["earlier_names"]])),
                federated=user["federated_names"],
                keys=tuple(keys.get(user["pk"], ())),
                fenced=any(arn.endswith(FENCE) for arn in policies),
                window=windows[category],
                last_used_at=last,
                in_use=in_use,
                woke=in_use and user["verdict"] != VerdictValue.ACTIVE,
                seen_in=frozenset(seen_in.get(user["pk"], ())),
            )
        )
    return sorted(found, key=lambda one: one.last_used_at.timestamp() if one.last_used_at else 0.0)


def _key_uses(users: Any) -> dict[int, list[KeyUse]]:
    found: dict[int, list[KeyUse]] = defaultdict(list)
    rows = Credential.objects.filter(user__in=users, gone_at=None).exclude(last_used_at=None)
    for user, key_id, at, region in rows.values_list(
        "user_id", "credential_id", "last_used_at", "last_used_region"
    ):
        if at is not None:
            found[user].append(KeyUse(key_id, at, "" if region == "N/A" else region))
    return found


def _activity(users: Any, now: datetime) -> tuple[dict[int, datetime], dict[int, set[str]]]:
    """By user the last use that event history ever showed, and in which Regions lately."""
    rows = (
        Activity.objects.filter(user__in=users)
        .exclude(outcome="failed-sign-in")
        .order_by()
        .values_list("user_id", "region")
        .annotate(last=Max("last_at"))
    )
    latest: dict[int, datetime] = {}
    seen_in: dict[int, set[str]] = defaultdict(set)
    for user, region, last in rows:
        latest[user] = max(last, latest.get(user, last))
        if last > now - HISTORY:
            seen_in[user].add(region)
    return latest, seen_in


def _accesses(services: Iterable[Mapping[str, Any]] | None) -> list[datetime]:
    return [datetime.fromisoformat(one["at"]) for one in services or () if one["at"]]
