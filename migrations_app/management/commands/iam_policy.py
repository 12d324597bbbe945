"""`manage.py iam_policy reader|actor|deleter [--account ID]`: the policy that a role needs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.models import Account, Organization
from migrations_app.iam_policies import ROLES, policy, protected_names

# IAM and STS quotas, blanks not counted.
_MANAGED, _INLINE = 6_144, 10_240
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


class Command(BaseCommand):
    help = "Print the IAM policy of the reader, actor or deleter role, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=ROLES)
        parser.add_argument("--account", help="12 digits; left out: any, no longer history")
        parser.add_argument(
            "--partition",
            choices=_PARTITIONS,
            help="left out: that of the account's declared roles, else aws",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        account_id = options["account"]
        protected: list[str] = []
        archive: dict[str, str] = {}
        partition, center = options["partition"], False
        if account_id:
            if not (account_id.isdigit() and len(account_id) == 12):
                raise CommandError(f"{account_id} is no account id: it has 12 digits.")
            center = Organization.get().identity_center.get("account") == account_id
            account = Account.objects.filter(account_id=account_id).first()
            if account is not None:
                protected = protected_names(account)
                archive = account.trail_archive
                partition = partition or account.partition
        document = policy(
            options["role"],
            account_id or "*",
            partition or "aws",
            protected=protected,
            archive=archive,
            center=center,
        )
        self.stdout.write(json.dumps(document, indent=2))
        size = len(json.dumps(document, separators=(",", ":")))
        if size > _MANAGED:
            self.stderr.write(
                f"This policy has {size:,} characters. IAM takes {_MANAGED:,} in a managed policy "
                f"and {_INLINE:,} of all that are inline in a role."
            )
