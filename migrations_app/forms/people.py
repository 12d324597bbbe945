"""Forms of people and their answers: input to mend is named at its field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator

from inventory.category import CategoryName
from inventory.forms import LAST_DAY
from inventory.models import Mail, Scope, Team
from migrations_app.forms.names import NameField
from migrations_app.models import Delivery
from migrations_app.models.saved_view import NAME_LENGTH

REASON_LENGTH = 500
ANSWERS = (
    ("ours", "It is ours"),
    ("needed", "Yes, plan a replacement"),
    ("can-go", "No, it can go"),
    ("unsure", "I do not know yet"),
    ("not-ours", "Not ours"),
    ("dispute", "Dispute"),
    ("hand-over", "Hand over"),
    ("accept", "Take it"),
    ("decline", "Send it back"),
    ("undo", "Undo"),
)


class TeamField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """A team by its key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            Team.objects.filter(active=True),
            to_field_name="key",
            error_messages={
                "required": "Choose a team.",
                "invalid_choice": "There is no such team here.",
            },
            **options,
        )


class VersionForm(forms.Form):
    """What every action on one user carries: the version of the row that the person saw."""

    version = forms.IntegerField(min_value=0, required=False)


class ReasonForm(VersionForm):
    """A reason that somebody reads later."""

    reason = forms.CharField(
        max_length=REASON_LENGTH, error_messages={"required": "Say why, in a few words."}
    )


class RemovedForm(ReasonForm):
    """Where code let go of a user, with the digest of the signs that the person saw."""

    signs = forms.CharField(
        max_length=64, error_messages={"required": "Look at the user's page again first."}
    )


class NoteForm(VersionForm):
    """A note that may be left out."""

    reason = forms.CharField(max_length=REASON_LENGTH, required=False)


class SeenForm(forms.Form):
    """The category that the person was shown."""

    seen = forms.CharField(max_length=20, required=False)


class CategoryForm(SeenForm):
    """What an IAM user is for, and how the person knows."""

    category = forms.ChoiceField(
        choices=[(one.value, one.label) for one in CategoryName],
        error_messages={
            "required": "Choose one of the five categories.",
            "invalid_choice": "Choose one of the five categories.",
        },
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        error_messages={"required": "Say how you know, so that others can rely on it."},
    )


class UntilForm(ReasonForm):
    """A reason with an end date."""

    until = forms.DateField(
        error_messages={"required": "Say until when.", "invalid": "Write the date as 2025-04-02."}
    )


class ProtectForm(ReasonForm):
    """A reason, and an end date unless it is for good."""

    until = forms.DateField(
        required=False, error_messages={"invalid": "Write the date as 2025-04-02."}
    )


class TeamForm(NoteForm):
    """Another team, with a note."""

    team = TeamField()


class AnswerForm(VersionForm):
    """One answer on the claim page; a dispute needs reason and date, a hand-over a team."""

    said = forms.ChoiceField(
        choices=ANSWERS,
        error_messages={
            "required": "Choose an answer.",
            "invalid_choice": "That is no answer.",
        },
    )
    whose = TeamField(required=False)
    reason = forms.CharField(max_length=REASON_LENGTH, required=False)
    until = forms.DateField(
        required=False, error_messages={"invalid": "Write the date as 2025-04-02."}
    )

    def clean(self) -> dict[str, Any]:
        """What an answer needs beside itself."""
        data = super().clean() or {}
        said = data.get("said")
        if said == "dispute" and not data.get("reason"):
            self.add_error("reason", "Say what is wrong, so that Security can answer.")
        if said == "dispute" and not data.get("until") and "until" not in self.errors:
            self.add_error("until", "Say until when it must stay.")
        if said == "hand-over" and not data.get("whose") and "whose" not in self.errors:
            self.add_error("whose", "Choose the team to hand it to.")
        return data


class TokenForm(forms.Form):
    """A new personal token: what it is for, what it may do, how long."""

    name = NameField(max_length=100, error_messages={"required": "Say what it is for."})
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        error_messages={
            "required": "Choose at least one thing it may do.",
            "invalid_choice": "There is no such scope.",
        },
    )
    days = forms.TypedChoiceField(
        choices=[(1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")],
        coerce=int,
        error_messages={
            "required": "Choose how long it lives.",
            "invalid_choice": "Choose how long it lives.",
        },
    )


class MailForm(forms.Form):
    """Which messages a person gets by e-mail."""

    mail = forms.ChoiceField(
        choices=Mail.choices,
        error_messages={
            "required": "Choose what you get by e-mail.",
            "invalid_choice": "Choose what you get by e-mail.",
        },
    )


class MessageFilters(forms.Form):
    """Which messages the log shows; anything left empty does not narrow."""

    kind = forms.CharField(required=False, max_length=20)
    team = forms.ModelChoiceField(Team.objects.all(), to_field_name="key", required=False)
    channel = forms.ChoiceField(choices=Delivery.Channel.choices, required=False)
    status = forms.ChoiceField(
        choices=[*Delivery.Status.choices, ("unopened", "Nobody opened it")], required=False
    )
    user = forms.CharField(required=False, max_length=128)
    batch = forms.IntegerField(required=False, min_value=1, max_value=2_000_000_000)
    day = forms.DateField(required=False, validators=[MaxValueValidator(LAST_DAY)])
    before = forms.IntegerField(required=False, min_value=1, max_value=2**62)


class SavedViewForm(forms.Form):
    """The name of a view, and for whom it is kept."""

    name = NameField(
        max_length=NAME_LENGTH,
        error_messages={
            "required": "Give the view a name.",
            "max_length": f"Use at most {NAME_LENGTH} characters.",
        },
    )
    shared = forms.ChoiceField(
        choices=[("", "Only me"), ("everybody", "Everybody")],
        required=False,
        error_messages={"invalid_choice": "Keep it for yourself or for everybody."},
    )


class ImportForm(forms.Form):
    """A spreadsheet; what is in it is read elsewhere."""

    file = forms.FileField(
        max_length=255,
        error_messages={
            "required": "Choose a file.",
            "empty": "The file is empty. It needs a line of headers and one line per user.",
        },
    )


def problems(form: forms.Form) -> list[str]:
    """Every problem of a form as a sentence, for an answer without the form."""
    return [str(error) for errors in form.errors.values() for error in errors]
