"""Deciding about a batch: viewed, comments, approve, send back, withdraw."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.forms.batches import ApproveForm, CommentForm, ReasonForm
from migrations_app.models import Batch, Change
from migrations_app.views.answers import cleaned, done, person_of
from migrations_app.views.batch_pages import address, batch_by, review_page

OVERRIDE = "override-"


def change_of(batch: Batch, pk: str | int | None) -> Change:
    """One user of this batch by its change; 404 where it belongs to another one."""
    number = str(pk or "")
    if not number.isdecimal() or len(number) > 18:
        raise Refused("Say which user is meant.")
    rows = Change.objects.select_related("departure__user__account", "departure__owner", "batch")
    return get_object_or_404(rows, batch=batch, pk=int(number))


@require_POST
def viewed(request: HttpRequest, number: int) -> HttpResponse:
    """The approver looked at one user."""
    person = person_of(request)
    require(person, Action.APPROVE)
    batch = batch_by(number)
    changes.view(change_of(batch, request.POST.get("change")), person)
    place = f"{address(batch)}#change-{request.POST['change']}"
    return done(request, place, "", lambda: review_page(request, batch))


@require_POST
def comment(request: HttpRequest, number: int) -> HttpResponse:
    """Say something about a batch, or about one user in it."""
    person = person_of(request)
    if not may(person, Action.APPROVE):
        require(person, Action.OPERATE)
    batch = batch_by(number)
    said = cleaned(CommentForm(request.POST))
    about = change_of(batch, said["change"]) if said["change"] else None
    changes.comment(batch, person, said["text"], change=about)
    place = f"#change-{about.pk}" if about else "#discussion"
    return done(request, address(batch) + place, "Comment added.")


@require_POST
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Approve exactly what was seen: the form carries the digest of it."""
    person = person_of(request)
    require(person, Action.APPROVE)
    batch = batch_by(number)
    sent = cleaned(ApproveForm(request.POST))
    overrides = {
        name.removeprefix(OVERRIDE): reason.strip()[:500]
        for name, reason in request.POST.items()
        if name.startswith(OVERRIDE) and isinstance(reason, str) and reason.strip()
    }
    changes.approve(batch, person, sent["digest"], words=sent["words"], overrides=overrides)
    said = f"Batch #{number} is approved. Every check runs again when its window opens."
    return done(request, address(batch), said)


@require_POST
def send_back(request: HttpRequest, number: int) -> HttpResponse:
    """Back to the person who asked, with what to mend."""
    person = person_of(request)
    require(person, Action.APPROVE)
    batch = batch_by(number)
    changes.send_back(batch, person, cleaned(ReasonForm(request.POST))["reason"])
    return done(request, address(batch), f"Batch #{number} went back to {batch.asked_by}.")


@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Take a batch back before it runs."""
    person = person_of(request)
    require(person, Action.WITHDRAW)
    batch = batch_by(number)
    changes.withdraw(batch, person)
    return done(request, address(batch), f"Batch #{number} is withdrawn. Nothing was changed.")


@require_POST
def take_over(request: HttpRequest, number: int) -> HttpResponse:
    """Answer for a batch whose approver has lost the role."""
    person = person_of(request)
    require(person, Action.APPROVE)
    batch = batch_by(number)
    changes.take_over(batch, person)
    return done(request, address(batch), f"You answer for batch #{number} now.")
