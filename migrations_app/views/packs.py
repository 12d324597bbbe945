"""Evidence packs: the form, what was built and what is being built, and the download."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from inventory import chain, clock
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import log, packs
from migrations_app.forms.packs import PackForm
from migrations_app.models import EvidencePack
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered

_PAGE = "migrations_app/log/packs.html"
NO_CHANGE, STOP_POLLING = 204, 286
_ASKED = "Your evidence pack is being built. You can leave this page; we tell you when it is ready."


@require_http_methods(["GET", "HEAD", "POST"])
def all_packs(request: HttpRequest) -> HttpResponse:
    """What there is, with the form for another one; polled while one is being built."""
    person = person_of(request)
    require(person, Action.SEE)
    form = PackForm(request.POST) if request.method == "POST" else None
    reasons: tuple[str, ...] = ()
    if form is not None:
        try:
            packs.ask(person, **cleaned(form))
        except Refused as refusal:
            reasons = refusal.reasons
        else:
            return done(request, reverse("log-packs"), _ASKED)
    rows = packs.shown(person)
    mark = _mark(rows)
    if is_fragment(request) and request.GET.get("mark") == mark:
        return HttpResponse(status=NO_CHANGE)
    context = {
        "tab": "packs",
        "counts": log.counts(),
        "chain": chain.checked(),
        "rows": rows,
        "mark": mark,
        "keys": packs.keys(),
        "reasons": reasons,
        **_building(rows),
        **form_context(form),
    }
    status = 422 if reasons else 200
    if is_fragment(request) and not context["working"]:
        status = STOP_POLLING
    answer = rendered(
        request, "migrations_app/log/packs.html", context, part="built", status=status
    )
    if is_fragment(request):
        _say_what_ended(answer, rows, request.GET.get("own", ""), person)
    return answer


@require_safe
def download(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The ZIP of a pack that is ready."""
    person = person_of(request)
    pack = get_object_or_404(EvidencePack.objects.select_related("account"), pk=pk)
    packs.require_having(person, pack)
    if pack.status != EvidencePack.Status.DONE:
        raise Refused(_why_not(pack))
    answer = StreamingHttpResponse(packs.zip_of(pack), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{pack.file_name}"'
    answer["Content-Length"] = str(pack.bytes)
    return answer


def form_context(form: PackForm | None = None) -> dict[str, Any]:
    """The form for a pack, empty or as it was sent: on this page and beside the deletion log."""
    values: dict[str, Any] = {
        "from_day": packs.since().isoformat(),
        "until_day": clock.now().date().isoformat(),
        "account": "",
        "contents": [choice for choice, _ in packs.CHOICES],
    }
    if form is not None:
        values = {name: form[name].value() or "" for name in form.fields}
    return {
        "pack_values": values,
        "pack_choices": packs.CHOICES,
        "pack_accounts": PackForm.base_fields["account"].queryset.order_by("name"),  # type: ignore[attr-defined]
        "today": clock.now().date(),
    }


def _building(rows: list[packs.Shown]) -> dict[str, Any]:
    working = [row for row in rows if row.pack.working]
    return {
        "working": [(row, *packs.progress(row.pack)) for row in working],
        "ended": [row for row in rows if not row.pack.working],
        "own": ",".join(str(row.pack.pk) for row in working),
    }


def _mark(rows: list[packs.Shown]) -> str:
    """What the list shows, shortly: it is sent again only when that has changed."""
    return (
        "-".join(
            f"{row.pack.pk}.{sum(one['done'] for one in row.pack.tables)}"
            for row in rows
            if row.pack.working
        )
        or "none"
    )


def _say_what_ended(
    answer: HttpResponse, rows: list[packs.Shown], waited_for: str, person: Person
) -> None:
    """A toast for a pack of this person that was being built when the page asked before."""
    before = set(waited_for.split(","))
    for row in rows:
        pack = row.pack
        if str(pack.pk) not in before or pack.working or pack.asked_by_id != person.pk:
            continue
        toast = {"text": f"Your evidence pack could not be built. {pack.error}", "kind": "error"}
        if row.ready:
            link = reverse("log-pack-download", args=[pack.pk])
            toast = {"text": "Your evidence pack is ready.", "kind": "done"}
            toast |= {"link": link, "label": "Download"}
        answer["HX-Trigger"] = json.dumps({"toast": toast})


def _why_not(pack: EvidencePack) -> str:
    if pack.status == EvidencePack.Status.DELETED:
        return "It was kept for 30 days and is deleted. Build one of the same days again."
    if pack.working:
        return "It is still being built."
    return f"It could not be built. {pack.error}"
