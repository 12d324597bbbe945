"""What people type on the pages of facts."""

from __future__ import annotations

from datetime import date, timedelta

from django import forms
from django.core.validators import MaxValueValidator

# The day after it is one that no calendar of ours has.
LAST_DAY = date.max - timedelta(days=1)


class LogFilters(forms.Form):
    """Which entries of the log are shown; anything left empty does not narrow."""

    actor = forms.CharField(required=False, max_length=64)
    kind = forms.CharField(required=False, max_length=60)
    user = forms.CharField(required=False, max_length=128)
    batch = forms.IntegerField(required=False, min_value=1, max_value=2_000_000_000)
    day = forms.DateField(required=False, validators=[MaxValueValidator(LAST_DAY)])
    before = forms.IntegerField(required=False, min_value=1, max_value=2**62)
