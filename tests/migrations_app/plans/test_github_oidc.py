"""A pipeline on GitHub assumes a role that exactly its branches and environments may assume."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings

from migrations_app.plans.facts import Repository
from migrations_app.plans.github_oidc import Choices, draft, subjects
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import ACCOUNT, FACTS, POLICY, SHOP, named
from tests.migrations_app.plans.test_workflow import DEPLOY, ENV_ONLY, PATH

PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
WITH_FILES = Choices(workflows=((PATH, DEPLOY), (".github/workflows/pr.yml", ENV_ONLY + "#\n")))


def test_only_exact_branches_and_environments_are_trusted() -> None:
    trust = json.loads(parsing.file(draft(FACTS, POLICY), "trust-policy.json"))
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                    "token.actions.githubusercontent.com:sub": [
                        "repo:acme/shop:environment:production",
                        "repo:acme/shop:ref:refs/heads/main",
                    ],
                }
            },
        }
    ]


def test_both_forms_of_the_subject_stand_where_the_ids_are_known() -> None:
    known = replace(SHOP, owner_id="123456", repository_id="456789", environments=("eu:1",))
    assert subjects((known,)) == (
        "repo:acme/shop:environment:eu%3A1",
        "repo:acme/shop:ref:refs/heads/main",
        "repo:acme@123456/shop@456789:environment:eu%3A1",
        "repo:acme@123456/shop@456789:ref:refs/heads/main",
    )
    assert draft(replace(FACTS, repositories=(known,)), POLICY).notes == POLICY.notes
    assert "15 July 2026" in draft(FACTS, POLICY).notes[0]


def test_the_provider_needs_its_address_and_no_thumbprint() -> None:
    found = parsing.hcl(parsing.file(draft(FACTS, POLICY), "main.tf"))
    provider = found["aws_iam_openid_connect_provider.github"]
    assert parsing.meant(provider["url"]) == "https://token.actions.githubusercontent.com"
    assert "thumbprint_list" not in provider
    there = draft(FACTS, POLICY, Choices(provider_exists=True))
    terraform = parsing.file(there, "main.tf")
    assert "openid_connect_provider" not in terraform
    assert "depends_on" not in terraform


def test_the_commands_make_a_provider_only_where_there_is_none() -> None:
    script = parsing.file(draft(FACTS, POLICY), "create.sh")
    calls = parsing.calls(script)
    assert [call[1] for call in calls] == [
        "get-open-id-connect-provider",
        "create-role",
        "put-role-policy",
    ]
    assert calls[1][2] == "--role-name=github-deploy-prod"


def test_without_a_branch_or_environment_nobody_is_trusted() -> None:
    for repositories in ((), (Repository("acme", "shop"),)):
        told = draft(replace(FACTS, repositories=repositories), POLICY)
        assert [one.path for one in told.files] == ["WHAT-IS-MISSING.md"]
        assert "nobody can be trusted" in told.warnings[0]


def test_the_given_workflows_are_changed_and_the_others_named_with_the_reason() -> None:
    told = draft(FACTS, POLICY, WITH_FILES)
    parsing.check(told.files)
    changed = parsing.file(told, "workflows/1-deploy.yml")
    assert f"role-to-assume: arn:aws:iam::{ACCOUNT}:role/github-deploy-prod" in changed
    assert parsing.file(told, "workflows.diff").count("+++ b/") == 2
    afterwards = parsing.file(told, "AFTERWARDS.md")
    assert "gh secret delete PROD_KEY_ID --repo=acme/shop --env=production" in afterwards
    reusable = Choices(workflows=((PATH, DEPLOY.replace("\non:", "\non:\n  workflow_call:")),))
    left = draft(FACTS, POLICY, reusable)
    assert any("Other workflows call it" in one for one in left.warnings)
    assert "Other workflows call it" in parsing.file(left, "PULL-REQUEST.md")


def test_the_same_facts_give_the_same_bytes_whatever_their_order() -> None:
    more = Repository("acme", "api", branches=("release", "main"))
    one = draft(replace(FACTS, repositories=(SHOP, more)), POLICY, WITH_FILES)
    turned = Choices(workflows=WITH_FILES.workflows[::-1])
    again = Repository("acme", "api", branches=("main", "release"))
    assert draft(replace(FACTS, repositories=(again, SHOP)), POLICY, turned) == one


@settings(max_examples=25)
@given(name=parsing.NAMES, branch=parsing.NAMES)
def test_whatever_anything_is_called_every_file_can_be_read(name: str, branch: str) -> None:
    repository = Repository(name, branch, name, branch, (branch,), (name,))
    told = draft(replace(named(name), repositories=(repository,)), POLICY)
    for one in told.files:
        if one.language != "hcl":
            parsing.check((one,))
    found = parsing.hcl(parsing.file(told, "main.tf"))
    (trust,) = (one["assume_role_policy"] for one in found.values() if "assume_role_policy" in one)
    assert parsing.policy(trust) == json.loads(parsing.file(told, "trust-policy.json"))
    assert [call[1] for call in parsing.calls(parsing.file(told, "create.sh"))] == [
        "get-open-id-connect-provider",
        "create-role",
        "put-role-policy",
    ]
