"""Forms of batches, hits, restores and the emergency stop: input to mend is named at its field."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict

from inventory import ledger
from inventory.models import Account
from migrations_app.lifecycle import Method, MoveName
from migrations_app.models import Departure

REASON_LENGTH = 500
ONCE_LENGTH = 64


class ChoiceForm(forms.Form):
    """What kind of batch: account, move, method, and whether it cannot wait."""

    account = forms.ModelChoiceField(
        Account.objects.filter(active=True),
        to_field_name="account_id",
        error_messages={
            "required": "Choose an account.",
            "invalid_choice": "There is no such account here.",
        },
    )
    move = forms.ChoiceField(
        choices=[(MoveName.DISABLE.value, "Disable"), (MoveName.DELETE.value, "Delete")],
        error_messages={
            "required": "Choose whether to disable or to delete.",
            "invalid_choice": "A batch disables or deletes.",
        },
    )
    method = forms.ChoiceField(
        choices=[(method.value, method.value) for method in Method],
        required=False,
        initial=Method.FENCE.value,
    )
    urgent = forms.BooleanField(required=False)

    def clean_method(self) -> str:
        """Fence first, where nothing was chosen."""
        return self.cleaned_data.get("method") or Method.FENCE.value


class ComposeForm(ChoiceForm):
    """A new batch, with why it cannot wait, if it cannot."""

    reason = forms.CharField(required=False, max_length=REASON_LENGTH)
    # Random, and another one for each composing.
    once = forms.CharField(required=False, max_length=ONCE_LENGTH)

    def clean(self) -> dict[str, object]:
        """An urgent batch says why: it skips everything that waits."""
        data = super().clean() or {}
        if data.get("urgent") and not data.get("reason"):
            self.add_error("reason", "Say why this cannot wait: it skips notice and window.")
        return data

    def told(self) -> dict[str, Any]:
        """What the batch is to be, without whom it takes."""
        return {name: value for name, value in self.cleaned_data.items() if name != "once"}

    def sent(self, departures: Iterable[Departure]) -> str:
        """Digest of this very form with all that it asks; empty for one without an id of its own.

        Whoever goes back and ticks other users sends another form.
        """
        once = self.cleaned_data["once"]
        if not once:
            return ""
        told = {**self.told(), "account": self.cleaned_data["account"].pk}
        return ledger.digest([once, told, sorted(row.pk for row in departures)])


class MethodForm(forms.Form):
    """How to disable."""

    method = forms.ChoiceField(
        choices=[(method.value, method.value) for method in Method],
        error_messages={
            "required": "Choose how to disable: fence and watch, or shut at once.",
            "invalid_choice": "Choose how to disable: fence and watch, or shut at once.",
        },
    )


class MessageForm(forms.Form):
    """What owners are told beside the standard text."""

    message = forms.CharField(required=False, max_length=1000)


class ReasonForm(forms.Form):
    """A reason that somebody reads later."""

    reason = forms.CharField(
        max_length=REASON_LENGTH, error_messages={"required": "Say why, in a few words."}
    )


class NoteForm(forms.Form):
    """A reason that may be left out."""

    reason = forms.CharField(required=False, max_length=REASON_LENGTH)


class CommentForm(forms.Form):
    """What a person says about a batch or about one user in it."""

    text = forms.CharField(max_length=2000, error_messages={"required": "Write something first."})
    change = forms.IntegerField(required=False, min_value=1)


class ExtendForm(forms.Form):
    """Until when a user stays as it is, and why."""

    until = forms.DateField(
        error_messages={"required": "Say until when.", "invalid": "Write the date as 2025-04-02."},
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH, error_messages={"required": "Say why, in a few words."}
    )

    def __init__(self, data: QueryDict | None, *, first_day: date, last_day: date) -> None:
        super().__init__(data)
        self.fields["until"].validators += [
            MinValueValidator(first_day, "Choose a day that lies ahead."),
            MaxValueValidator(last_day, "Choose an earlier day; the last one stands below."),
        ]


class ApproveForm(forms.Form):
    """What the approver saw (its digest), the typed words of a delete, and overriding reasons."""

    digest = forms.CharField(
        max_length=64,
        error_messages={"required": "Look at the batch again, then approve what you see."},
    )
    words = forms.CharField(required=False, max_length=100)
