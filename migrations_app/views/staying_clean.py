"""Plans, stay clean: how near to zero each account is, and what keeps it there."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Account, Alert
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import clean_accounts
from migrations_app.changes import clean as verbs
from migrations_app.plans import staying_clean
from migrations_app.views.answers import done, person_of, rendered


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Every account with its counts, its zero date, and whether making users is denied there."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = clean_accounts.rows()
    exceptions = clean_accounts.exceptions()
    context = {
        "rows": rows,
        "near": sum(row.count.near_zero for row in rows),
        "at_zero": sum(row.zero_at is not None for row in rows),
        "exceptions": exceptions.arns,
        "warnings": staying_clean.warnings(exceptions),
        "made": Alert.objects.filter(kind=verbs.MADE, closed_at=None).select_related(
            "user__account"
        ),
        "downloads": may(person, Action.SEE_SETTINGS),
        "may_say": may(person, Action.GUARD),
    }
    return rendered(request, "migrations_app/staying_clean.html", context)


@require_GET
def download(request: HttpRequest) -> HttpResponse:
    """The deny as Terraform and policy, for one account or for all that are near zero."""
    require(person_of(request), Action.SEE_SETTINGS)
    account = request.GET.get("account", "")
    rows = [
        row
        for row in clean_accounts.rows()
        if row.count.near_zero and account in ("", row.account.account_id)
    ]
    if not rows:
        raise Refused("No such account is near zero: a deny now would stop people at work.")
    answer = HttpResponse(clean_accounts.archive(rows), content_type="application/zip")
    answer["Content-Disposition"] = 'attachment; filename="no-new-iam-users.zip"'
    return answer


@require_POST
def deny(request: HttpRequest, account: str) -> HttpResponse:
    """Somebody says that the deny is in place."""
    person = person_of(request)
    require(person, Action.GUARD)
    row = get_object_or_404(Account, account_id=account)
    verbs.say_denied(row, person)
    return done(
        request, reverse("staying-clean"), f"Noted. Whoever is made in {row.name} is an alert now."
    )


@require_POST
def take_back(request: HttpRequest, account: str) -> HttpResponse:
    """It is not in place any more."""
    person = person_of(request)
    require(person, Action.GUARD)
    row = get_object_or_404(Account, account_id=account)
    verbs.take_back(row, person)
    return done(request, reverse("staying-clean"), f"Noted. {row.name} is not denied it any more.")
