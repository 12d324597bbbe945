"""The documents of shared policies, kept once for each account."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from inventory.aws.account_details import SharedPolicy
from inventory.models import Account, PolicyText

_AT_ONCE = 500


def keep(account: Account, policies: Iterable[SharedPolicy]) -> None:
    """Make the account's rows what a complete reading told; the rest is gone from AWS."""
    told = {(one.arn, one.group, one.name): one.document for one in policies}
    with transaction.atomic():
        held = {
            (row.arn, row.group, row.name): row
            for row in PolicyText.objects.select_for_update().filter(account=account)
        }
        changed = []
        for key, row in held.items():
            if key in told and row.document != told[key]:
                row.document = told[key]
                changed.append(row)
        PolicyText.objects.bulk_update(changed, ["document"], batch_size=_AT_ONCE)
        new = [
            PolicyText(account=account, arn=arn, group=group, name=name, document=document)
            for (arn, group, name), document in told.items()
            if (arn, group, name) not in held
        ]
        PolicyText.objects.bulk_create(new, batch_size=_AT_ONCE, ignore_conflicts=True)
        gone = [row.pk for key, row in held.items() if key not in told]
        PolicyText.objects.filter(pk__in=gone).delete()
