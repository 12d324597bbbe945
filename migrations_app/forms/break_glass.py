"""What people record of the break-glass user: a drill, a seal, what a use was."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django import forms

from migrations_app.forms.people import REASON_LENGTH

_WHEN = "Write day and time in UTC, as 2025-03-06 14:22."


class UtcField(forms.DateTimeField):
    """A day and time in UTC, as browsers send them or as somebody types them."""

    def __init__(self, label: str) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(
            label=f"{label}, UTC",
            widget=widget,
            input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
            error_messages={"required": "Say when, in UTC.", "invalid": _WHEN},
        )

    def to_python(self, value: str | datetime | date | None) -> datetime | None:
        told = super().to_python(value)
        return told.replace(tzinfo=UTC) if told is not None else None


def _text(label: str, longest: int, *, required: bool = False, words: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=longest,
        required=required,
        error_messages={"required": words} if words else None,
    )


class DrillForm(forms.Form):
    """A drill that took place."""

    at = UtcField("Began")
    until_at = UtcField("Was over")
    minutes = forms.IntegerField(
        label="Minutes until somebody was in", min_value=0, max_value=1440, required=False
    )
    note = _text("Note", REASON_LENGTH)


class SealForm(forms.Form):
    """An envelope that was sealed."""

    sealed_at = UtcField("Sealed")
    version = _text(
        "Version of the runbook in it", 40, required=True, words="Say which version is in it."
    )
    seal = _text("Number on the seal", 40, required=True, words="Say what stands on the seal.")
    place = _text("Where it lies", 80)
    seal_note = _text("Note", REASON_LENGTH)
