"""One door to all targets: facts and a person's choices go in, a draft comes out. Pure.

The choices stand in a row as plain JSON, checked by a form; here they become each target's own
values. What is missing is no error: the target then asks for it in its files and warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

from migrations_app.plans import (
    cross_account_role,
    eks,
    files,
    github_oidc,
    identity_center,
    identity_center_files,
    instance_profile,
    policy,
    secrets_manager,
    written,
)
from migrations_app.plans.directory import Directory
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts, Receiver, Repository
from migrations_app.plans.identity_center import Proposal, id_of
from migrations_app.plans.permission_sets import PermissionSet
from migrations_app.plans.policy import Policy
from migrations_app.plans.written import Place

Choices = Mapping[str, Any]
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One plan to be drafted."""

    target: str
    facts: PlanFacts
    choices: Choices


@dataclass(frozen=True, slots=True)
class Center:
    """Identity Center as far as it is known: nothing of it, unless somebody reads it."""

    existing: tuple[PermissionSet, ...] = ()
    directory: Directory = field(default_factory=Directory)


def drafts(
    wanted: Sequence[Wanted], people: Iterable[PlanFacts] = (), center: Center | None = None
) -> list[Draft]:
    """A draft for each, in order.

    `people`: everybody of these accounts who is to get a permission set, since those who do alike
    share one.
    """
    wanted = [_addressed(one) for one in wanted]
    proposal: Proposal | None = None
    if any(one.target == identity_center_files.TARGET for one in wanted):
        known = center or Center()
        persons = {id_of(one): one for one in people}
        persons |= {
            id_of(one.facts): one.facts
            for one in wanted
            if one.target == identity_center_files.TARGET
        }
        proposal = identity_center.propose(persons.values(), known.existing, known.directory)
    return [_one(each, proposal) for each in wanted]


def _addressed(wanted: Wanted) -> Wanted:
    """With the address that somebody gave of a user whom Terraform has."""
    address = str(wanted.choices.get("terraform_address", ""))
    if not (address and wanted.facts.terraform_managed):
        return wanted
    return replace(wanted, facts=replace(wanted.facts, terraform_managed=address))


def _one(wanted: Wanted, proposal: Proposal | None) -> Draft:
    facts, choices = wanted.facts, wanted.choices
    needs = policy.draft(facts)
    if wanted.target == identity_center_files.TARGET and proposal is not None:
        drawn = _person(facts, proposal)
    else:
        drawn = _TARGETS[wanted.target](facts, needs, choices)
    whole = files.complete(drawn, facts, needs)
    return replace(whole, notes=(_figures(needs), *whole.notes))


def _figures(needs: Policy) -> str:
    return f"{needs.words} {needs.dropped_words}"


def _person(facts: PlanFacts, proposal: Proposal) -> Draft:
    person = next(one for one in proposal.people if id_of(one.facts) == id_of(facts))
    for one in proposal.sets:
        if any(id_of(each.facts) == id_of(facts) for each in one.people):
            return identity_center_files.draft(one, person)
    title = f"{facts.user_name} used nothing that needs a right"
    told = "Ask whether the person needs access to this account at all."
    who = person.match
    to = Receiver("", "", who.user.id if who.user else "", who.why)
    return Draft(identity_center_files.TARGET, title, (), (), (told,), to=to)


def digest(made: Iterable[GeneratedFile]) -> str:
    """One value for all bytes of a draft."""
    found = sha256()
    for one in sorted(made):
        for part in (one.path, one.text):
            told = part.encode("utf-8", "surrogatepass")
            found.update(len(told).to_bytes(8, "big") + told)
    return found.hexdigest()


def repositories(facts: PlanFacts, choices: Choices) -> tuple[Repository, ...]:
    """The repository that a person named; else those of the facts, with a chosen branch."""
    name = str(choices.get("repository", ""))
    branches = tuple(choices.get("branches", ()))
    environments = tuple(choices.get("environments", ()))
    if not name:
        if not (branches or environments):
            return ()
        return tuple(
            replace(one, branches=branches, environments=environments) for one in facts.repositories
        )
    owner, _, repository = name.partition("/")
    known = next(
        (one for one in facts.repositories if (one.owner, one.name) == (owner, repository)), None
    )
    return (
        Repository(
            owner,
            repository,
            str(choices.get("owner_id", "")) or (known.owner_id if known else ""),
            str(choices.get("repository_id", "")) or (known.repository_id if known else ""),
            branches,
            environments,
        ),
    )


def _github(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    workflow = str(choices.get("workflow", ""))
    path = str(choices.get("workflow_path", "")) or ".github/workflows/deploy.yml"
    return github_oidc.draft(
        facts,
        needs,
        github_oidc.Choices(
            region=_region(choices),
            repositories=repositories(facts, choices),
            provider_exists=bool(choices.get("provider_exists")),
            workflows=((path, workflow),) if workflow else (),
            secrets=tuple(choices.get("secrets", ())),
        ),
    )


def _eks(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    return eks.draft(
        facts,
        needs,
        eks.Choices(
            cluster=str(choices.get("cluster", "")),
            namespace=str(choices.get("namespace", "")),
            service_account=str(choices.get("service_account", "")),
            region=_region(choices),
            irsa=bool(choices.get("irsa")),
            issuer=str(choices.get("issuer", "")),
            provider_exists=bool(choices.get("provider_exists")),
        ),
    )


def _instance(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    named = tuple(choices.get("instances", ()))
    chosen = instance_profile.Choices(instances=named, region=_region(choices))
    return instance_profile.draft(facts, needs, chosen)


def _vendor(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    return cross_account_role.draft(
        facts,
        needs,
        cross_account_role.Choices(
            vendor=str(choices.get("vendor", "")),
            vendor_account=str(choices.get("vendor_account", "")),
            vendor_role=str(choices.get("vendor_role", "")),
            external_id=str(choices.get("external_id", "")),
        ),
    )


def rotation(choices: Choices) -> secrets_manager.Choices:
    """What was said about a key that has to stay."""
    until = str(choices.get("until", ""))
    return secrets_manager.Choices(
        reason=str(choices.get("reason", "")),
        until=date.fromisoformat(until) if until else None,
        asked_by=str(choices.get("asked_by", "")),
        approved_by=str(choices.get("approved_by", "")),
        asked_name=str(choices.get("asked_name", "")),
        approved_name=str(choices.get("approved_name", "")),
        region=_region(choices),
    )


def _secret(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    return secrets_manager.draft(facts, needs, rotation(choices))


def _words(facts: PlanFacts, needs: Policy, choices: Choices) -> Draft:
    place = str(choices.get("place", ""))
    return written.draft(facts, needs, written.Choices(place=Place(place) if place else None))


def _region(choices: Choices) -> str:
    return str(choices.get("region", "")) or REGION


_TARGETS: Mapping[str, Callable[[PlanFacts, Policy, Choices], Draft]] = {
    github_oidc.TARGET: _github,
    eks.TARGET: _eks,
    instance_profile.TARGET: _instance,
    cross_account_role.TARGET: _vendor,
    secrets_manager.TARGET: _secret,
    written.TARGET: _words,
}
