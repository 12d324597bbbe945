"""Every target's draft as it is handed over: one shape, safe paths, the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from migrations_app.models import Plan
from migrations_app.plans import (
    cross_account_role,
    eks,
    files,
    github_oidc,
    instance_profile,
    secrets_manager,
    written,
)
from migrations_app.plans.facts import Draft, PlanFacts
from migrations_app.plans.policy import Policy
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import FACTS, POLICY, named
from tests.migrations_app.plans.test_workflow import DEPLOY, PATH

Drafting = Callable[[PlanFacts, Policy], Draft]
DRAFTS: dict[str, Drafting] = {
    "github": lambda facts, policy: github_oidc.draft(
        facts, policy, github_oidc.Choices(workflows=((PATH, DEPLOY),))
    ),
    "pods": lambda facts, policy: eks.draft(facts, policy, eks.Choices("prod", "shop", "api")),
    "irsa": lambda facts, policy: eks.draft(
        facts, policy, eks.Choices("prod", "shop", "api", irsa=True, issuer="https://oidc.x/id/1")
    ),
    "instances": instance_profile.draft,
    "vendor": lambda facts, policy: cross_account_role.draft(
        facts, policy, cross_account_role.Choices("V", "834469178297", "", "external-id")
    ),
    "rotated": lambda facts, policy: secrets_manager.draft(
        facts, policy, secrets_manager.Choices("why", date(2026, 1, 1), "a", "b")
    ),
    "words": written.draft,
    "unknown": eks.draft,
}
HOSTILE = ["deploy-prod", "a.b@c", "=cmd|' /C calc'!A0", '"; rm -rf / #', "x\nname: y", "../../etc"]


@pytest.mark.parametrize("target", DRAFTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_draft_goes_into_a_zip_and_every_file_of_it_can_be_read(target: str, name: str) -> None:
    facts = replace(named(name), terraform_managed="module.ci.aws_iam_user.deploy")
    whole = files.complete(DRAFTS[target](facts, POLICY), facts, POLICY)
    parsing.check(whole.files)
    assert whole.target in Plan.Target.values
    packed = files.archive(files.together([files.Folder(facts, whole)]))
    assert packed == files.archive(files.together([files.Folder(facts, whole)]))
    with zipfile.ZipFile(io.BytesIO(packed)) as held:
        assert len(held.namelist()) == len(whole.files) + 1
    assert whole == files.complete(whole, facts, POLICY)


@pytest.mark.parametrize("target", DRAFTS)
def test_terraform_loads_a_draft_as_one_folder(target: str) -> None:
    whole = files.complete(DRAFTS[target](FACTS, POLICY), FACTS, POLICY)
    parsing.load_terraform(whole.files)


@pytest.mark.parametrize("target", [one for one in DRAFTS if one not in ("words", "unknown")])
def test_every_target_says_how_to_test_to_go_back_and_what_to_write_into_the_request(
    target: str,
) -> None:
    paths = {one.path for one in DRAFTS[target](FACTS, POLICY).files}
    assert {"HOW-TO-TEST.md", "HOW-TO-ROLL-BACK.md", "PULL-REQUEST.md", "main.tf"} <= paths


@pytest.mark.parametrize("target", DRAFTS)
def test_no_draft_loses_what_its_policy_has_to_say(target: str) -> None:
    told = DRAFTS[target](FACTS, POLICY)
    assert set(POLICY.warnings) <= set(told.warnings)
    assert set(POLICY.notes) <= set(told.notes)
    assert (told.used_actions, told.granted_actions) == (POLICY.used, POLICY.granted)
