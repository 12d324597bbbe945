"""Signs that code or an AWS service made an IAM user, and how to let go of it there. Pure.

A CloudFormation stack tag is sure; Terraform and others are told by a tag or by what created the
user, which AWS cannot disprove. Both block a deletion: the next apply makes the user again. A
person may record that it was removed from the code; that holds while the signs stay the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from inventory.referrers.references import Reference

CLOUDFORMATION, DECLARED, MANAGED, MADE_BY = "cloudformation", "declared", "managed", "made-by"
KINDS = frozenset({CLOUDFORMATION, DECLARED, MANAGED, MADE_BY})
_STACK = "aws:cloudformation:stack-name"
_MANAGED_BY = ("managedby", "managed-by", "managed_by", "createdby", "created-by", "provisioner")
_TOOLS = {
    "terraform": "Terraform",
    "opentofu": "OpenTofu",
    "pulumi": "Pulumi",
    "cloudformation": "CloudFormation",
    "cdk": "CloudFormation",
    "crossplane": "Crossplane",
    "ansible": "Ansible",
}
_NO = frozenset({"false", "no", "0", "none"})
_STATE = (
    "Take it out of the code first: a removed block with destroy = false, or state rm, so that the"
    " next apply neither deletes it nor makes it again."
)
_FIXES = {
    "Terraform": _STATE,
    "OpenTofu": _STATE,
    "CloudFormation": (
        "Set DeletionPolicy: Retain in the template and deploy it, then take the user out of the"
        " template first."
    ),
    "Pulumi": "Mark it retainOnDelete and take it out of the program first, or state delete it.",
}
_MADE = (
    (
        "ses-smtp-user.",
        "Amazon SES",
        "Made by Amazon SES for SMTP; its key is the SMTP password of an application",
        "Make new SMTP credentials in SES and give them to the application first.",
    ),
    (
        "bedrockapikey-",
        "Amazon Bedrock",
        "Made by Amazon Bedrock for a long-term API key",
        "Give the application a short-term key or a role, then delete the API key in Bedrock.",
    ),
)


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign: the tool or stack, the words for it, and what exactly was seen."""

    kind: str
    name: str
    text: str
    seen: str


def of_origin(
    user_name: str, tags: Mapping[str, str], created_with: str, removed: str
) -> list[Reference]:
    """What made this user, as references. `removed` is the digest of the signs that a person
    recorded as removed from the code; other signs by now, and it counts no longer.
    """
    signs = _signs(tags, created_with)
    gone = bool(signs) and removed == _digest(signs)
    found = [_declared(sign, gone=gone) for sign in signs]
    managed = _managed_by(tags)
    if managed and not signs:
        text = f"Tagged {managed[0]}={managed[1]}; whoever that is may make it again"
        found.append(Reference(MANAGED, managed[1], text))
    for prefix, service, text, fix in _MADE:
        if user_name.lower().startswith(prefix):
            found.append(Reference(MADE_BY, service, text, fix=fix))
    return found


def signs_digest(tags: Mapping[str, str], created_with: str) -> str:
    """What a person sees when recording "removed from code", as one value; "" without a sign."""
    signs = _signs(tags, created_with)
    return _digest(signs) if signs else ""


def _declared(sign: Sign, *, gone: bool) -> Reference:
    fix = _FIXES.get(
        "CloudFormation" if sign.kind == CLOUDFORMATION else sign.name,
        "Take it out of the code first.",
    )
    fix = f"{fix} Then record here that it was removed."
    made = Reference(sign.kind, sign.name, sign.text, blocks=True, fix=fix)
    if gone:
        text = f"{sign.text}; recorded as removed from the code"
        return replace(made, text=text, blocks=False, fix="")
    return made


def _signs(tags: Mapping[str, str], created_with: str) -> list[Sign]:
    """Every sign, each tool once: what a person says of one of them says nothing of another."""
    found = []
    for key, value in sorted(tags.items()):
        if key.lower() == _STACK and value:
            text = "Declared in a CloudFormation stack"
            found.append(Sign(CLOUDFORMATION, value, text, f"{_STACK}={value}"))
        elif tool := _tool_of_tag(key.lower(), value):
            found.append(Sign(DECLARED, tool, f"Tagged {key}={value}", f"{key}={value}"))
    made_by = _tool(created_with)
    known = {"CloudFormation" if one.kind == CLOUDFORMATION else one.name for one in found}
    if made_by and made_by not in known:
        found.append(Sign(DECLARED, made_by, f"Created by {made_by}", f"created-with={made_by}"))
    once = {(one.kind, one.name): one for one in reversed(found)}
    return sorted(once.values(), key=lambda one: (one.kind, one.name))


def _tool_of_tag(key: str, value: str) -> str:
    if key in _MANAGED_BY:
        return _tool(value)
    if key.startswith("pulumi:") or key in _TOOLS:
        return "" if value.lower() in _NO else _tool(key)
    return ""


def _tool(text: str) -> str:
    low = text.lower()
    return next((tool for word, tool in _TOOLS.items() if word in low), "")


def _managed_by(tags: Mapping[str, str]) -> tuple[str, str] | None:
    return next(
        ((key, value) for key, value in sorted(tags.items()) if key.lower() in _MANAGED_BY[:3]),
        None,
    )


def _digest(signs: list[Sign]) -> str:
    return hashlib.sha256("\n".join(sign.seen for sign in signs).encode()).hexdigest()
