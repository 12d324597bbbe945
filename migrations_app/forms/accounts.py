"""Forms of an account that is connected in the browser: input to mend is named at its field."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms

from inventory.organization.reading import ACCOUNT_ID, REGION
from migrations_app.connecting import Wanted
from migrations_app.forms.names import NameField

_PREFIX = r"[\w+=,.@-]{1,57}"  # IAM: 64 for the whole name, "Deleter" included


class AccountForm(forms.Form):
    """Which account, when its people work, and what its roles shall be called."""

    account_id = forms.CharField(
        label="Account ID",
        max_length=20,
        widget=forms.TextInput({"class": "mono", "inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Type the 12 digits of the account."},
    )
    name = NameField(
        label="Name",
        max_length=100,
        widget=forms.TextInput({"autocomplete": "off"}),
        error_messages={"required": "Type what people call the account."},
    )
    regions = forms.CharField(
        label="Regions", max_length=1000, required=False, widget=forms.TextInput({"class": "mono"})
    )
    time_zone = forms.CharField(label="Time zone", max_length=64)
    role_prefix = forms.CharField(
        label="Role names begin with", max_length=57, widget=forms.TextInput({"class": "mono"})
    )
    changes = forms.ChoiceField(choices=[("", "Read-only"), ("yes", "Change roles too")])

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["changes"].required = False

    def clean_account_id(self) -> str:
        """The digits, however the console groups them."""
        typed: str = self.cleaned_data["account_id"]
        digits = re.sub(r"[\s-]", "", typed)
        if not re.fullmatch(ACCOUNT_ID, digits, re.ASCII):
            raise forms.ValidationError("An account ID has 12 digits.")
        return digits

    def clean_regions(self) -> tuple[str, ...]:
        """No Region means all enabled ones."""
        typed = re.split(r"[\s,;]+", self.cleaned_data["regions"].strip())
        found = tuple(sorted({one for one in typed if one and one != "all"}))
        for one in found:
            if not re.fullmatch(REGION, one, re.ASCII):
                raise forms.ValidationError(f"“{one}” is no Region; write it like eu-west-1.")
        return found

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise forms.ValidationError(
                f"“{name}” is no time zone; write it like Europe/Berlin."
            ) from None
        return name

    def clean_role_prefix(self) -> str:
        prefix: str = self.cleaned_data["role_prefix"]
        if not re.fullmatch(_PREFIX, prefix, re.ASCII):
            raise forms.ValidationError("A role's name has letters, digits and + = , . @ - _ only.")
        return prefix

    def wanted(self) -> Wanted:
        """What was typed; only after `is_valid`."""
        told = self.cleaned_data
        return Wanted(
            account_id=told["account_id"],
            name=told["name"],
            time_zone=told["time_zone"],
            regions=told["regions"],
            prefix=told["role_prefix"],
            changes=bool(told["changes"]),
        )
