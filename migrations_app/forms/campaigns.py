"""Forms of a campaign: whom to ask about what, until when, with which words."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django import forms

MESSAGE_LENGTH = 1000


class AskForm(forms.Form):
    """Teams and users that were ticked, the last day, and words of one's own."""

    deadline = forms.DateField(
        required=False, error_messages={"invalid": "Write the date as 2025-04-02."}
    )
    message = forms.CharField(
        required=False,
        max_length=MESSAGE_LENGTH,
        error_messages={"max_length": f"{MESSAGE_LENGTH} characters at most."},
    )

    def deadline_at(self, earliest: datetime, time_zone: str) -> datetime | None:
        """The end of the chosen day; None for the policy's own deadline or none chosen."""
        zone = ZoneInfo(time_zone)
        chosen: date | None = self.cleaned_data.get("deadline")
        if chosen is None or chosen == earliest.astimezone(zone).date():
            return None
        return datetime.combine(chosen, time(23, 59), zone)
