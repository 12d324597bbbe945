"""A person says that code no longer declares a user: the way past what AWS cannot disprove."""

from __future__ import annotations

from django.db import transaction

from inventory import clock, ledger
from inventory.models import IamUser, Person
from inventory.permissions import Action, require
from inventory.referrers.declared import signs_digest
from inventory.refresh.references import with_origin
from inventory.refusals import Refused, Stale


def record_removed_from_code(user: IamUser, person: Person, note: str, signs: str) -> None:
    """An engineer records that `user` was taken out of Terraform, CloudFormation or the like.

    `signs` is the digest of what the person saw (`signs_digest`). It survives the next sync and
    lapses as soon as the signs are others. Raises NotAllowed, Refused (no note, nothing declares
    it) and Stale (the signs changed meanwhile).
    """
    require(person, Action.OPERATE)
    if not note.strip():
        raise Refused("Say where it was removed, for example the merge request.")
    with transaction.atomic():
        row = IamUser.objects.select_for_update().get(pk=user.pk)
        now_seen = signs_digest(row.tags, row.created_with)
        if not now_seen:
            raise Refused(f"No tag says that code declares {row}; there is nothing to record.")
        if now_seen != signs:
            raise Stale(f"What declares {row} changed meanwhile. Look at it again.")
        said = (row.removed_from_code_signs, row.removed_from_code_by, row.removed_from_code_note)
        if said == (now_seen, person, note.strip()):
            # A button that was pressed twice.
            return
        row.removed_from_code_signs = now_seen
        row.removed_from_code_by, row.removed_from_code_at = person, clock.now()
        row.removed_from_code_note = note.strip()
        row.references = with_origin(row)
        row.save(
            update_fields=[
                "removed_from_code_signs",
                "removed_from_code_by",
                "removed_from_code_at",
                "removed_from_code_note",
                "references",
            ]
        )
        ledger.append("references.removed-from-code", actor=person, user=row, note=note.strip())
