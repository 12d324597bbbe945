"""Every target is drafted through one door, the same each time, whatever the choices hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from migrations_app.models import Plan
from migrations_app.plans import files
from migrations_app.plans.drafting import Wanted, digest, drafts, repositories
from migrations_app.plans.facts import Draft, Granted, Origin, PlanFacts, Used
from tests.migrations_app.plans.example import FACTS

LAST = FACTS.evidence_to - timedelta(days=1)
IN_USE = replace(
    FACTS,
    granted=(Granted(Origin("AdministratorAccess", "aws-managed"), actions=("*",)
                     , resources=("*",)),),
    used=(Used("ecs", "UpdateService", 512, FACTS.evidence_from, LAST, days=60),),
)  # fmt: skip
CHOICES: dict[str, dict[str, Any]] = {
    "github-oidc": {"repository": "acme/shop", "branches": ["main"], "secrets": ["AWS_KEY"]},
    "eks": {"cluster": "prod", "namespace": "pay", "service_account": "api"},
    "cross-account-role": {"vendor_account": "999988887777", "external_id": "abcdefgh"},
    "secrets-manager": {"reason": "old", "until": "2026-01-01", "asked_by": "a"},
    "other": {"place": "lambda"},
}


def one(target: str, choices: dict[str, Any] | None = None, facts: PlanFacts = IN_USE) -> Draft:
    told = CHOICES.get(target, {}) if choices is None else choices
    [found] = drafts([Wanted(target, facts, told)])
    return found


@pytest.mark.parametrize("target", Plan.Target.values)
def test_every_target_gives_files_figures_and_how_to_test(target: str) -> None:
    found = one(target)
    assert found.used_actions == ("ecs:UpdateService",)
    assert found.granted_actions > 10_000
    assert "Used 1 of" in found.notes[0]
    assert "README.md" in {file.path for file in found.files}
    files.archive(found.files)


@pytest.mark.parametrize("target", Plan.Target.values)
def test_the_same_facts_give_the_same_bytes(target: str) -> None:
    assert digest(one(target).files) == digest(one(target).files)


@pytest.mark.parametrize("target", Plan.Target.values)
def test_what_is_not_chosen_yet_is_asked_for_and_breaks_nothing(target: str) -> None:
    found = one(target, {})
    assert found.title
    assert found.target == target


def test_people_who_do_alike_share_a_permission_set() -> None:
    nina = replace(IN_USE, user_name="nina.haas", user_id="AIDANINA")
    tom = replace(IN_USE, user_name="tom.okafor", user_id="AIDATOM")
    [alone] = drafts([Wanted("identity-center", nina, {})], [tom])
    [other] = drafts([Wanted("identity-center", tom, {})], [nina])
    assert alone.to
    assert other.to
    assert alone.to.permission_set == other.to.permission_set


def test_who_used_nothing_gets_a_question_and_no_permission_set() -> None:
    idle = one("identity-center", facts=replace(IN_USE, used=()))
    assert idle.to
    assert (idle.to.permission_set, idle.to.group) == ("", "")
    assert any("needs access" in warning for warning in idle.warnings)


def test_a_chosen_repository_keeps_the_numbers_that_are_known() -> None:
    known = replace(FACTS.repositories[0], owner_id="1", repository_id="2")
    facts = replace(FACTS, repositories=(known,))
    [found] = repositories(facts, {"repository": "acme/shop", "branches": ["release"]})
    assert (found.owner_id, found.repository_id, found.branches) == ("1", "2", ("release",))
    [other] = repositories(facts, {"repository": "acme/other", "branches": ["main"]})
    assert (other.owner_id, other.repository_id) == ("", "")


def test_branches_alone_narrow_the_repositories_of_the_facts() -> None:
    [found] = repositories(FACTS, {"branches": ["release"]})
    assert (found.name, found.branches, found.environments) == ("shop", ("release",), ())
    assert repositories(FACTS, {}) == ()
