"""Views of the Users page that people keep: for themselves, or for everybody.

A shared view is its maker's to change; an admin may too, so that nothing outlives who made it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from inventory import clock
from inventory.models import Person
from inventory.permissions import Action, may, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.models import SavedView
from migrations_app.users.filters import Filters

MOST = 20


def seen_by(person: Person) -> list[SavedView]:
    """The views of a person, and those that are everybody's; by name."""
    rows = SavedView.objects.filter(Q(person=person) | Q(shared=True))
    return list(rows.order_by("shared", "name", "pk"))


def may_share(person: Person) -> bool:
    """Whether a person may keep a view for everybody."""
    return any(may(person, act) for act in (Action.OPERATE, Action.APPROVE, Action.ADMINISTER))


def may_change(view: SavedView, person: Person) -> bool:
    """Whether a person may change or delete a view."""
    return view.person_id == person.pk or (view.shared and may(person, Action.ADMINISTER))


def save(person: Person, name: str, filters: Filters, *, shared: bool = False) -> SavedView:
    """Keep what `filters` ask under a name of one's own; Refused where another view has it."""
    require(person, Action.OWN_CHOICES)
    if shared and not may_share(person):
        raise NotAllowed("Engineers, approvers and admins keep views for everybody.")
    told = {"query": filters.kept, "shared": shared}
    mine = SavedView.objects.filter(person=person)
    if same := mine.filter(name=name, **told).first():
        return same
    if mine.count() >= MOST:
        raise Refused(f"You keep {MOST} views. Delete one that you no longer need.", rule="input")
    try:
        with transaction.atomic():
            return SavedView.objects.create(person=person, name=name, saved_at=clock.now(), **told)
    except IntegrityError:
        # Of two at the same instant the second is told of here.
        if same := mine.filter(name=name, **told).first():
            return same
        raise Refused(f"You have a view named {name}. Choose another name.", rule="input") from None


def change(pk: int, person: Person, filters: Filters, seen_at: datetime | None) -> SavedView:
    """Keep what `filters` ask in a view that is there; Stale if it moved since `seen_at`."""
    with transaction.atomic():
        view = _own(pk, person)
        if view.query == filters.kept:
            return view
        if seen_at is not None and view.saved_at != seen_at:
            raise Stale(f"{view.person} changed the view {view} meanwhile. Look at it again.")
        view.query, view.saved_at = filters.kept, clock.now()
        view.save(update_fields=["query", "saved_at"])
        return view


def delete(pk: int, person: Person) -> SavedView:
    """Throw a view away."""
    with transaction.atomic():
        view = _own(pk, person)
        view.delete()
        return view


def _own(pk: int, person: Person) -> SavedView:
    rows = SavedView.objects.select_for_update(of=("self",)).select_related("person")
    view = rows.filter(Q(person=person) | Q(shared=True), pk=pk).first()
    if view is None:
        raise Stale("This view is not there any more.")
    if not may_change(view, person):
        raise NotAllowed(
            f"{view.person} keeps the view {view} for everybody, so only they change it."
        )
    return view
