"""Connecting an account in the browser, and testing what the roles of any account may do."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from redis import RedisError

from inventory import access
from inventory.models import Account, Connection
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import connecting
from migrations_app.forms.accounts import AccountForm
from migrations_app.views.answers import done, is_fragment, person_of, rendered

log = logging.getLogger(__name__)

TYPES = {"cloudformation.json": "application/json", "iam-cleanup.tf": "text/plain; charset=utf-8"}
# htmx swaps this answer in, and asks no more.
FINISHED = 286


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Which account; what is typed leads to its roles."""
    person = person_of(request)
    require(person, Action.ADMINISTER)
    reasons: tuple[str, ...] = ()
    form = AccountForm(initial={"time_zone": "UTC", "role_prefix": "IamCleanup", "regions": "all"})
    if request.method == "POST":
        form = AccountForm(request.POST)
        if form.is_valid():
            try:
                row = connecting.prepare(form.wanted(), person)
            except Refused as refused:
                reasons = refused.reasons
            else:
                return redirect("connect-account", account=row.account_id)
    context = {
        "page": "accounts",
        "form": form,
        "reasons": reasons,
        "prepared": Connection.objects.filter(connected_at=None),
    }
    status = 422 if reasons or form.errors else 200
    return rendered(request, "migrations_app/connect_new.html", context, status=status)


@require_safe
def account(request: HttpRequest, account: str) -> HttpResponse:
    """The roles to make, the test, and the button that begins to read."""
    person = person_of(request)
    require(person, Action.ADMINISTER)
    row = get_object_or_404(Connection, account_id=account)
    arns = _principals()
    prepared = row.account()
    roles = [prepared.reader_role, prepared.actor_role, prepared.deleter_role]
    context: dict[str, Any] = {
        "page": "accounts",
        "connection": row,
        "principals": arns,
        "roles": [arn for arn in roles if arn],
        "files": {name: connecting.written(name, row, arns) for name in connecting.FILES}
        if arns
        else {},
        "allowance": json.dumps(connecting.allowance(filter(None, roles)), indent=2),
        "lines": "\n".join(connecting.yaml_lines(row)),
        "proven": connecting.proven(row),
        "account": prepared,
        **access.shown(prepared, may_test=True),
    }
    return rendered(request, "migrations_app/connect_account.html", context)


@require_safe
def file(request: HttpRequest, account: str, name: str) -> HttpResponse:
    """The CloudFormation template or the Terraform file of an account, to download."""
    require(person_of(request), Action.ADMINISTER)
    row = get_object_or_404(Connection, account_id=account)
    arns = _principals()
    known = next((one for one in connecting.FILES if one == name), None)
    if known is None or not arns:
        raise Http404
    answer = HttpResponse(connecting.written(known, row, arns), content_type=TYPES[known])
    answer["Content-Disposition"] = f'attachment; filename="{row.account_id}-{known}"'
    return answer


@require_POST
def start(request: HttpRequest, account: str) -> HttpResponse:
    """Read the account from now on; on to its first sync."""
    row = get_object_or_404(Connection, account_id=account)
    connecting.connect(row, person_of(request))
    said = f"{row.name} is connected. Nothing is changed there."
    return done(request, reverse("sync-status", args=[row.account_id]), said)


@require_POST
def changes(request: HttpRequest, account: str) -> HttpResponse:
    """Show the change roles of an account too, to be made and tested."""
    row = get_object_or_404(Connection, account_id=account)
    connecting.prepare_changes(row, person_of(request))
    to = reverse("connect-account", args=[account])
    return done(request, to, "The template and the lines hold the change roles too.")


@require_POST
def discard(request: HttpRequest, account: str) -> HttpResponse:
    """Forget an account that was never connected."""
    row = get_object_or_404(Connection, account_id=account)
    connecting.discard(row, person_of(request))
    said = f"{row.name} is forgotten here. Delete its roles in AWS, if they were made."
    return done(request, reverse("settings-accounts"), said)


@require_POST
def disconnect(request: HttpRequest, account: str) -> HttpResponse:
    """Stop reading an account that was connected in the browser."""
    row = get_object_or_404(Account, account_id=account)
    connecting.disconnect(row, person_of(request))
    return done(request, reverse("settings-accounts"), f"{row.name} is not read any more.")


@require_http_methods(["GET", "HEAD", "POST"])
def test(request: HttpRequest, account: str) -> HttpResponse:
    """Ask for a test of the roles of one account; how far it is, polled each 2 s to its end."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS if request.method != "POST" else Action.SYNC)
    row = Account.objects.filter(account_id=account, active=True).first()
    prepared = Connection.objects.filter(account_id=account).first()
    asked = prepared.account() if prepared else row
    if asked is None:
        raise Http404
    if row is None:
        require(person, Action.ADMINISTER)
    connecting_it = row is None or request.POST.get("from") == "connect"
    home = reverse("connect-account" if connecting_it else "settings-account", args=[account])
    if request.method == "POST":
        connecting.ask_test(asked, person)
        return redirect(f"{home}#access")
    if not is_fragment(request):
        return redirect(f"{home}#access")
    context = {"account": asked, **access.shown(asked, may_test=may(person, Action.SYNC))}
    running = context["testing"]
    answer = rendered(
        request,
        "inventory/settings/access.html",
        context,
        part="progress",
        status=200 if running else FINISHED,
    )
    if not running:
        answer["HX-Refresh"] = "true"
    return answer


def _principals() -> list[str]:
    """Whom the roles trust; nobody while it cannot be told who the workers are."""
    try:
        return connecting.principals()
    except RedisError:
        log.warning("Redis does not answer, so nobody can say who the workers are.")
        return []
