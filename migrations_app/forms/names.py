"""A name that a person types and others read, as a field of a form."""

from __future__ import annotations

from typing import Any

from django import forms

from inventory.names import wrong_name


class NameField(forms.CharField):
    """Refuses what nobody sees, and what turns the writing round."""

    def validate(self, value: Any) -> None:
        """Raises ValidationError that says what to do."""
        super().validate(value)
        if wrong := wrong_name(str(value)):
            raise forms.ValidationError(wrong)
