"""Identity Center is read in slices, into the row of its look.

What the look before held and this one does not see is asked for by its id, and believed gone only
where AWS says so (rule 5): a listing may be late, and a short one would read as people's lost
access.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.identity_center import GROUP, Instance, Reader
from inventory.aws.session import AwsSession
from inventory.models import CenterLook

# So many people may be missing without being asked for one by one; of more, a tenth.
_FEW = 3
SHORT = "ShortListing"


class Reading:
    """One look on its way. `before` is the last whole one, if there is one."""

    def __init__(self, look: CenterLook, before: CenterLook | None, session: AwsSession) -> None:
        self._look = look
        known = Instance(look.instance_arn, look.identity_store_id) if look.state else None
        self._reader = Reader(session, look.region, known)
        same = before and before.identity_store_id == self._reader.instance.store_id
        # Of another directory nothing is missed in this one.
        self._before = before if same else None

    def slice(self, time_left: Callable[[], float], told: Callable[[int, int], None]) -> bool:
        """Read on for a while; True when everything is read. `told` hears done and total of a part.

        Raises AwsFailure.
        """
        if not self._look.state:
            self._begin()
        state = self._look.state
        for number, (total, read) in enumerate(self._parts()):
            if number < state["part"]:
                continue
            while state["at"] < total:
                if time_left() <= 0:
                    return False
                read(state["at"])
                state["at"] += 1
                told(state["at"], total)
            state["part"], state["at"] = number + 1, 0
        return True

    def _begin(self) -> None:
        look, reader = self._look, self._reader
        look.instance_arn = reader.instance.arn
        look.identity_store_id = reader.instance.store_id
        look.people = [_row(one) for one in reader.people()]
        look.groups = [_row(one) | {"members": []} for one in reader.groups()]
        look.permission_sets, look.assignments, look.policies = [], [], {}
        look.state.update(part=0, at=0, sets=reader.set_arns(), pairs=[], late=[])

    def _parts(self) -> Iterator[tuple[int, Callable[[int], None]]]:
        """How many items each part has, known when the one before is read, and who reads one."""
        state = self._look.state
        yield len(self._look.groups), self._members
        yield len(state["sets"]), self._set
        yield 1, self._late_pairs
        yield len(state["pairs"]), self._assigned
        yield 1, self._prove

    def _members(self, at: int) -> None:
        group = self._look.groups[at]
        group["members"] = self._reader.members(group["id"])

    def _set(self, at: int) -> None:
        look, reader, arn = self._look, self._reader, self._look.state["sets"][at]
        one = reader.permission_set(arn)
        for policy in one.managed:
            if policy not in look.policies:
                look.policies[policy] = _document(reader, policy)
        accounts = reader.accounts(arn)
        look.permission_sets.append(_row(one))
        look.state["pairs"] += [[arn, account] for account in accounts]

    def _late_pairs(self, _: int) -> None:
        """Where assignments were before is asked again, whatever the listing of accounts says."""
        if self._before is None:
            return
        state = self._look.state
        known = {(arn, account) for arn, account in state["pairs"]}
        were = {(row["set_arn"], row["account_id"]) for row in self._before.assignments}
        state["late"] = [list(pair) for pair in sorted(were - known) if pair[0] in state["sets"]]
        state["pairs"] += state["late"]

    def _assigned(self, at: int) -> None:
        state = self._look.state
        arn, account = state["pairs"][at]
        try:
            found = self._reader.assignments(arn, account)
        except AwsFailure as refused:
            # The account may have left the organization: then nothing is assigned in it.
            if refused.code != "ResourceNotFoundException" or [arn, account] not in state["late"]:
                raise
            found = []
        self._look.assignments += [_row(one) for one in found]

    def _prove(self, _: int) -> None:
        """What is missed must be gone; if one is there after all, this is no look."""
        self._prove_groups()
        if self._before is not None:
            self._prove_sets(self._before)
            self._prove_people(self._before)

    def _prove_groups(self) -> None:
        look = self._look
        missed = {row["principal_id"] for row in look.assignments if row["principal_type"] == GROUP}
        if self._before is not None:
            missed |= {row["id"] for row in self._before.groups}
        for one in sorted(missed - {row["id"] for row in look.groups}):
            if not self._reader.group_is_gone(one):
                raise _short("ListGroups", f"group {one}")

    def _prove_sets(self, before: CenterLook) -> None:
        missed = {row["arn"] for row in before.permission_sets}
        for arn in sorted(missed - set(self._look.state["sets"])):
            if not self._reader.set_is_gone(arn):
                raise _short("ListPermissionSets", arn)

    def _prove_people(self, before: CenterLook) -> None:
        known = {row["id"] for row in self._look.people}
        missed = [row["id"] for row in before.people if row["id"] not in known]
        if known and len(missed) <= max(_FEW, len(before.people) // 10):
            return
        for one in missed:
            if not self._reader.person_is_gone(one):
                raise _short("ListUsers", f"person {one}")


def _row(one: Any) -> dict[str, Any]:
    """As the database gives it back, so that two looks can be compared."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(one)))
    return told


def _document(reader: Reader, arn: str) -> object:
    """A policy of AWS's; None where it cannot be read, which is said of its sets."""
    try:
        return reader.managed_policy(arn)
    except AwsFailure as refused:
        if refused.retryable:
            raise
        return None


def _short(operation: str, what: str) -> AwsFailure:
    message = f"The listing came short: it does not hold {what}, which AWS still knows."
    return AwsFailure(SHORT, message, operation=operation, retryable=True)
