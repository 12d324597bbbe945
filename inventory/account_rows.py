"""Accounts as the settings show them; as few questions for five hundred as for one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet

from inventory import at_once, clock
from inventory.access import CHANGE_ROLES, RoleResult, results
from inventory.declared_lines import lines
from inventory.models import AccessTest, Account, Connection, IamUser, Organization, Sync
from inventory.refresh import unseen

LISTING = re.compile(r"\(listing ([0-9a-f]{64})\)")
# As AwsFailure.words begins: "Operation: Code: message".
_CODE = re.compile(r"[A-Za-z0-9]+: ([A-Za-z0-9.]{2,60}): ")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account. `line` is where the file declares it, `connection` how the browser connected it;
    `tested` are the roles of its last finished test, if they are still the same."""

    account: Account
    users: int
    last: Sync | None
    running: bool
    line: int | None
    connection: Connection | None
    tested: tuple[RoleResult, ...]

    @property
    def hold_text(self) -> str:
        """Why it is held, without the fingerprint of a listing, which only the form needs."""
        return LISTING.sub("", self.account.hold_reason).strip()

    @property
    def read_works(self) -> bool | None:
        """Whether the last finished sync could read; None while there was none."""
        if self.last is None:
            return None
        return self.last.status == Sync.Status.WHOLE

    @property
    def read_word(self) -> str:
        """Works, or the code by which AWS refused, or in which way the last sync ended."""
        if self.last is None:
            return "Not tried yet"
        if self.read_works:
            return "Works"
        code = _CODE.match(self.last.error)
        failed = self.last.status == Sync.Status.FAILED
        return code[1] if code and failed else self.last.get_status_display()

    @property
    def change(self) -> RoleResult | None:
        """The test of the first change role that does not work, or of the last one that does."""
        own = [one for one in self.tested if one.role in CHANGE_ROLES]
        broken = [one for one in own if not one.passed]
        return broken[0] if broken else own[-1] if own else None

    @property
    def advice(self) -> str:
        """What to do about the last sync where it was not whole."""
        if self.last is None or not self.last.error:
            return ""
        return unseen.advice(self.last.error, self.account)

    @property
    def seen_lately(self) -> bool:
        """Whether it was read whole within a day."""
        seen = self.account.last_whole_at
        return seen is not None and seen >= clock.now() - unseen.UNSEEN_AFTER

    @property
    def ended_at(self) -> datetime | None:
        """When the last sync ended."""
        return self.last.finished_at if self.last else None

    @property
    def took(self) -> timedelta | None:
        if self.last is None or not (self.last.started_at and self.last.finished_at):
            return None
        return self.last.finished_at - self.last.started_at

    @property
    def broken(self) -> bool:
        """Whether somebody has to look at it."""
        change = self.change is not None and not self.change.passed
        return bool(self.account.hold_reason) or self.read_works is False or change


def account_rows(accounts: QuerySet[Account]) -> list[AccountRow]:
    """The accounts with all that their line shows; six queries."""
    present = IamUser.objects.present().filter(account=OuterRef("pk"))
    found = list(accounts.annotate(present=at_once.number(present)))
    ids = [row.account_id for row in found]
    of_these = Sync.objects.filter(account__in=found)
    ended = of_these.exclude(status__in=Sync.OPEN).order_by("account_id", "-asked_at", "-pk")
    last = {sync.account_id: sync for sync in ended.distinct("account_id")}
    running = set(of_these.filter(status__in=Sync.OPEN).values_list("account_id", flat=True))
    done = AccessTest.objects.filter(account_id__in=ids, status=AccessTest.Status.DONE)
    newest = done.order_by("account_id", "-asked_at", "-pk").distinct("account_id")
    tests = {test.account_id: test for test in newest}
    connections = Connection.objects.filter(account_id__in=ids).select_related("asked_by")
    connected = {row.account_id: row for row in connections}
    declared = lines(Organization.get()).accounts
    return [
        AccountRow(
            account=row,
            users=row.present,
            last=last.get(row.pk),
            running=row.pk in running,
            line=declared.get(row.account_id),
            connection=connected.get(row.account_id),
            tested=_tested(row, tests.get(row.account_id)),
        )
        for row in found
    ]


def _tested(account: Account, test: AccessTest | None) -> tuple[RoleResult, ...]:
    """What the last test says of the roles that the account names now."""
    named = {
        "reader": account.reader_role,
        "actor": account.actor_role,
        "deleter": account.deleter_role,
    }
    same = test is not None and test.external_id == account.external_id
    return tuple(one for one in results(test) if same and one.arn == named[one.role])
