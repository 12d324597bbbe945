"""What a batch is going to do, as values for its pages: calls with their undo, diffs, dates.

Read from the frozen facts of its changes (DESIGN.md rule 4), so a page shows what is approved and
nothing else. Access keys are cut to their first and last four signs: enough to tell two apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.models import Organization
from inventory.policy import Policy, next_opening, notice_over_at, policy_for
from migrations_app.lifecycle import Method, MoveName
from migrations_app.models import Batch, Change

# Ids of credentials are 16 to 128 letters and digits, and begin with what they are of (IAM User
# Guide, "Unique identifiers"): access, temporary and SSH keys, service-specific credentials,
# certificates, bearer tokens. Those of signing certificates have no such beginning.
_CREDENTIAL_ID = re.compile(
    r"\b(A(?:KI|SI|PK|CC|SC|BI)A|(?<=[Ss]igning certificate )[A-Z0-9]{4})"
    r"[A-Z0-9]{8,120}([A-Z0-9]{4})\b"
)

# What a call takes or gives, in the words of the field.
_KINDS = {
    "AttachUserPolicy": "policy",
    "DetachUserPolicy": "policy",
    "PutUserPermissionsBoundary": "boundary",
    "DeleteUserPermissionsBoundary": "boundary",
    "UpdateAccessKey": "access key",
    "DeleteAccessKey": "access key",
    "DeleteLoginProfile": "console password",
    "UpdateServiceSpecificCredential": "service credential",
    "DeleteServiceSpecificCredential": "service credential",
    "UpdateSSHPublicKey": "SSH key",
    "DeleteSSHPublicKey": "SSH key",
    "UpdateSigningCertificate": "certificate",
    "DeleteSigningCertificate": "certificate",
    "DeactivateMFADevice": "MFA device",
    "DeleteVirtualMFADevice": "MFA device",
    "RemoveUserFromGroup": "group",
    "DeleteUserPolicy": "inline policy",
    "DeleteUser": "user",
}
_GIVES = frozenset({"AttachUserPolicy", "PutUserPermissionsBoundary"})
_FENCE_CALLS = frozenset({*_GIVES, "DetachUserPolicy"})


def cut_keys(text: str) -> str:
    """`text` with the id of each credential cut to its first and last four signs."""
    return _CREDENTIAL_ID.sub(r"\1…\2", text)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call of a plan: what is sent, on which day, and the way back."""

    number: int
    operation: str
    arguments: str
    target: str
    day: str
    undo: str
    loses: str
    final: bool

    @property
    def what(self) -> str:
        """The thing the call is about, as short as it can be told."""
        name = short_name(self.target)
        if self.operation in _FENCE_CALLS and name == "AWSDenyAll":
            return f"{name}, the fence"
        if self.operation == "DeleteLoginProfile":
            return "removed"
        status = " Status=Inactive"
        return f"{name}, made inactive" if self.arguments.endswith(status) else name

    @property
    def kind(self) -> str:
        return _KINDS.get(self.operation, "")

    @property
    def gives(self) -> bool:
        """Whether the call adds something to the user (the fence) instead of taking it."""
        return self.operation in _GIVES


def planned_calls(change: Change) -> list[PlannedCall]:
    """The calls of one change in the order they run, as its frozen facts hold them."""
    facts = change.facts
    shut_day = f"day {watch_days(facts)}"
    return [
        PlannedCall(
            number=number,
            operation=call["operation"],
            arguments=arguments_of(call.get("params") or {}),
            target=cut_keys(str(call.get("target") or "")),
            day=shut_day if call.get("when") == "shut" else "now",
            undo=cut_keys(str(call.get("undo") or "")),
            loses=str(call.get("loses") or ""),
            final=bool(call.get("final")),
        )
        for number, call in enumerate(facts.get("calls") or [], start=1)
    ]


def arguments_of(params: Mapping[str, Any]) -> str:
    """Parameters as they are read: "AccessKeyId=AKIA…L8DE Status=Inactive".

    The user's name stands above the list; it is repeated only where nothing else is said.
    """
    told = {name: value for name, value in params.items() if name != "UserName"} or params
    # JSON columns keep no order: the thing first, then what it becomes.
    ordered = sorted(told.items(), key=lambda pair: pair[0] == "Status")
    return " ".join(f"{name}={cut_keys(str(value))}" for name, value in ordered)


def short_name(target: str) -> str:
    """A policy by its name instead of its ARN; anything else as it is, access keys cut."""
    return cut_keys(target.rsplit("policy/", 1)[-1] if ":policy/" in target else target)


def watch_days(facts: Mapping[str, Any]) -> int:
    """The frozen watch length in whole days; a sandbox's seconds count as day 0."""
    return int(float(facts.get("watch") or 0) // timedelta(days=1).total_seconds())


@dataclass(frozen=True, slots=True)
class CallCount:
    operation: str
    count: int


@dataclass(frozen=True, slots=True)
class PlanPart:
    """One day of the plan: its heading, and how many calls of each kind it takes."""

    title: str
    at: datetime | None
    counts: tuple[CallCount, ...]


@dataclass(frozen=True, slots=True)
class Then:
    """One date that follows from a batch."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch does in all: calls per day, their sum, and the dates that follow."""

    parts: tuple[PlanPart, ...]
    calls: int
    then: tuple[Then, ...]
    policy_watch: timedelta
    opens_at: datetime
    closes_at: datetime


def plan_of(
    batch: Batch,
    changes: Iterable[Change],
    now: datetime,
    organization: Organization | None = None,
) -> Plan:
    """The plan of `batch` as it would begin at the next opening after `now` and its notice.

    Where the batch was asked, its own window counts. `organization` as it was loaded a moment ago.
    """
    policy = policy_for(organization or Organization.get(), batch.account)
    opens_at, closes_at = window_of(batch, policy, now)
    watch = timedelta() if batch.method == Method.SHUT else policy.watch
    today, later = Counter[str](), Counter[str]()
    for change in changes:
        for call in change.facts.get("calls") or []:
            (later if call.get("when") == "shut" else today)[call["operation"]] += 1
    first = _first_title(batch)
    parts = [PlanPart(first, opens_at, _counts(today))]
    if later:
        parts.append(PlanPart("Shut", opens_at + watch, _counts(later)))
    return Plan(
        parts=tuple(part for part in parts if part.counts),
        calls=today.total() + later.total(),
        then=tuple(_then(batch, policy, opens_at, watch)),
        policy_watch=policy.watch,
        opens_at=opens_at,
        closes_at=closes_at,
    )


def _first_title(batch: Batch) -> str:
    if batch.move == MoveName.DELETE:
        return "Delete"
    return "Fence and shut" if batch.method == Method.SHUT else "Fence"


def _counts(counter: Counter[str]) -> tuple[CallCount, ...]:
    return tuple(CallCount(name, count) for name, count in counter.items())


def window_of(batch: Batch, policy: Policy, now: datetime) -> tuple[datetime, datetime]:
    """When the first write may begin, and until when: aware UTC.

    The next window that opens after the owners' notice; an approved batch may begin as long as its
    approval holds, one that has begun did so when it did. An urgent batch waits for nothing.
    """
    waits = batch.status == Batch.Status.APPROVED and not batch.urgent
    if batch.window_from and batch.window_to and not waits:
        return batch.window_from, batch.window_to
    if batch.urgent:
        return now, now + timedelta(days=1)
    zone = batch.account.time_zone
    deleting = batch.move == MoveName.DELETE
    window = policy.delete_window if deleting else policy.disable_window
    told_at = batch.asked_at or now
    earliest = max(batch.window_from or now, now, notice_over_at(told_at, policy, zone))
    opens_at, closes_at = next_opening(window, policy.freezes, zone, earliest)
    return opens_at, batch.window_to or closes_at


_FENCED = "keys live, every call denied"
_SHUT = "keys inactive, password gone"


def _then(batch: Batch, policy: Policy, opens_at: datetime, watch: timedelta) -> Iterable[Then]:
    if batch.move == MoveName.DELETE:
        yield Then(opens_at, "deleted, proved by GetUser")
        return
    if batch.method == Method.SHUT:
        yield Then(opens_at, f"fenced and shut (every call denied, {_SHUT}), soak starts")
    else:
        yield Then(opens_at, f"fenced ({_FENCED}), watch starts")
        yield Then(opens_at + watch, f"shut ({_SHUT}), soak starts")
    ready = opens_at + watch + policy.soak
    yield Then(ready, "soak ends")
    zone = batch.account.time_zone
    yield Then(
        next_opening(policy.delete_window, policy.freezes, zone, ready)[0], "first delete window"
    )
