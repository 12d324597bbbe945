"""Ways out that are a plan in words: ECS, Lambda, and machines outside AWS. Pure.

What is known is filled in, what is not is asked. No files are made to be applied: how such a
workload is deployed differs too much for one that would be right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from migrations_app.plans import role, statements
from migrations_app.plans.facts import Draft, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import bullets, code, day, fenced, header, page, plain, steps
from migrations_app.plans.role import Document

TARGET = "other"


class Place(StrEnum):
    """Where the workload runs."""

    ECS = "ecs"
    LAMBDA = "lambda"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Choices:
    """`place` None: as its callers tell. `certificates`: whoever issues them, for machines."""

    place: Place | None = None
    certificates: str = ""


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    trust: Document
    steps: tuple[str, ...]
    test: str
    back: str


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """One page: what it does today, the way, how to test it, how to go back."""
    chosen = choices or Choices()
    place = chosen.place or place_of(facts)
    way = _WAYS[place]
    name = role.name_for(f"{place.value}-", facts.user_name)
    trust = [fenced(json.dumps(way.trust, indent=2).split("\n"), "json")] if way.trust else []
    plan = page(
        "PLAN.md",
        f"{way.title}: {facts.user_name}",
        " ".join(header(facts)[1:]),
        "## What it does today",
        bullets(_today(facts)),
        "## The new way",
        steps(one.replace("ROLE", code(name)) for one in way.steps),
        *(["The role trusts:", *trust] if trust else []),
        *_allowed(policy),
        "## How to test",
        way.test.replace("ROLE", code(name)),
        "## How to roll back",
        way.back,
        _certificates(place, chosen),
    )
    warnings = _WARNINGS.get(place, ())
    title = f"{way.title} for {facts.user_name}"
    return role.drafted(TARGET, title, [plan], policy, warnings=warnings)


def _allowed(policy: Policy) -> Iterator[str]:
    if not policy.statements:
        yield "Nothing was seen that it would need."
        return
    yield "The role may do:"
    yield fenced(statements.written(statements.document(policy.statements)).splitlines(), "json")
    yield bullets(f"{code(one.action)}: {plain(one.reason)}" for one in policy.widened)


def place_of(facts: PlanFacts) -> Place:
    """Where most of its calls came from, as far as the callers tell."""
    for caller in facts.callers:
        for kind, place in _KINDS:
            if caller.kind == kind:
                return place
    return Place.UNKNOWN


_KINDS = (
    ("ECS task", Place.ECS),
    ("Lambda function", Place.LAMBDA),
    ("Jenkins", Place.OUTSIDE),
    ("TeamCity", Place.OUTSIDE),
)


def _today(facts: PlanFacts) -> Iterable[str]:
    for caller in facts.callers[:5]:
        shown = ", ".join(map(code, caller.addresses))
        more = caller.address_count - len(caller.addresses)
        others = f" and {more} more" if more > 0 else ""
        yield (
            f"{caller.calls} calls from {caller.kind} ({shown}{others}), last on"
            f" {day(caller.last_at)}, as {', '.join(map(code, caller.agents))}."
        )
    services = sorted({one.service for one in facts.used})
    if services:
        yield f"Services: {', '.join(map(code, services))}."
    unlogged = sorted({one.service for one in facts.unlogged})
    if unlogged:
        yield f"Used without a line in CloudTrail: {', '.join(map(code, unlogged))}."
    if facts.key_ids:
        yield f"Access keys: {', '.join(map(code, facts.key_ids))}."
    yield f"Team: {code(facts.team) if facts.team else 'nobody yet'}."


def _certificates(place: Place, chosen: Choices) -> str:
    if place is not Place.OUTSIDE:
        return ""
    if chosen.certificates:
        return f"Certificates come from {code(chosen.certificates)}."
    return "Still to be answered: which authority issues and renews the certificates of machines?"


_ANYWHERE = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
_WAYS = {
    Place.ECS: _Way(
        "A task role in ECS",
        role.trusting({"Service": "ecs-tasks.amazonaws.com"}, {}, "sts:AssumeRole"),
        (
            "Make the role ROLE with the trust and the policy below.",
            "Name it as the task role (`taskRoleArn`) of the task definition. The execution role"
            " is another one: it pulls the image and needs none of this.",
            "Take the key out of the container's variables and secrets; a key there wins over the"
            " role.",
            "Register the task definition and let the service start new tasks.",
        ),
        "In a task, `aws sts get-caller-identity` names ROLE. CloudTrail shows it assumed by"
        " `ecs-tasks.amazonaws.com`.",
        "Set the service back to the task definition before. The key works until its user is"
        " disabled.",
    ),
    Place.LAMBDA: _Way(
        "An execution role of the function",
        role.trusting({"Service": "lambda.amazonaws.com"}, {}, "sts:AssumeRole"),
        (
            "The function has an execution role already: add the policy below to it. ROLE is only"
            " needed where several functions share one that is too wide.",
            "Take the key out of the function's variables and out of the code that hands it to the"
            " SDK; a client that is made with a key goes on using it.",
            "Publish a version and move the alias to it.",
        ),
        "Invoke the function. CloudTrail shows its calls under the execution role, with the"
        " function's name as session.",
        "Move the alias back to the version before. The key works until its user is disabled.",
    ),
    Place.OUTSIDE: _Way(
        "IAM Roles Anywhere",
        role.trusting({"Service": "rolesanywhere.amazonaws.com"}, {}, *_ANYWHERE),
        (
            "First see whether the machine can present an identity that AWS takes by OIDC; many"
            " build servers can, and then no certificate is needed.",
            "Make a trust anchor of the authority that issues the machines' certificates.",
            "Make the role ROLE. Narrow its trust to this trust anchor (`aws:SourceArn`) and to"
            " this machine's certificate (`aws:PrincipalTag/x509Subject/CN`): without both, every"
            " certificate of that authority can assume it.",
            "Make a profile with that role; sessions last an hour unless it says otherwise"
            " (15 minutes to 12 hours).",
            "Put certificate, private key and `aws_signing_helper` on the machine, and"
            " `credential_process` into its AWS configuration. Remove the stored key.",
            "Let somebody be told before the certificate ends.",
        ),
        "On the machine, `aws sts get-caller-identity` names ROLE. CloudTrail shows"
        " `CreateSession` of Roles Anywhere with the certificate's serial.",
        "Put the key back into the machine's AWS configuration. It works until its user is"
        " disabled.",
    ),
    Place.UNKNOWN: _Way(
        "A way to be found",
        {},
        (
            "Ask the team, with the addresses and programs above: what runs there, and who"
            " operates it?",
            "If it runs in AWS, it gets a role from where it runs. If it runs elsewhere, it gets"
            " one by OIDC or by IAM Roles Anywhere. If it is a person, a permission set.",
            "Then choose that way here, and the plan is drafted anew.",
        ),
        "Nothing to test yet.",
        "Nothing was changed.",
    ),
}
_WARNINGS = {
    Place.OUTSIDE: (
        "Without a condition on the trust anchor and the certificate, every certificate of that"
        " authority can assume the role.",
    ),
    Place.UNKNOWN: ("Nobody knows yet what runs with this key.",),
}
