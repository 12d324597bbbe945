"""What people type on the pages of facts."""

from __future__ import annotations

from django import forms


class LogFilters(forms.Form):
    """Which entries of the log are shown; anything left empty does not narrow."""

    actor = forms.CharField(required=False, max_length=64)
    kind = forms.CharField(required=False, max_length=60)
    user = forms.CharField(required=False, max_length=128)
    batch = forms.IntegerField(required=False, min_value=1, max_value=2_000_000_000)
    day = forms.DateField(required=False)
    before = forms.IntegerField(required=False, min_value=1, max_value=2**62)
