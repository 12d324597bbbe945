"""`manage.py organization apply FILE [--dry-run]`: make the rows say what the file declares.

`manage.py organization accounts [--through ID]` lists the accounts of the AWS organization and
prints those that are not declared yet as YAML to paste; it declares nothing.
"""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory import undeclared
from inventory.aws import organizations
from inventory.aws.session import AwsFailure, open_session, own_identity
from inventory.models import Account, Person
from inventory.refusals import Refused
from migrations_app.declared import declare


class Command(BaseCommand):
    help = "Apply the declared organization (iamcleanup.yaml), or see which accounts it lacks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        apply = verbs.add_parser("apply", help="Make the database say what FILE declares.")
        apply.add_argument("file", metavar="FILE")
        apply.add_argument("--dry-run", action="store_true", help="Only show what would change.")
        apply.add_argument("--as", dest="username", help="The person who asks for this.")

        listing = verbs.add_parser(
            "accounts", help="List the accounts of the AWS organization that are not declared."
        )
        listing.add_argument(
            "--through",
            metavar="ID",
            help="A declared account whose reader role may list; default: ambient credentials.",
        )
        listing.add_argument(
            "--reader-role", help="Its ARN in each account, with {id}; default: IamCleanupReader."
        )
        listing.add_argument("--external-id", default="", help="For example env:EXTERNAL_ID_{id}.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "accounts":
            self._accounts(options)
        else:
            self._apply(options)

    def _accounts(self, options: dict[str, Any]) -> None:
        account = _asking(options["through"])
        try:
            session = open_session(account, "reader")
            listed = organizations.read(session)
        except AwsFailure as failed:
            raise CommandError(
                f"The organization could not be listed as account {account.account_id}.\n"
                f"  {failed}\n"
                "  AWS answers its management account and delegated administrators alone."
            ) from failed
        undeclared.remember(listed)
        known = dict(Account.objects.filter(active=True).values_list("account_id", "name"))
        found = undeclared.compare(listed.members, known)
        for line in _said(listed, found):
            self.stdout.write(f"# {line}")
        role = undeclared.READER_ROLE.replace("{partition}", session.partition)
        role = options["reader_role"] or role
        for line in undeclared.stanza(found.missing, role, options["external_id"], known.values()):
            self.stdout.write(line)

    def _apply(self, options: dict[str, Any]) -> None:
        try:
            document = Path(options["file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"Cannot read {options['file']}: {error}") from error
        actor = None
        if options["username"]:
            actor = Person.objects.filter(username=options["username"], is_active=True).first()
            if actor is None:
                raise CommandError(f"There is no person “{options['username']}”.")
        try:
            outcome = declare.apply(
                document, actor, dry_run=options["dry_run"], asked_by=_login_name()
            )
        except Refused as refused:
            reasons = "\n".join(f"  {reason}" for reason in refused.reasons)
            raise CommandError(f"Nothing was changed.\n{reasons}") from refused
        for line in outcome.lines():
            self.stdout.write(line)
        for warning in outcome.warnings:
            self.stderr.write(self.style.WARNING(f"Warning: {warning}"))


def _asking(account_id: str | None) -> Account:
    """The account that asks: a declared one, or wherever the ambient credentials are."""
    if account_id is None:
        try:
            return Account(account_id=own_identity().account_id)
        except AwsFailure as failed:
            raise CommandError(f"The ambient credentials do not work.\n  {failed}") from failed
    account = Account.objects.filter(account_id=account_id, active=True).first()
    if account is None:
        raise CommandError(f"There is no account {account_id} here. Declare it, or leave it out.")
    return account


def _said(listed: organizations.Listed, found: undeclared.Comparison) -> Iterator[str]:
    """What the listing says, as lines of comment above the YAML."""
    total, declared = len(listed.members), len(found.declared)
    yield (
        f"Organization {listed.organization_id}, management account {listed.management_account}:"
        f" {total} accounts, {declared} declared, {len(found.missing)} not."
    )
    for one in found.closed:
        yield f"{one.account_id} is {one.state.lower().replace('_', ' ')} and left out."
    for account_id in found.strangers:
        yield f"{account_id} is declared and no member of this organization."
    if found.missing:
        yield "Paste this below “accounts:” of iamcleanup.yaml and apply the file:"


def _login_name() -> str:
    """Who is at the shell; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "the command line"
