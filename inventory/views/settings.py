"""Settings: accounts and teams, as `iamcleanup.yaml` declares them.

What is declared is read-only here and shows its line in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from inventory import access, clock, refresh, undeclared
from inventory.account_rows import LISTING, account_rows
from inventory.answers import done, person_of, rendered
from inventory.declared_lines import lines
from inventory.models import (
    Account,
    Connection,
    Organization,
    Person,
    ProtectedEntry,
    Team,
)
from inventory.permissions import Action, may, require
from inventory.refresh import root
from inventory.refusals import Stale

# What a sync saw that was not our own doing.
_CHANGED = Count("observations", filter=Q(observations__explained=""))


@require_safe
def accounts(request: HttpRequest) -> HttpResponse:
    """Every connected account: users, roles, last sync, and what holds it."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS)
    rows = account_rows(Account.objects.filter(active=True))
    context = {
        "page": "accounts",
        "rows": rows,
        "may_connect": may(person, Action.ADMINISTER),
        "prepared": Connection.objects.filter(connected_at=None),
        "undeclared": undeclared.count(row.account.account_id for row in rows),
    }
    return rendered(request, "inventory/settings/accounts.html", context)


@require_safe
def account(request: HttpRequest, account: str) -> HttpResponse:
    """One account: what is declared, who is protected, the last syncs, and what holds it."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS)
    row = get_object_or_404(Account, account_id=account)
    shown = account_rows(Account.objects.filter(pk=row.pk))[0]
    context = {
        "page": "accounts",
        "row": shown,
        "account": row,
        **access.shown(row, may_test=may(person, Action.SYNC) and row.active),
        "may_connect": may(person, Action.ADMINISTER),
        "protected": _protected(row),
        "syncs": row.syncs.select_related("asked_by")
        .annotate(changed=_CHANGED)
        # Grouped rows lose the order of their model.
        .order_by("-asked_at")[:10],
        "may_sync": may(person, Action.SYNC),
        "may_operate": may(person, Action.OPERATE),
        "held_listing": _held_listing(row),
        "root": _root(row),
        "differing": row.users.present().filter(coverage__has_key="report_notes")[:20],
    }
    return rendered(request, "inventory/settings/account.html", context)


@dataclass(frozen=True, slots=True)
class RootFacts:
    """The root user as the last sync read it; None where that was not read."""

    has_mfa: bool | None
    has_keys: bool | None
    active_keys: int | None
    last_used_at: datetime | None
    live_at: datetime | None
    report_at: datetime | None
    risks: tuple[root.RootRisk, ...]


def _root(account: Account) -> RootFacts | None:
    facts = account.root_facts
    if not facts:
        return None
    return RootFacts(
        has_mfa=facts.get("mfa_active"),
        has_keys=facts.get("has_keys"),
        active_keys=facts.get("active_keys"),
        last_used_at=root.last_used_at(account),
        live_at=parse_datetime(facts.get("live_at") or ""),
        report_at=parse_datetime(facts.get("at") or ""),
        risks=tuple(root.risks(account, clock.now())),
    )


@dataclass(frozen=True, slots=True)
class ProtectedRow:
    """A declared protection, and whether somebody has to say whom it means (rule 3)."""

    entry: ProtectedEntry
    unclear: str


def _protected(account: Account) -> list[ProtectedRow]:
    found = []
    for entry in account.protected_entries.select_related("owner"):
        bearers = account.users.present().filter(user_name__iexact=entry.user_name)
        # Of two the one that was listed last: the other waits to be proven gone.
        named = bearers.order_by(
            F("missing_since").desc(nulls_first=True), "-last_seen_at", "-first_seen_at"
        ).first()
        bound = account.users.present().filter(user_id=entry.bound_user_id).exists()
        unclear = ""
        if named and entry.bound_user_id and named.user_id != entry.bound_user_id:
            unclear = f"The name belongs to another user now, {named.user_id}."
        elif not named and not bound and account.last_whole_at:
            unclear = "Nobody in AWS matches."
        found.append(ProtectedRow(entry, unclear))
    return found


def _held_listing(account: Account) -> dict[str, str]:
    """The digest of the listing that holds this account, as a form field; empty for other holds."""
    match = LISTING.search(account.hold_reason)
    return {"listing": match[1]} if match else {}


@require_POST
def accept_listing(request: HttpRequest, account: str) -> HttpResponse:
    """An engineer believes the short listing that holds this account (rule 5)."""
    row = get_object_or_404(Account, account_id=account)
    person = person_of(request)
    require(person, Action.OPERATE)
    listing = request.POST.get("listing", "")
    if _held_listing(row) != {"listing": listing}:
        raise Stale("This listing no longer holds the account. Look at it again.")
    refresh.accept_listing(row, person, listing)
    return done(
        request,
        reverse("settings-account", args=[row.account_id]),
        f"Accepted. The next sync of {row.name} believes this listing.",
    )


@require_safe
def teams(request: HttpRequest) -> HttpResponse:
    """Every team: its lead, channels, members, and why users are suggested to it."""
    require(person_of(request), Action.SEE_SETTINGS)
    organization = Organization.get()
    members = Prefetch("members", Person.objects.filter(is_active=True), to_attr="people")
    rows = Team.objects.filter(active=True).select_related("lead").prefetch_related(members)
    context = {
        "page": "teams",
        "teams": rows,
        "custodian": organization.custodian,
        "lines": lines(organization).teams,
    }
    return rendered(request, "inventory/settings/teams.html", context)
