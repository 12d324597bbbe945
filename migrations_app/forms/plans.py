"""What people choose for a plan, by target: everything that evidence does not tell.

What is refused here would stand in Terraform, in a trust policy or in a command, so each field
takes just the signs that AWS, GitHub or Kubernetes takes there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from inventory import clock
from migrations_app.forms.names import NameField
from migrations_app.models import Plan
from migrations_app.plans.written import Place

Target = Plan.Target
_PLACES = (
    ("", "As its callers tell"),
    (Place.ECS.value, "ECS"),
    (Place.LAMBDA.value, "Lambda"),
    (Place.OUTSIDE.value, "A machine outside AWS"),
)
_LONGEST_WORKFLOW = 60_000


class _Several(forms.CharField):
    """Words parted by commas, lines or spaces; not by spaces where `spaced` ones may be."""

    def __init__(
        self, pattern: str, words: str, most: int = 20, *, spaced: bool = False, **options: Any
    ) -> None:
        self._check, self._most = RegexValidator(rf"\A(?:{pattern})\Z", words), most
        self._apart = re.compile(r"[,\r\n]+" if spaced else r"[,\s]+")
        super().__init__(required=False, max_length=2000, **options)

    def clean(self, value: Any) -> list[str]:
        parts = (one.strip() for one in self._apart.split(super().clean(value)))
        told = list(dict.fromkeys(one for one in parts if one))
        if len(told) > self._most:
            raise forms.ValidationError(f"At most {self._most}.")
        for one in told:
            self._check(one)
        return told

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


def _matching(pattern: str, words: str, **options: Any) -> forms.CharField:
    options.setdefault("required", False)
    options.setdefault("max_length", 255)
    return forms.CharField(validators=[RegexValidator(rf"\A(?:{pattern})\Z", words)], **options)


def _region() -> forms.CharField:
    return _matching(
        r"[a-z]{2}(-[a-z]+)+-\d", "A Region is written like eu-west-1.", label="Region"
    )


def _role_name() -> forms.CharField:
    return _matching(
        r"[\w+=,.@-]{1,64}",
        "A role's name has at most 64 letters, digits and +=,.@_-",
        label="Made under another name",
        help_text="The role as it really stands in the account, so that its use is recognised.",
    )


_PLACE = r"""(\["[^"\[\]$%{}\\]{1,64}"\]|\[\d{1,6}\])?"""


class ChoicesForm(forms.Form):
    """The choices of one target as plain JSON: what was left empty is left out.

    Where the user is Terraform's stands on every form, if it is.
    """

    terraform_address = _matching(
        rf"(module\.[A-Za-z_][\w-]{{0,99}}{_PLACE}\.)*aws_iam_user\.[A-Za-z_][\w-]{{0,99}}{_PLACE}",
        "Write it as terraform state list does: module.ci.aws_iam_user.deploy.",
        label="Its address in Terraform",
        help_text="With it the plan holds the block by which Terraform lets go of the user.",
    )

    def __init__(self, *arguments: Any, in_terraform: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        address = self.fields.pop("terraform_address")
        if in_terraform:
            # Last: the other fields are about the way in.
            self.fields["terraform_address"] = address

    def kept(self) -> dict[str, Any]:
        told = {}
        for name, value in self.cleaned_data.items():
            if value not in ("", None, [], False):
                told[name] = value.isoformat() if isinstance(value, date) else value
        return told


class IdentityCenterForm(ChoicesForm):
    permission_set = _matching(
        r"[\w+=,.@-]{1,32}",
        "A permission set's name has at most 32 letters, digits and +=,.@_-",
        label="Permission set",
        help_text="The one this person really gets; without it the drafted one is watched.",
    )


class GithubForm(ChoicesForm):
    repository = _matching(
        r"[A-Za-z0-9-]{1,39}/[\w.-]{1,100}", "Write owner/name.", label="Repository"
    )
    branches = _Several(r"[\w./+@-]{1,250}", "No such branch can be.", label="Branches")
    environments = _Several(
        r"[\w.:/ -]{1,255}", "No such environment can be.", spaced=True, label="Environments"
    )
    owner_id = _matching(r"\d{1,20}", "GitHub's ids are numbers.", label="Owner's number")
    repository_id = _matching(
        r"\d{1,20}",
        "GitHub's ids are numbers.",
        label="Repository's number",
        help_text="With both, the immutable subject is trusted too.",
    )
    provider_exists = forms.BooleanField(required=False, label="The account has the provider")
    region = _region()
    workflow_path = _matching(
        r"\.github/workflows/[\w.-]{1,100}\.ya?ml",
        "A workflow stands in .github/workflows/.",
        label="Workflow file",
    )
    workflow = forms.CharField(
        required=False,
        strip=False,
        max_length=_LONGEST_WORKFLOW,
        label="Its text",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="As it is today. The plan then holds it with the role instead of the key.",
    )
    secrets = _Several(r"[A-Za-z_]\w{0,99}", "No such secret can be.", label="Secrets of the key")
    role_name = _role_name()

    def clean_workflow(self) -> str:
        # Browsers send every line of a text with a return; the diff must fit the file as it is.
        return str(self.cleaned_data["workflow"]).replace("\r\n", "\n")


class EksForm(ChoicesForm):
    cluster = _matching(r"[0-9A-Za-z][\w-]{0,99}", "No such cluster can be.", label="Cluster")
    namespace = _matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "No such namespace can be.", label="Namespace"
    )
    service_account = _matching(
        r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
        "No such service account can be.",
        label="Service account",
    )
    region = _region()
    irsa = forms.BooleanField(required=False, label="IRSA instead of Pod Identity")
    issuer = _matching(
        r"https://[A-Za-z0-9./-]{1,240}", "It begins with https://.", label="The cluster's issuer"
    )
    provider_exists = forms.BooleanField(required=False, label="The account has the provider")
    role_name = _role_name()


class InstanceForm(ChoicesForm):
    instances = _Several(r"i-[0-9a-f]{8,17}", "An instance is written i-0abc….", label="Instances")
    region = _region()
    role_name = _role_name()


class VendorForm(ChoicesForm):
    vendor = NameField(required=False, max_length=100, label="Vendor")
    vendor_account = _matching(r"\d{12}", "An account has 12 digits.", label="Vendor's account")
    vendor_role = _matching(
        r"[\w+=,.@/-]{1,512}",
        "Write the role's name, with its path if it has one.",
        label="Vendor's role, if it names one",
    )
    external_id = _matching(
        r"[\w+=,.@:/-]{2,1224}",
        "An external ID has letters, digits and +=,.@:/-_",
        max_length=1224,
        label="External ID",
        help_text="Left empty, one is drawn at random and kept.",
    )
    role_name = _role_name()


class RotationForm(ChoicesForm):
    reason = forms.CharField(
        max_length=500,
        label="Why can it not use a role?",
        error_messages={"required": "Say why it cannot use a role."},
    )
    until = forms.DateField(
        label="Until when?",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": "Say until when.", "invalid": "That is no date."},
    )
    region = _region()

    def clean_until(self) -> date:
        until: date = self.cleaned_data["until"]
        if until <= clock.now().date():
            raise forms.ValidationError("Choose a date in the future.")
        return until


class WordsForm(ChoicesForm):
    place = forms.ChoiceField(choices=_PLACES, required=False, label="Where it runs")
    role_name = _role_name()


_FORMS: Mapping[str, type[ChoicesForm]] = {
    Target.IDENTITY_CENTER: IdentityCenterForm,
    Target.GITHUB_OIDC: GithubForm,
    Target.EKS: EksForm,
    Target.INSTANCE_PROFILE: InstanceForm,
    Target.CROSS_ACCOUNT_ROLE: VendorForm,
    Target.SECRETS_MANAGER: RotationForm,
    Target.OTHER: WordsForm,
}


def choices_form(
    target: str,
    data: Any = None,
    initial: Mapping[str, Any] | None = None,
    *,
    in_terraform: bool = False,
) -> ChoicesForm:
    """The form of one target. `in_terraform`: signs say that Terraform has the user."""
    return _FORMS[target](data, initial=dict(initial or {}), in_terraform=in_terraform)


class TargetForm(forms.Form):
    """Another way out."""

    target = forms.ChoiceField(
        choices=Target.choices,
        error_messages={
            "required": "Choose another way from the list first.",
            "invalid_choice": "There is no such way out.",
        },
    )
