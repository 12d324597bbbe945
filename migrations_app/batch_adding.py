"""From a selection to drafts: who goes into which batch, and who may not go and why.

The page shows this plan before anything is added; the verb makes exactly it, or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Subquery

from inventory.models import Account, Organization, Person
from inventory.permissions import Action, require
from inventory.policy import policy_for
from inventory.refusals import Refused, Stale
from migrations_app import changes
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change, Departure

# So many are considered at once: each is judged, and a batch takes twenty.
MOST = 200
# Blockers that the dry run mends by looking again.
MENDED = frozenset({"evidence-age"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that takes more users: how many stand in it, and how many fit."""

    batch: Batch
    users: int
    size: int

    @property
    def free(self) -> int:
        return max(self.size - self.users, 0)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Whom one batch takes; `draft` is None for a batch that has to be made."""

    number: int
    departures: tuple[Departure, ...]
    draft: Draft | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A user that may not go, with reasons to read."""

    departure: Departure
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adding:
    """Where a selection goes."""

    account: Account
    parcels: tuple[Parcel, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def users(self) -> int:
        return sum(len(one.departures) for one in self.parcels)

    @property
    def seen(self) -> str:
        """What a person was shown, so that another plan than that is never carried out."""
        return " ".join(
            f"{one.number}:{','.join(str(row.pk) for row in one.departures)}"
            for one in self.parcels
        )

    @property
    def sentence(self) -> str:
        """ "Batch #12 takes 6 more. The other 9 go to a new batch #13." """
        if not self.parcels:
            return "None of these users may go now."
        first, *others = self.parcels
        if first.draft:
            words = f"Batch #{first.number} takes {len(first.departures)} more."
        else:
            words = f"{_users(len(first.departures))} to a new batch #{first.number}."
        for one in others:
            count = len(one.departures)
            goes = "goes" if count == 1 else "go"
            start = "The other" if one is others[0] else "Then"
            words += f" {start} {count} {goes} to a new batch #{one.number}."
        return words


def draft_for(account_id: str) -> Draft | None:
    """The newest draft of the account (of any with "") that disables and is not urgent."""
    rows = Batch.objects.filter(
        status=Batch.Status.DRAFT, move=MoveName.DISABLE, urgent=False
    ).select_related("account")
    if account_id:
        rows = rows.filter(account__account_id=account_id)
    declared = Organization.objects.filter(pk=1).values("policy")
    rows = rows.annotate(users=Count("changes"), declared=Subquery(declared))
    batch = rows.order_by("-number").first()
    if batch is None:
        return None
    organization = Organization(policy=batch.declared or {})
    return Draft(batch, batch.users, policy_for(organization, batch.account).batch_size)


def plan(departures: Sequence[Departure], account: Account) -> Adding:
    """Who of these goes where: the open draft first, then new batches of the policy's size."""
    rows = [row for row in departures if row.user.account_id == account.pk]
    draft = draft_for(account.account_id)
    size = draft.size if draft else policy_for(Organization.get(), account).batch_size
    judged = changes.blockers_for(rows, MoveName.DISABLE)
    drafted = drafts_of(rows)
    left, free = [], []
    for row in departures:
        if row.user.account_id != account.pk:
            reasons = [f"It is in {row.user.account.name}; a batch holds one account."]
        elif row.pk in drafted:
            reasons = [f"It is in batch #{drafted[row.pk]} already."]
        else:
            blockers = [one for one in judged[row.pk] if one.code not in MENDED]
            reasons = [f"{one.text} {one.fix}".strip() for one in blockers]
        if reasons:
            left.append(LeftOut(row, tuple(reasons)))
        else:
            free.append(row)
    return Adding(account, tuple(_parcels(free, draft, size)), tuple(left))


def drafts_of(rows: Sequence[Departure], **batch: Any) -> dict[int, int]:
    """By departure the number of the draft that it stands in, of those that are as `batch` says."""
    drafts = Change.objects.filter(
        departure__in=rows, status=Change.Status.DRAFT, batch__status=Batch.Status.DRAFT
    ).filter(**{f"batch__{name}": value for name, value in batch.items()})
    return dict(drafts.values_list("departure", "batch__number"))


@dataclass(frozen=True, slots=True)
class Carried:
    """Where a plan put its users, and how many they are."""

    batches: tuple[Batch, ...]
    users: int


def carry_out(rows: Sequence[Departure], account: Account, person: Person, seen: str) -> Carried:
    """Put these users where their plan says; Stale if that is not the plan that the person saw.

    Where all of it is done already, by a button that was pressed twice, nothing more is.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        changes.wait_for_other_composings()
        if done := _done(rows, account, seen):
            return done
        adding = plan(rows, account)
        if adding.seen != seen:
            raise Stale(
                "Somebody changed these users or the batch meanwhile. Look at the plan again."
            )
        if not adding.parcels:
            raise Refused(adding.sentence)
        batches = (
            changes.add_users(one.draft.batch, one.departures, person)
            if one.draft
            else changes.compose(account, MoveName.DISABLE, one.departures, person)
            for one in adding.parcels
        )
        return Carried(tuple(batches), adding.users)


def _done(rows: Sequence[Departure], account: Account, seen: str) -> Carried | None:
    """The plan that was `seen` where its drafts hold all of its users; None where they do not."""
    if not re.fullmatch(r"\d{1,9}:\d{1,18}(,\d{1,18})*( \d{1,9}:\d{1,18}(,\d{1,18})*)*", seen):
        return None
    wanted = {
        int(number): {int(pk) for pk in pks.split(",")}
        for number, _, pks in (parcel.partition(":") for parcel in seen.split(" "))
    }
    users = set().union(*wanted.values())
    drafts = Batch.objects.filter(number__in=wanted, account=account, status=Batch.Status.DRAFT)
    batches = tuple(drafts.order_by("number").prefetch_related("changes"))
    put = all(
        wanted[one.number] <= {change.departure_id for change in one.changes.all()}
        for one in batches
    )
    if not put or len(batches) < len(wanted) or not users <= {row.pk for row in rows}:
        return None
    return Carried(batches, len(users))


def _parcels(free: Sequence[Departure], draft: Draft | None, size: int) -> list[Parcel]:
    parcels = []
    taken = min(draft.free, len(free)) if draft else 0
    if draft and taken:
        parcels.append(Parcel(draft.batch.number, tuple(free[:taken]), draft))
    if taken == len(free):
        return parcels
    number = Batch.objects.aggregate(last=Max("number"))["last"] or 0
    for start in range(taken, len(free), size):
        number += 1
        parcels.append(Parcel(number, tuple(free[start : start + size])))
    return parcels


def _users(count: int) -> str:
    return "1 user goes" if count == 1 else f"{count} users go"
