"""An account that is to be connected: what its customer does, and how its test ends."""

from __future__ import annotations

from demo.aws.stacks import apply_template
from demo.aws.state import Account as AwsAccount
from inventory import access, clock
from inventory.access.checks import Check, Part
from inventory.models import AccessTest, Connection, Person
from migrations_app import connecting
from migrations_app.connecting import Wanted

STAGING = "210987654321"
PRODUCT = "arn:aws:iam::123456789012:role/iam-cleanup"
WANTED = Wanted(STAGING, "staging", regions=("us-east-1",))
WITH_CHANGES = Wanted(STAGING, "staging", regions=("us-east-1",), changes=True)
_PARTS: tuple[Part, ...] = ("read", "write", "read")


def make_roles(account: AwsAccount, row: Connection) -> None:
    """The customer creates the stack from the template."""
    template = connecting.written("cloudformation.json", row, connecting.principals())
    apply_template(account, template, clock.now())


def looked_at(row: Connection, person: Person) -> AccessTest:
    """A test from asking to its end, by both workers."""
    test = connecting.ask_test(row.account(), person)
    for part in _PARTS:
        access.run_test(test.pk, part)
    test.refresh_from_db()
    return test


def connected(account: AwsAccount, person: Person, wanted: Wanted = WANTED) -> Connection:
    """Prepared, with roles, and with a test that passed (as `looked_at` would find it)."""
    row = connecting.prepare(wanted, person)
    make_roles(account, row)
    passed(row, person)
    connecting.connect(row, person)
    row.refresh_from_db()
    return row


def passed(row: Connection, person: Person) -> AccessTest:
    """A finished test that found everything right, without asking anybody."""
    test = connecting.ask_test(row.account(), person)
    for check in test.checks:
        check["status"] = "done"
    test.status, test.finished_at = AccessTest.Status.DONE, clock.now()
    test.save()
    return test


def lines(test: AccessTest, status: str, role: str = "reader") -> list[str]:
    """What stands at that status, each with its Region if it has one."""
    return [
        f"{one['text']} {one['region']}".strip()
        for one in test.checks
        if one["status"] == status and one["role"] == role
    ]


def line(test: AccessTest, text: str, role: str = "reader") -> Check:
    """The first line with that text."""
    found: Check = next(one for one in test.checks if one["text"] == text and one["role"] == role)
    return found


def without(account: AwsAccount, role: str, *actions: str) -> None:
    """Somebody took permissions out of a role's policy."""
    for statement in account.roles[role].inline["iam-cleanup"]["Statement"]:
        for action in actions:
            if action in statement.get("Action", ()):
                statement["Action"].remove(action)
