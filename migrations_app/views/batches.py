"""Batches: the list, a new one, and what may be done to a draft."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory.models import Account, Organization, Person
from inventory.permissions import Action, may, require
from inventory.policy import policy_for
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.batch_adding import MENDED, drafts_of
from migrations_app.forms.batches import (
    ONCE_LENGTH,
    ChoiceForm,
    ComposeForm,
    MessageForm,
    MethodForm,
)
from migrations_app.guards import URGENT_USERS
from migrations_app.lifecycle import Method, MoveName
from migrations_app.models import Batch, Change, Departure
from migrations_app.shell import chosen_account_id
from migrations_app.users import listing
from migrations_app.views.answers import cleaned, done, person_of, rendered
from migrations_app.views.batch_pages import (
    address,
    batch_by,
    draft_page,
    page,
    suggested,
)

PAGE_SIZE = 50
CONSIDERED = 200
ONCE = "once"


@require_GET
def batches(request: HttpRequest) -> HttpResponse:
    """All batches, newest first."""
    require(request.user, Action.SEE)
    rows = Batch.objects.all()
    if account_id := chosen_account_id(request):
        rows = rows.filter(account__account_id=account_id)
    view = request.GET.get("view", "")
    if view in ("open", "ended"):
        rows = rows.filter(status__in=Batch.OPEN if view == "open" else Batch.ENDED)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 10:
        rows = rows.filter(number__lt=int(before))
    numbers = list(rows.order_by("-number").values_list("number", flat=True)[: PAGE_SIZE + 1])
    more = f"?view={view}&before={numbers[PAGE_SIZE - 1]}" if len(numbers) > PAGE_SIZE else ""
    context = {
        "batches": _counted(numbers[:PAGE_SIZE]),
        "view": view,
        "next_url": more,
        "sentence": _sentence(),
        "may_compose": may(request.user, Action.OPERATE),
    }
    return rendered(request, "migrations_app/batches.html", context)


def _counted(numbers: list[int]) -> QuerySet[Batch]:
    """These batches, newest first, each with how many of its users are done and failed."""
    is_out = Q(changes__status__in=[Change.Status.LEFT_OUT, Change.Status.SUPERSEDED])
    of_batch = Q(changes__follows=None) & ~Q(changes__move=MoveName.RESTORE)
    return (
        # The changes of all batches would be counted before the newest fifty are taken.
        Batch.objects.filter(number__in=numbers)
        .select_related("account", "composed_by", "approved_by")
        .annotate(
            users=Count("changes", filter=of_batch & ~is_out),
            done=Count("changes", filter=of_batch & Q(changes__status=Change.Status.DONE)),
            failed=Count("changes", filter=of_batch & Q(changes__status=Change.Status.FAILED)),
        )
        .order_by("-number")
    )


def _sentence() -> str:
    """What the batches are about to do: "Batch #10 is running. One waits for approval." """
    rows = Batch.objects.filter(status__in=Batch.OPEN).values_list("number", "status")
    by_status: dict[str, list[int]] = defaultdict(list)
    for number, status in rows.order_by("number"):
        by_status[status].append(number)
    words = {
        Batch.Status.RUNNING: ("is running", "are running"),
        Batch.Status.PAUSED: ("is paused", "are paused"),
        Batch.Status.ASKED: ("waits for approval", "wait for approval"),
        Batch.Status.APPROVED: ("is approved and waits", "are approved and wait"),
        Batch.Status.DRAFT: ("is a draft", "are drafts"),
    }
    parts = []
    for status, (one, many) in words.items():
        numbers = by_status.get(status, [])
        if len(numbers) == 1:
            parts.append(f"Batch #{numbers[0]} {one}.")
        elif numbers:
            parts.append(f"{len(numbers)} {many}.")
    return " ".join(parts[:2]) or "No batch is open."


@require_http_methods(["GET", "HEAD", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """Choose an account, a move and the users; a POST makes the draft."""
    person = person_of(request)
    require(person, Action.OPERATE)
    if request.method == "POST":
        form = ComposeForm(request.POST)
        if form.is_valid():
            wanted = listing.named(form.cleaned_data["account"], named_users(request.POST))
            sent = form.sent(wanted)
            batch = changes.made_by(sent, person)
            if batch is not None:
                said = f"This form made batch #{batch.number} before. Nothing is made twice."
                return done(request, address(batch), said)
            batch = changes.compose(person=person, departures=wanted, form=sent, **form.told())
            return done(request, address(batch), f"Batch #{batch.number} is a draft. Nothing ran.")
        return compose_page(request, form, status=422)
    if not request.GET.get(ONCE):
        # In the address: a browser that asks for the page again on the way back gets the same form.
        query = request.GET.copy()
        query[ONCE] = secrets.token_urlsafe(12)
        return redirect(f"{request.path}?{query.urlencode()}")
    choice = ChoiceForm(first_choices(request))
    choice.is_valid()
    return compose_page(request, choice)


def first_choices(request: HttpRequest) -> dict[str, object]:
    """What the form shows first: as the link said, else the account at hand and a fence."""
    account = chosen_account_id(request)
    if not account:
        account = (
            Account.objects.filter(active=True).values_list("account_id", flat=True).first() or ""
        )
    asked = {
        name: request.GET[name] for name in ("move", "method", "urgent") if name in request.GET
    }
    return {"move": MoveName.DISABLE.value, **asked, "account": account}


def compose_page(request: HttpRequest, form: ChoiceForm, status: int = 200) -> HttpResponse:
    """The form with its candidates: who may go, ticked up to the size, and who is left out."""
    chosen = form.cleaned_data
    account, move = chosen.get("account"), chosen.get("move", MoveName.DISABLE.value)
    wanted = named_users(request.POST or request.GET)
    considered = candidates(account, MoveName(move), wanted) if account else []
    urgent = bool(chosen.get("urgent"))
    organization = Organization.get()
    judged = changes.blockers_for(
        considered, MoveName(move), urgent=urgent, organization=organization
    )
    blocked = {pk: [one for one in found if one.code not in MENDED] for pk, found in judged.items()}
    free = [row for row in considered if not blocked.get(row.pk)]
    asked_for = [row for row in free if row.user.user_id in wanted or row.user.user_name in wanted]
    # Nobody is suggested who stands in a draft.
    drafts = drafts_of(asked_for, move=move, urgent=urgent) if asked_for else {}
    size = policy_for(organization, account).batch_size if account else 0
    size = min(size, URGENT_USERS) if urgent else size
    # Whoever shuts leaked keys names them; nobody is suggested for that. Who stands in a draft like
    # this may be taken into another one, but a person ticks it.
    offered = asked_for or ([] if urgent else free)
    ticked = [row for row in offered if row.pk not in drafts or request.method == "POST"]
    context = {
        "form": form,
        "accounts": Account.objects.filter(active=True),
        "account": account,
        "move": move,
        "method": chosen.get("method", Method.FENCE.value),
        "urgent": urgent,
        "free": [(row, drafts.get(row.pk)) for row in free],
        "ticked": {row.pk for row in ticked[:size]},
        "over": max(len(ticked) - size, 0) if asked_for else 0,
        "left_out": [(row, blocked[row.pk]) for row in considered if blocked.get(row.pk)],
        "size": size,
        "reason": request.POST.get("reason", ""),
        "once": (request.POST or request.GET).get(ONCE, "")[:ONCE_LENGTH],
    }
    return rendered(request, "migrations_app/batch_new.html", context, status=status)


def candidates(account: Account, move: MoveName, wanted: set[str]) -> list[Departure]:
    """Whom the page considers: the users asked for, then the suggested ones."""
    named = listing.named(account, wanted) if wanted else []
    known = {row.pk for row in named}
    found = suggested(changes.eligible(account, move), account, CONSIDERED)
    return named + [row for row in found if row.pk not in known]


def named_users(sent: object) -> set[str]:
    """The user ids or names of a form or link: repeated, or parted by commas or blanks."""
    get_list = getattr(sent, "getlist", None)
    texts: Iterable[str] = [*get_list("users"), *get_list("names")] if get_list else []
    return {part for text in texts for part in text.replace(",", " ").split() if part}


@require_GET
def batch(request: HttpRequest, number: int) -> HttpResponse:
    """One batch, by its status: draft, review or run."""
    require(request.user, Action.SEE)
    return page(request, batch_by(number))


@require_POST
def add(request: HttpRequest, number: int) -> HttpResponse:
    """Take more users into a draft."""
    person, batch = _draft(request, number)
    rows = listing.named(batch.account, named_users(request.POST))
    if not rows:
        raise Refused("Choose at least one user to add.")
    changes.add_users(batch, rows, person)
    said = f"Added {len(rows)} user{'' if len(rows) == 1 else 's'} to batch #{number}."
    return done(request, address(batch), said, lambda: draft_page(request, batch_by(number)))


@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Take one user out of a draft."""
    person, batch = _draft(request, number)
    rows = listing.named(batch.account, named_users(request.POST))
    if len(rows) != 1:
        raise Refused("Say which user to take out.")
    row = rows[0]
    changes.remove_user(batch, row, person)
    said = f"{row.user.user_name} is out of batch #{number}."
    return done(request, address(batch), said, lambda: draft_page(request, batch_by(number)))


@require_POST
def method(request: HttpRequest, number: int) -> HttpResponse:
    """Fence first, or shut at once."""
    person, batch = _draft(request, number)
    chosen = cleaned(MethodForm(request.POST))["method"]
    changes.set_method(batch, chosen, person)
    return done(request, address(batch), "The plan has changed. The dry run looks again.")


@require_POST
def discard(request: HttpRequest, number: int) -> HttpResponse:
    """Throw a draft away."""
    person, batch = _draft(request, number)
    changes.discard(batch, person)
    return done(request, reverse("batches"), f"Batch #{number} is discarded. Nothing had run.")


@require_POST
def dry_run(request: HttpRequest, number: int) -> HttpResponse:
    """Look at the live account again; nothing is changed there."""
    person, batch = _draft(request, number)
    changes.ask_dry_run(batch, person)
    return done(request, address(batch), "", lambda: draft_page(request, batch_by(number)))


@require_POST
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """Ask another person to approve."""
    person, batch = _draft(request, number)
    message = cleaned(MessageForm(request.POST))["message"]
    changes.ask(batch, person, message=message, digest=request.POST.get("digest"))
    return done(request, address(batch), f"Batch #{number} waits for approval.")


def _draft(request: HttpRequest, number: int) -> tuple[Person, Batch]:
    person = person_of(request)
    require(person, Action.OPERATE)
    return person, batch_by(number)
