"""How the accounts met CIS AWS Foundations, day by day, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from inventory import clock
from inventory.answers import download
from inventory.exports import Format, written
from inventory.permissions import Action, require
from migrations_app.shell import chosen_account_id
from migrations_app.users import posture


@require_GET
def export(request: HttpRequest, form: Format) -> HttpResponseBase:
    """Every item of every day of the account looked at, as CSV or JSON."""
    require(request.user, Action.SEE)
    rows = posture.rows(chosen_account_id(request))
    return download(written(form, posture.FIELDS, rows), form, f"posture-{clock.now():%Y%m%d-%H%M}")
