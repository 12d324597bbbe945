"""What an IAM user is for, as an engineer knows it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from inventory import refresh
from inventory.category import CategoryName
from inventory.permissions import Action, require
from migrations_app.forms.people import CategoryForm, SeenForm
from migrations_app.models import Departure
from migrations_app.views.answers import cleaned, done, person_of, rendered
from migrations_app.views.user import departure_of


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The five categories with what the evidence says; then the engineer's word."""
    person, row = person_of(request), departure_of(account, user_id)
    require(person, Action.OPERATE)
    form = CategoryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user = refresh.override_category(
            row.user, data["category"], data["reason"], person, data["seen"] or None
        )
        label = CategoryName(user.shown_category).label
        return done(request, _page(row), f"{user} is {label} now. Syncs keep it so.")
    context = {
        "row": row,
        "user": row.user,
        "form": form,
        "categories": list(CategoryName),
        "chosen": form["category"].value() or row.user.shown_category,
    }
    status = 422 if request.method == "POST" else 200
    return rendered(request, "migrations_app/user_category.html", context, status=status)


@require_POST
def clear(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Back to what the evidence says."""
    person, row = person_of(request), departure_of(account, user_id)
    require(person, Action.OPERATE)
    seen = cleaned(SeenForm(request.POST))["seen"] or None
    user = refresh.clear_category(row.user, person, seen)
    label = CategoryName(user.shown_category).label if user.shown_category else "not judged yet"
    return done(request, _page(row), f"{user} is {label} again, as the evidence says.")


def _page(row: Departure) -> str:
    return reverse("user", args=[row.user.account.account_id, row.user.user_id])
