"""The log: everything, deletions, restores and approvals, each with its export."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from inventory import chain
from inventory.answers import download, person_of, rendered
from inventory.exports import LEDGER_FIELDS, Format, ledger_rows, written
from inventory.forms import LogFilters
from inventory.permissions import Action, require
from migrations_app import exports, log, packs
from migrations_app.views.packs import form_context


def _context(tab: str, **more: Any) -> dict[str, Any]:
    return {"tab": tab, "counts": log.counts(), "chain": chain.checked(), **more}


def _filters(request: HttpRequest) -> dict[str, Any]:
    """The filters of the query; what does not hold is left out, as in a link cut short."""
    form = LogFilters(request.GET)
    form.is_valid()
    return form.cleaned_data


@require_safe
def everything(request: HttpRequest) -> HttpResponse:
    """The ledger, latest first, fifty entries a page."""
    person = person_of(request)
    require(person, Action.SEE)
    filters = _filters(request)
    rows = log.entries(filters)
    if filters.get("before"):
        rows = rows.filter(seq__lt=filters["before"])
    found = list(rows[: log.PAGE + 1])
    query = request.GET.copy()
    if len(found) > log.PAGE:
        query["before"] = str(found[log.PAGE - 1].seq)
    context = _context(
        "everything",
        lines=log.lines(found[: log.PAGE], everything=log.sees_everything(person)),
        filters=filters,
        filtered=any(value for key, value in filters.items() if key != "before"),
        kinds=[(kind, log.words_of(kind)) for kind in log.kinds()],
        actors=log.actors(),
        next_url=f"{request.path}?{query.urlencode()}" if len(found) > log.PAGE else "",
        export_query=request.GET.urlencode(),
    )
    return rendered(request, "migrations_app/log/everything.html", context)


@require_safe
def everything_export(request: HttpRequest, form: Format) -> StreamingHttpResponse:
    """The same entries, without the page's end, as CSV or JSON."""
    person = person_of(request)
    require(person, Action.SEE)
    filters = _filters(request)
    rows = ledger_rows(log.entries(filters).iterator(chunk_size=2000))
    if not log.sees_everything(person):
        rows = ({**row, "data": dict(log.details_of(row["data"], False))} for row in rows)
    return download(written(form, LEDGER_FIELDS, rows), form, "log")


@require_safe
def deletions(request: HttpRequest) -> HttpResponse:
    """Everybody who is gone, with who asked, who approved, every call and the proof."""
    person = person_of(request)
    require(person, Action.SEE)
    page = log.deletions(request.GET, log.counts()["deletions"])
    context = _context(
        "deletions",
        page=page,
        deletions=page.rows,
        opened=request.GET.get("open", ""),
        kept=packs.kept(person),
        **form_context(),
    )
    return rendered(request, "migrations_app/log/deletions.html", context)


@require_safe
def deletions_export(request: HttpRequest, form: Format) -> StreamingHttpResponse:
    """The deletion log as CSV or JSON."""
    require(person_of(request), Action.SEE)
    pieces = written(form, exports.DELETION_FIELDS, exports.deletion_rows())
    return download(pieces, form, "deletions")


@require_safe
def restores(request: HttpRequest) -> HttpResponse:
    """Every restore: who asked, why, and how it ended."""
    require(person_of(request), Action.SEE)
    page = log.restores(request.GET, log.counts()["restores"])
    context = _context("restores", page=page, opened=request.GET.get("open", ""))
    return rendered(request, "migrations_app/log/restores.html", context)


@require_safe
def approvals(request: HttpRequest) -> HttpResponse:
    """Every approval: who asked, who approved, and the digest they agreed on."""
    require(person_of(request), Action.SEE)
    context = _context("approvals", page=log.approvals(request.GET, log.counts()["approvals"]))
    return rendered(request, "migrations_app/log/approvals.html", context)
