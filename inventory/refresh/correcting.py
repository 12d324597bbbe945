"""People know better what an IAM user is for: their word stands over every later sync."""

from __future__ import annotations

from django.db import transaction

from inventory import ledger, meanwhile
from inventory.category import CategoryName
from inventory.models import IamUser, Person
from inventory.permissions import Action, require
from inventory.refresh.judging import judge
from inventory.refusals import Refused, Stale


def override_category(
    user: IamUser, category: str, note: str, person: Person, seen: str | None = None
) -> IamUser:
    """`person` says what `user` is for, and why; the verdict follows that category's policy.

    `seen` is the category that the person was shown: Stale if it is another one by now. Raises
    NotAllowed, and Refused for no category of ours, without a note, and for a user that is gone.
    """
    require(person, Action.OPERATE)
    if category not in set(CategoryName):
        raise Refused("Choose one of the five categories.")
    if not note.strip():
        raise Refused("Say how you know, so that others can rely on it.")
    with transaction.atomic():
        row = _locked(user)
        said = (CategoryName(category).value, note.replace("\x00", "").strip())
        if (row.category_override, row.category_note) == said:
            # A button that was pressed twice.
            return row
        _refuse_moved(row, seen)
        before = row.shown_category
        row.category_override, row.category_note = said
        return _kept(row, "category.changed", person, before)


def clear_category(user: IamUser, person: Person, seen: str | None = None) -> IamUser:
    """Take the correction back: the category is again what the evidence says.

    Raises NotAllowed, Stale as above, and Refused where nobody corrected it.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _locked(user)
        _refuse_moved(row, seen)
        if not row.category_override:
            raise Refused(f"Nobody changed the category of {row}.")
        before = row.shown_category
        row.category_override = row.category_note = ""
        return _kept(row, "category.cleared", person, before)


def _locked(user: IamUser) -> IamUser:
    row = IamUser.objects.select_for_update(of=("self",)).select_related("account").get(pk=user.pk)
    if row.gone_at is not None:
        raise Refused(f"{row} was deleted. Its record stays as it is.")
    return row


def _refuse_moved(row: IamUser, seen: str | None) -> None:
    if seen is not None and seen != row.shown_category:
        by = meanwhile.of_user(row)
        raise Stale(f"{row} was changed meanwhile{by}. Look at its category again.")


def _kept(row: IamUser, kind: str, person: Person, before: str) -> IamUser:
    row.save(update_fields=["category_override", "category_note"])
    judge([row])
    row.refresh_from_db()
    ledger.append(
        kind,
        actor=person,
        user=row,
        before=before,
        after=row.shown_category,
        note=row.category_note,
    )
    return row
