"""The Overview: how far, how fast, what needs me; and starting and watching a sync."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock, refresh
from inventory.models import Account, Sync
from inventory.permissions import Action, may, require
from inventory.timelines import burn_down
from migrations_app import needs, observed, posture
from migrations_app import overview as questions
from migrations_app.forecast import forecast
from migrations_app.shell import chosen_account_id
from migrations_app.views.answers import done, is_fragment, person_of, rendered

TEMPLATE = "migrations_app/overview.html"
PARTS = ("needs", "lifecycle")
_LARGEST_ID = 2**63 - 1


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page, or one of its two parts that refresh themselves (`?part=`)."""
    person = person_of(request)
    require(person, Action.SEE)
    now, account = clock.now(), chosen_account_id(request)
    part = request.GET.get("part", "") if is_fragment(request) else ""
    context: dict[str, Any] = {
        "may_sync": may(person, Action.SYNC),
        "may_operate": may(person, Action.OPERATE),
    }
    if part != "needs":
        context["situation"] = questions.situation(account, now)
    if part != "lifecycle":
        context |= {"needs": needs.needs_of(person, now), "role_line": _role_line(person.roles)}
        context["week"] = questions.this_week(account, now) if not context["needs"] else {}
        context["changed"] = observed.week(account, now)
    if part not in PARTS:
        lines = questions.syncs(account)
        context |= {
            "syncs": lines,
            "first_syncs": [line for line in lines if line.first],
            "risks": questions.risks(account, now),
            "root": questions.root_tile(account, now),
            "posture": posture.card(account),
            **_progress(account, now.date(), context["situation"]),
            "as_table": request.GET.get("as") == "table",
        }
    return rendered(request, TEMPLATE, context, part=part if part in PARTS else "")


@require_POST
def sync_start(request: HttpRequest) -> HttpResponse:
    """Ask for a sync of one account, or of all; a sync that is under way is joined."""
    person = person_of(request)
    require(person, Action.SYNC)
    accounts = Account.objects.filter(active=True)
    if wanted := request.POST.get("account", ""):
        accounts = accounts.filter(account_id=wanted)
    rows = list(accounts)
    if not rows:
        return done(request, reverse("overview"), "There is no such account to sync.")
    for row in rows:
        refresh.ask_sync(row, person)
    names = ", ".join(row.name for row in rows)
    return done(request, reverse("overview"), f"Asked AWS about {names}. Nothing is changed there.")


@require_GET
def sync_status(request: HttpRequest, account: str) -> HttpResponse:
    """How far the last sync of one account is, or that of `?sync=`; polled each 2 s to its end."""
    require(request.user, Action.SEE)
    row = get_object_or_404(Account, account_id=account)
    syncs = Sync.objects.filter(account=row)
    if (wanted := request.GET.get("sync", "")).isdecimal():
        syncs = syncs.filter(pk=min(int(wanted[:19]), _LARGEST_ID))
    sync = syncs.first()
    running = sync is not None and sync.status in Sync.OPEN
    context = {
        "account": row,
        "sync": sync,
        "running": running,
        "progress": questions.progress_of(sync, clock.now()) if sync else None,
        "seen": observed.of_sync(sync) if sync and not running else [],
    }
    status = 200 if running or not request.headers.get("HX-Request") else 286
    answer = rendered(request, "migrations_app/sync.html", context, part="progress", status=status)
    if status == 286:
        answer["HX-Refresh"] = "true"
    return answer


def _progress(account: str, today: date, now: questions.Situation) -> dict[str, Any]:
    """The burn-down and the forecast; nothing to draw before the first user was seen."""
    days = questions.burn_down(account, today, now)
    if not days:
        return {"burn_down": None, "forecast": None}
    left = [(row.day, row.left) for row in days]
    access = [(row.day, row.with_access) for row in days]
    ahead = forecast(left, today)
    return {"burn_down": burn_down(_steps(left), _steps(access), today, ahead), "forecast": ahead}


def _steps(points: list[tuple[date, int]]) -> list[tuple[date, int]]:
    """Only the first point and those where the count changed."""
    before = [None, *(count for _, count in points)]
    return [point for point, was in zip(points, before, strict=False) if point[1] != was]


def _role_line(roles: list[str]) -> str:
    return "for you" if not roles else f"for you as {', '.join(roles)}"
