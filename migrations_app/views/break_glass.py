"""Settings, break-glass: the one IAM user that stays, its checks, drills, seals, uses and files."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import at_once, clock
from inventory.declared_lines import lines
from inventory.models import Alert, Organization, Person
from inventory.permissions import Action, may, require
from migrations_app import break_glass_rows
from migrations_app.changes import break_glass as verbs
from migrations_app.changes import nudge
from migrations_app.forms.break_glass import DrillForm, SealForm
from migrations_app.forms.people import ReasonForm
from migrations_app.models import BreakGlassCheck, BreakGlassRecord, BreakGlassUse
from migrations_app.plans import break_glass_files
from migrations_app.plans.break_glass import SIGN_IN_REGIONS
from migrations_app.views.answers import cleaned, done, person_of, rendered

_SHOWN = 20
# By name in the address the path of the file and how browsers are told of it.
_FILES = {
    "runbook.html": ("runbook.html", "text/html; charset=utf-8"),
    "runbook.md": ("runbook.md", "text/markdown; charset=utf-8"),
    "alarm.tf": ("alarm/main.tf", "text/plain; charset=utf-8"),
    "guard.tf": ("guard/main.tf", "text/plain; charset=utf-8"),
}


@require_GET
def break_glass(request: HttpRequest) -> HttpResponse:
    """Every check with its time and what to do; what was recorded; the uses."""
    person_may = require_settings(request)
    return _shown(request, person_may)


@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Have a worker look at everything now."""
    person = person_of(request)
    require(person, Action.GUARD)
    nudge.break_glass()
    return done(
        request, reverse("settings-break-glass"), "A worker looks now. It takes half a minute."
    )


@require_POST
def drill(request: HttpRequest) -> HttpResponse:
    """A drill took place."""
    person = person_of(request)
    require(person, Action.GUARD)
    form = DrillForm(request.POST)
    if not form.is_valid():
        return _shown(request, True, drill_form=form, status=422)
    told = form.cleaned_data
    verbs.record_drill(
        person, told["at"], told["until_at"], minutes=told["minutes"], note=told["note"]
    )
    return done(request, reverse("settings-break-glass"), "Recorded. The checks follow it.")


@require_POST
def seal(request: HttpRequest) -> HttpResponse:
    """An envelope was sealed."""
    person = person_of(request)
    require(person, Action.GUARD)
    form = SealForm(request.POST)
    if not form.is_valid():
        return _shown(request, True, seal_form=form, status=422)
    told = form.cleaned_data
    verbs.record_seal(
        person,
        told["sealed_at"],
        version=told["version"],
        seal=told["seal"],
        place=told["place"],
        note=told["seal_note"],
    )
    return done(request, reverse("settings-break-glass"), "Recorded. The checks follow it.")


@require_POST
def explain(request: HttpRequest) -> HttpResponse:
    """What the open uses were; that closes their alert on every page."""
    person = person_of(request)
    require(person, Action.GUARD)
    verbs.explain_uses(person, cleaned(ReasonForm(request.POST))["reason"])
    return done(request, reverse("settings-break-glass"), "Closed. It stays in the list of uses.")


@require_GET
def file(request: HttpRequest, name: str) -> HttpResponse:
    """The runbook, the alarm or the guard, as they are generated now."""
    require(person_of(request), Action.SEE_SETTINGS)
    if name not in _FILES:
        raise Http404
    path, kind = _FILES[name]
    facts = break_glass_rows.known()
    found = break_glass_files.files(facts, break_glass_rows.told(), clock.now())
    text = next(one.text for one in found if one.path == path)
    answer = HttpResponse(text, content_type=kind)
    # Never shown as a page of ours: it has a style of its own, and is to be printed.
    answer["Content-Disposition"] = f'attachment; filename="break-glass-{name}"'
    return answer


def require_settings(request: HttpRequest) -> bool:
    """Whether the reader, who may see the settings, may record something too."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS)
    return may(person, Action.GUARD)


def _shown(
    request: HttpRequest,
    may_record: bool,
    *,
    drill_form: DrillForm | None = None,
    seal_form: SealForm | None = None,
    status: int = 200,
) -> HttpResponse:
    organization = Organization.get()
    account, user = break_glass_rows.declared(organization)
    facts = break_glass_rows.of(organization, account, user)
    uses, now = BreakGlassUse.objects.select_related("reason_by"), clock.now()
    told = at_once.ask(
        Person.objects.filter(pk=person_of(request).pk),
        {
            "checks": BreakGlassCheck.objects.all(),
            "records": BreakGlassRecord.objects.select_related("recorded_by")[:_SHOWN],
            "open_uses": uses.filter(reason="")[:_SHOWN],
            "uses": uses.exclude(reason="")[:_SHOWN],
            "used": Alert.objects.filter(key=verbs.USED, closed_at=None)[:1],
        },
    )
    checks = told["checks"]
    initial = {"version": break_glass_files.version(facts)}
    context: dict[str, Any] = {
        "page": "break-glass",
        "organization": organization,
        "line": lines(organization).break_glass,
        "account": account,
        "user": user,
        **told,
        "bad": sum(check.is_bad for check in checks),
        "looked_at": min((check.looked_at for check in checks), default=None),
        "next_drill_at": facts.next_drill_at,
        "drill_late": facts.next_drill_at is not None and facts.next_drill_at < now,
        "used": next(iter(told["used"]), None),
        "sign_in_regions": SIGN_IN_REGIONS,
        "may_record": may_record,
        "drill_form": drill_form or DrillForm(),
        "seal_form": seal_form or SealForm(initial=initial),
    }
    return rendered(request, "migrations_app/settings_break_glass.html", context, status=status)
