"""A service account in Kubernetes, and no other, gets the role."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from migrations_app.plans.eks import Choices, draft
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import ACCOUNT, FACTS, POLICY, named

PODS = Choices("prod", "monitoring", "lag-exporter", "eu-west-1")
ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF0123"
IRSA = Choices("prod", "monitoring", "lag-exporter", "eu-west-1", irsa=True, issuer=ISSUER)


def trust(choices: Choices) -> object:
    (statement,) = json.loads(parsing.file(draft(FACTS, POLICY, choices), "trust-policy.json"))[
        "Statement"
    ]
    return statement


def test_pod_identity_trusts_one_service_and_one_service_account() -> None:
    assert trust(PODS) == {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                "aws:RequestTag/kubernetes-namespace": "monitoring",
                "aws:RequestTag/kubernetes-service-account": "lag-exporter",
            }
        },
    }
    told = draft(FACTS, POLICY, PODS)
    parsing.check(told.files)
    found = parsing.hcl(parsing.file(told, "main.tf"))
    association = found["aws_eks_pod_identity_association." + _label(found)]
    assert parsing.meant(association["service_account"]) == "lag-exporter"
    assert association["role_arn"] == f"${{aws_iam_role.{_label(found)}.arn}}"
    assert not any("openid" in name for name in found)
    calls = parsing.calls(parsing.file(told, "create.sh"))
    assert calls[-1][:2] == ["eks", "create-pod-identity-association"]
    assert f"--role-arn=arn:aws:iam::{ACCOUNT}:role/eks-deploy-prod" in calls[-1]


def _label(found: dict[str, Any]) -> str:
    return next(name.partition(".")[2] for name in found if name.startswith("aws_iam_role."))


def test_irsa_trusts_the_subject_and_the_audience_of_one_cluster() -> None:
    issuer = ISSUER.removeprefix("https://")
    assert trust(IRSA) == {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": "system:serviceaccount:monitoring:lag-exporter",
            }
        },
    }
    told = draft(FACTS, POLICY, IRSA)
    parsing.check(told.files)
    assert "aws_iam_openid_connect_provider.cluster" in parsing.hcl(parsing.file(told, "main.tf"))
    account = YAML(typ="safe").load(parsing.file(told, "service-account.yml"))
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": f"arn:aws:iam::{ACCOUNT}:role/eks-deploy-prod"
    }


@pytest.mark.parametrize(
    ("choices", "missing"),
    [
        (Choices(), "The namespace"),
        (Choices("prod", "Not A Label", "x"), "The namespace"),
        (Choices("prod", "x", "*"), "The service account"),
        (Choices("prod", "x", "y", irsa=True, issuer="http://x"), "OIDC issuer"),
    ],
)
def test_nobody_is_trusted_until_it_is_known_who(choices: Choices, missing: str) -> None:
    told = draft(FACTS, POLICY, choices)
    assert [one.path for one in told.files] == ["WHAT-IS-MISSING.md"]
    assert any(missing in one for one in told.warnings)


def test_the_key_that_wins_over_the_role_is_named() -> None:
    assert any("wins over the role" in note for note in draft(FACTS, POLICY, PODS).warnings)


@settings(max_examples=20)
@given(parsing.NAMES)
def test_whatever_the_user_is_called_every_file_can_be_read(name: str) -> None:
    for choices in (PODS, IRSA, Choices(name, name, name)):
        told = draft(named(name), POLICY, choices)
        parsing.check(tuple(one for one in told.files if one.language != "hcl"))
        for one in told.files:
            if one.language == "hcl":
                assert parsing.hcl(one.text)
        assert told == draft(named(name), POLICY, choices)
