"""The page of one IAM user: the place to settle an argument."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from inventory import clock, coverage, refresh
from inventory.models import Account, ArchiveCoverage, Person
from inventory.permissions import Action, may, require
from inventory.policy import policy_for
from inventory.reads import reads_of
from inventory.referrers.declared import KINDS as DECLARED_KINDS
from inventory.referrers.declared import signs_digest
from migrations_app import changes, dates, exports
from migrations_app.changes.ownership import DISPUTE_DAYS
from migrations_app.lifecycle import HAS_ACCESS, SWITCHED_OFF, State
from migrations_app.models import Departure, Plan
from migrations_app.replacement.plan_page import page_of
from migrations_app.soak import hearing
from migrations_app.user_page import profile, profile_activity, profile_asked, profile_permissions
from migrations_app.user_page.held import UNTRACED, held
from migrations_app.users import listing, user_rows
from migrations_app.views.answers import person_of, rendered

# Whom nobody expects to call from somebody's own computer.
MACHINES = ("ci-cd", "third-party")
REFERENCE_ICONS = {
    "bucket": "database",
    "queue": "stack-2",
    "topic": "bell",
    "key": "key",
    "secret": "lock",
    "cluster": "server",
    "cloudformation": "code",
    "declared": "code",
    "managed": "code",
    "made-by": "code",
}


@require_GET
def user(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Verdict, evidence, credentials, permissions, owner, what comes next and what was."""
    person = person_of(request)
    require(person, Action.SEE)
    row, now = departure_of(account, user_id), clock.now()
    one = row.user
    whole = request.GET.get("history") == "all"
    limit = profile.WHOLE_HISTORY if whole else profile.HISTORY
    asked = profile_asked.ask(row, person, limit, now)
    policy = policy_for(asked.organization, one.account, one.shown_category)
    plan = getattr(row, "plan", None)
    plan_page = page_of(plan, None, now, asked.organization) if plan else None
    confirmed = plan is not None and plan.status == Plan.Status.CONFIRMED
    quiet = plan_page.quiet if plan_page else None
    quiet_at = quiet.over_at if quiet and confirmed else None
    ahead = dates.ahead_of(row, policy, one.account.time_zone, now, not_before=quiet_at)
    names = {team.key: team.name for team in asked.teams}
    told, entries = profile.history(one, limit, asked.entries, asked.observations, names)
    messages, more_messages = asked.messages
    sensitive = may(person, Action.SEE_SENSITIVE, row.owner or one.suggested_team)
    reads = asked.reads
    week = asked.calls_since(now.date() - timedelta(days=7)) if one.verdict == "active" else 0
    context = {
        "row": row,
        "user": one,
        "now": now,
        "steps": profile.steps(row, ahead, asked.batches),
        "deleted_in": asked.batches.get("delete", ""),
        "judged": profile.judged(one, row, reads, now, week, quiet, ahead.disable_at),
        "flags": user_rows.flags(row, now, listing.has_hit(row)),
        "held": held(one, asked.credentials, reads, sensitive, now),
        "untraced": UNTRACED,
        "seen": profile_activity.seen(one, asked.credentials, now, asked.done, asked.access),
        "permissions": profile_permissions.permissions(one, reads, asked.used),
        "sensitive": sensitive,
        "callers": profile_activity.called_from(one, asked.calls) if sensitive else [],
        "machines": MACHINES,
        "looks": coverage.sources(one, reads.told(one), asked.archive),
        "coming": profile.coming(row, ahead, str(row.owner or "")),
        "history": told,
        "entries": entries,
        "whole_history": whole,
        "messages_about": messages,
        "more_messages": more_messages,
        "hits": asked.hits,
        "unheard": hearing.unheard([row], now)[row.pk] if row.state in SWITCHED_OFF else [],
        "lengthened": hearing.length(row.lengthened_by) if row.lengthened_by else "",
        "plan_page": plan_page,
        "may_see_files": plan is not None and may(person, Action.SEE_SENSITIVE, row.owner),
        "open_change": asked.open_change,
        "as_table": request.GET.get("as") == "table",
        "quarantined": any("AWSCompromisedKeyQuarantine" in arn for arn in one.attached_policies),
        "inline_policies": [
            (name, json.dumps(document, indent=2) if sensitive else "")
            for name, document in sorted(one.inline_policies.items())
        ],
        "blocking": sum(bool(reference.get("blocks")) for reference in one.references),
        "references": [
            reference | {"icon": REFERENCE_ICONS.get(reference.get("kind", ""), "id-badge-2")}
            for reference in one.references
        ],
        "looked_for": refresh.looked_for(one),
        "signs_field": {"signs": signs_digest(one.tags, one.created_with)},
        "code_signs_hold": one.removed_from_code_signs == signs_digest(one.tags, one.created_with),
        "may_record_removed": may(person, Action.OPERATE)
        and any(
            reference.get("blocks") and reference.get("kind") in DECLARED_KINDS
            for reference in one.references
        ),
        "version_field": {"version": row.version},
        "dispute_title": f"Dispute {one.user_name}",
        **_allowed(person, row, asked, now),
    }
    return rendered(request, "migrations_app/user.html", context)


@require_GET
def evidence(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The numbers behind the evidence chart."""
    require(request.user, Action.SEE)
    one = departure_of(account, user_id).user
    credentials = [key for key in one.credentials.all() if key.gone_at is None]
    seen = profile_activity.seen(one, credentials, clock.now())
    points = [{"source": lane, "day": day, "count": count} for lane, day, count in seen.lanes.rows]
    services = [
        {
            "service": service.name,
            "calls": service.calls,
            "most_called": service.most_called,
            "last_call_at": service.last_at,
            "last_accessed_at": service.accessed_at,
        }
        for service in seen.services
    ]
    return JsonResponse(
        {
            "user_id": one.user_id,
            "evidence": points,
            "services": services,
            "coverage": exports.coverage_of(one, reads_of(one.account_id), _archive(one.account)),
        }
    )


def departure_of(account: str, user_id: str) -> Departure:
    """The departure of one IAM user; 404 with the sentence of the screens where there is none."""
    rows = listing.departures().select_related(
        "user__account",
        "user__suggested_team",
        "owner",
        "plan__confirmed_by",
        "handed_to",
        "answered_by",
        "claim_pending_team",
        "disputed_by",
        "overruled_by",
        "user__removed_from_code_by",
    )
    row = rows.filter(user__account__account_id=account, user__user_id=user_id).first()
    if row is None:
        name = Account.objects.filter(account_id=account).values_list("name", flat=True).first()
        raise Http404(
            f"No such user in {name or 'any account here'}. "
            "It may have been deleted before the first sync."
        )
    return row


def _archive(account: Account) -> list[ArchiveCoverage]:
    """How far a declared longer history was read; nothing is asked where none is declared."""
    if not account.trail_archive:
        return []
    return list(ArchiveCoverage.objects.filter(account=account).defer("draft"))


def _allowed(
    person: Person, row: Departure, asked: profile_asked.Asked, now: datetime
) -> dict[str, Any]:
    """Which buttons this person gets here; what they may not do is not shown dead."""
    team = row.owner or row.user.suggested_team
    alive = row.state != State.DELETED
    access = row.state in HAS_ACCESS
    operates, claims = may(person, Action.OPERATE), may(person, Action.CLAIM, team)
    free = alive and not row.protection
    return {
        "may_operate": operates,
        "may_compose": operates
        and free
        and not row.partly_deleted
        and row.state in (State.OWNER_ASSIGNED, State.SOAKING),
        "may_restore": (row.state not in HAS_ACCESS or asked.ours)
        and changes.may_be_restored(row)
        and may(person, Action.RESTORE, row.owner),
        "may_finish": operates and row.partly_deleted,
        "may_rebuild": row.state == State.DELETED
        and may(person, Action.SEE_SENSITIVE, row.owner)
        and row.holdings.exists(),
        "may_claim": claims and alive,
        "may_release": claims and row.state == State.OWNER_ASSIGNED,
        "may_assign": operates and alive,
        "may_categorize": operates and alive,
        "may_overrule": operates
        and free
        and access
        and row.user.verdict not in listing.QUIET_VERDICTS,
        "may_protect": alive and not row.protection and may(person, Action.PROTECT),
        "may_unprotect": row.protection == "exempt" and may(person, Action.ADMINISTER),
        "may_confirm_plan": (plan := getattr(row, "plan", None)) is not None
        and plan.may_be_confirmed
        and row.owner is not None
        and may(person, Action.CLAIM, row.owner),
        "dispute_until": now.date() + timedelta(days=DISPUTE_DAYS),
        "teams": [one for one in asked.teams if one.pk != row.owner_id] if claims else [],
    }
