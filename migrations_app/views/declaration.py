"""Settings, policy: what holds, where it is declared, and what waits for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from inventory.answers import done, person_of, rendered
from inventory.declared_lines import Lines, lines
from inventory.models import Account, Organization, Person, ProtectedEntry
from inventory.organization.policy_section import CATEGORIES
from inventory.permissions import Action, may, require
from inventory.policy import TIMES, WINDOWS, Freeze, Policy, in_words, policy_for
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.declared import declare
from migrations_app.models import PendingDeclaration
from migrations_app.policy_words import LABELS


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the policy: what it is, what it means, and in which line it stands."""

    label: str
    text: str
    hint: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Override:
    """What an account or category has otherwise than the organization."""

    scope: str
    differs: list[tuple[str, str]]
    line: int | None


@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    """The policy in force, read-only, and the declaration that waits for a second person."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS)
    organization = Organization.get()
    whole = policy_for(organization, Account(policy={}))
    declared = lines(organization)
    waiting = declare.waiting()
    context: dict[str, Any] = {
        "page": "policy",
        "organization": organization,
        "values": [
            Value(label, _say(whole, key), hint, declared.policy.get(key))
            for key, (label, hint) in LABELS.items()
        ],
        "overrides": _overrides(organization, whole, declared),
        "loosened": PendingDeclaration.objects.filter(confirmed=True)
        .select_related("decided_by")
        .order_by("-decided_at")
        .first(),
        "waiting": waiting,
        "words": words_for(waiting) if waiting else "",
        "may_confirm": waiting is not None and _may_confirm(waiting, person),
        "is_own": waiting is not None and _is_own(waiting, person),
    }
    return rendered(request, "migrations_app/settings_policy.html", context)


def _say(policy: Policy, key: str) -> str:
    value = getattr(policy, key)
    if isinstance(value, timedelta):
        return in_words(value)
    if key == "freezes":
        return "; ".join(map(_span, policy.freezes)) or "none"
    return f"{value} users" if key == "batch_size" else str(value)


def _span(freeze: Freeze) -> str:
    span = f"{freeze.start:%-d %b %Y} to {freeze.end:%-d %b %Y}"
    return f"{span}, {freeze.reason}" if freeze.reason else span


def _overrides(organization: Organization, whole: Policy, declared: Lines) -> list[Override]:
    found = []
    for category in CATEGORIES:
        own = policy_for(organization, Account(policy={}), category)
        line = declared.policy.get("by_category")
        found.append(Override(f"{category} users", _differs(whole, own), line))
    for account in Account.objects.filter(active=True):
        line = declared.accounts.get(account.account_id)
        own = policy_for(organization, account)
        found.append(Override(account.name, _differs(whole, own), line))
    return [override for override in found if override.differs]


def _differs(whole: Policy, own: Policy) -> list[tuple[str, str]]:
    keys = [*TIMES, *WINDOWS, "batch_size", "freezes"]
    return [
        (LABELS[key][0], _say(own, key)) for key in keys if getattr(own, key) != getattr(whole, key)
    ]


def words_for(waiting: PendingDeclaration) -> str:
    """What the second person types."""
    number = len(waiting.loosens)
    return f"loosen {number} rule{'' if number == 1 else 's'}"


def _is_own(waiting: PendingDeclaration, person: Person) -> bool:
    return waiting.asked_by_person_id == person.pk or waiting.asked_by == person.username


def _may_confirm(waiting: PendingDeclaration, person: Person) -> bool:
    return may(person, Action.CONFIRM_LOOSENING) and not _is_own(waiting, person)


@require_POST
def bind(request: HttpRequest, account: str, pk: int) -> HttpResponse:
    """An engineer says which IAM user a declared protection means (rule 3)."""
    entry = get_object_or_404(ProtectedEntry, pk=pk, account__account_id=account)
    person = person_of(request)
    require(person, Action.OPERATE)
    wanted = request.POST.get("user", "").strip()
    seen = entry.account.users.present()
    user = seen.filter(user_id=wanted).first() or seen.filter(user_name__iexact=wanted).first()
    if user is None:
        raise Refused(f"“{wanted}” was not seen in {entry.account}. Sync it, then try again.")
    changes.bind_entry(entry, user, person)
    return done(
        request, reverse("settings-account", args=[account]), f"{entry.user_name} means {user} now."
    )


@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """A second person types that it loosens, and confirms; it is applied at once."""
    pending, person = get_object_or_404(PendingDeclaration, pk=pk), person_of(request)
    require(person, Action.CONFIRM_LOOSENING)
    if request.POST.get("words", "").strip().lower() != words_for(pending):
        raise Refused(f"Type “{words_for(pending)}” to confirm.", rule="words")
    declare.confirm(pending, person)
    return done(request, reverse("settings-policy"), "Confirmed and applied.")


@require_POST
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    """What loosens is dropped; what holds stays."""
    declare.reject(get_object_or_404(PendingDeclaration, pk=pk), person_of(request))
    return done(request, reverse("settings-policy"), "Rejected. Nothing was changed.")
