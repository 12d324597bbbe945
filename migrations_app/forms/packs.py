"""What people choose for an evidence pack."""

from __future__ import annotations

from typing import Any

from django import forms

from inventory import clock
from inventory.models import Account
from migrations_app.packs import CHOICES


class PackForm(forms.Form):
    """Days (UTC, both included), account, contents, and whether people stand in it by name."""

    from_day = forms.DateField(
        error_messages={"required": "Say with which day it begins.", "invalid": "From is no day."}
    )
    until_day = forms.DateField(
        error_messages={"required": "Say with which day it ends.", "invalid": "To is no day."}
    )
    account = forms.ModelChoiceField(
        Account.objects.all(),
        to_field_name="account_id",
        required=False,
        empty_label="All accounts",
        error_messages={"invalid_choice": "There is no such account here."},
    )
    contents = forms.MultipleChoiceField(
        choices=CHOICES,
        error_messages={
            "required": "Choose at least one thing that it holds.",
            "invalid_choice": "A pack cannot hold that.",
        },
    )
    with_names = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        """Days in their order, and none that has not come."""
        told = super().clean() or {}
        first, last = told.get("from_day"), told.get("until_day")
        if last and last > clock.now().date():
            self.add_error("until_day", "The last day has not come yet.")
        elif first and last and last < first:
            self.add_error("until_day", "The last day is before the first one.")
        return told
