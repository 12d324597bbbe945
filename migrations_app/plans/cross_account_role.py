"""A vendor assumes a role from its own account instead of holding a key of ours. Pure.

The external ID comes first: it keeps the vendor from being made to use our role for another of its
customers. The vendor makes it, one for each customer, or we make it at random; it is no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.plans import role
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import bullets, code, fenced, page, steps, word

TARGET = "cross-account-role"
_ACCOUNT = re.compile(r"\d{12}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_ROLE = re.compile(r"[A-Za-z0-9_+=,.@/-]{1,512}")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the vendor answered. `vendor_role`: the path and name of its role, where it names one.

    `external_id` is made by whoever asks, at random, and kept: the same plan keeps the same one.
    """

    vendor: str = ""
    vendor_account: str = ""
    vendor_role: str = ""
    external_id: str = ""
    session_seconds: int = 3600


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """The role, or the questions to the vendor."""
    chosen = choices or Choices()
    name = role.name_for("vendor-", facts.user_name)
    title = f"{chosen.vendor or 'The vendor'} assumes {name}"
    missing = tuple(_missing(facts, chosen))
    if missing:
        asked = [_questions(facts, name, missing)]
        return role.drafted(TARGET, title, asked, policy, warnings=missing)
    exact = {"StringEquals": {"sts:ExternalId": chosen.external_id}}
    principal = f"arn:{facts.partition}:iam::{chosen.vendor_account}:{_who(chosen)}"
    held = role.Role(
        name,
        role.trusting({"AWS": principal}, exact, "sts:AssumeRole"),
        policy.statements,
        role.description(facts, "Assumed by a vendor"),
        facts.user_id,
        chosen.session_seconds,
    )
    files = [
        role.terraform(facts, held),
        role.script(facts, held),
        *role.documents(held),
        _message(facts, held, chosen),
        _test(facts, held, chosen),
        _roll_back(facts, held),
        _pull_request(facts, held, chosen, principal),
    ]
    notes = _notes(chosen)
    return role.drafted(TARGET, title, files, policy, notes=notes, warnings=held.warnings)


def _who(chosen: Choices) -> str:
    return f"role/{chosen.vendor_role}" if chosen.vendor_role else "root"


def _missing(facts: PlanFacts, chosen: Choices) -> Iterator[str]:
    if not _EXTERNAL_ID.fullmatch(chosen.external_id):
        yield "There is no external ID yet; without one the role would be open to a confusion."
    if not _ACCOUNT.fullmatch(chosen.vendor_account):
        yield "The vendor's AWS account is not known."
    elif chosen.vendor_account == facts.account_id:
        yield "The vendor's AWS account is this very account, so it is none of the vendor's."
    if chosen.vendor_role and not _ROLE.fullmatch(chosen.vendor_role):
        yield "The vendor's role has a name that IAM does not take."
    if not 900 <= chosen.session_seconds <= 43200:
        yield "A session lasts 15 minutes to 12 hours."


def _notes(chosen: Choices) -> tuple[str, ...]:
    told = ["The external ID is no secret, and it is for this vendor and this account alone."]
    if not chosen.vendor_role:
        told.append("Everybody in the vendor's account may be let in. Ask which role it uses.")
    return tuple(told)


def _message(facts: PlanFacts, held: role.Role, chosen: Choices) -> GeneratedFile:
    return page(
        "TO-THE-VENDOR.md",
        "Please assume a role instead of using our access key",
        "We are replacing the access key that you hold. Please switch to this role:",
        bullets(
            [
                f"role ARN: {code(role.arn(facts, held.name))}",
                f"external ID: {code(chosen.external_id)}",
                f"longest session: {chosen.session_seconds // 60} minutes",
            ]
        ),
        "Tell us when you use it. The key then stops working; until that day it goes on as it is.",
        "If your product cannot assume a role, tell us until when it cannot.",
    )


def _test(facts: PlanFacts, held: role.Role, chosen: Choices) -> GeneratedFile:
    arn = word(role.arn(facts, held.name))
    call = f"aws sts assume-role --role-arn={arn} --role-session-name=test"
    return page(
        "HOW-TO-TEST.md",
        f"Test {held.name}",
        steps(
            [
                "The vendor connects with the role, and its product shows our data.",
                "The vendor tries it once without the external ID and is refused with"
                f" {code('AccessDenied')}: if it is let in, the trust is wrong.",
                "The plan turns to Tested by itself once CloudTrail shows the role assumed from"
                f" account {code(chosen.vendor_account)}.",
            ]
        ),
        "What the vendor runs, in its account:",
        fenced([f"{call} --external-id={word(chosen.external_id)}", f"{call}  # refused"]),
    )


def _roll_back(facts: PlanFacts, held: role.Role) -> GeneratedFile:
    return page(
        "HOW-TO-ROLL-BACK.md",
        f"Go back from {held.name}",
        "The vendor enters the key again. It works until its user is disabled.",
        "When the vendor does not use the role any more:",
        fenced(role.undo(facts, held)),
    )


def _pull_request(
    facts: PlanFacts, held: role.Role, chosen: Choices, principal: str
) -> GeneratedFile:
    return page(
        "PULL-REQUEST.md",
        f"Let {chosen.vendor or 'the vendor'} assume a role",
        f"The vendor held the access key of the IAM user {code(facts.user_name)}. It now assumes"
        f" the role {code(held.name)} from {code(principal)}, with an external ID.",
    )


def _questions(facts: PlanFacts, name: str, missing: tuple[str, ...]) -> GeneratedFile:
    seen = [code(address) for caller in facts.callers for address in caller.addresses[:3]]
    return page(
        "QUESTIONS-TO-THE-VENDOR.md",
        "Before the role can be made",
        bullets(missing),
        "Ask the vendor:",
        steps(
            [
                "Can your product assume a role in our account instead of using an access key?",
                "From which AWS account and role?",
                "Which external ID have you made for us? (If none: we make one.)",
                "How long does one session have to last?",
            ]
        ),
        f"The role will be called {code(name)}. Its calls came from {', '.join(seen)}."
        if seen
        else f"The role will be called {code(name)}.",
        "If the answer to the first is no, a rotated key in Secrets Manager is the last resort.",
    )
