"""The new way in is recognised by its name, and a shared one by the person's session."""

from __future__ import annotations

import pytest

from migrations_app.plans.way_in import same_person, way_in


@pytest.mark.parametrize(
    ("target", "choices", "name"),
    [
        ("github-oidc", {}, "github-deploy-prod"),
        ("eks", {}, "eks-deploy-prod"),
        ("instance-profile", {}, "ec2-deploy-prod"),
        ("cross-account-role", {}, "vendor-deploy-prod"),
        ("cross-account-role", {"role_name": "fivetran-reader"}, "fivetran-reader"),
        ("identity-center", {"permission_set": "DataEngineer"}, "DataEngineer"),
        ("identity-center", {"role_name": "x"}, ""),
        ("secrets-manager", {}, ""),
        ("other", {}, ""),
        ("other", {"place": "unknown"}, ""),
        ("other", {"place": "lambda"}, "lambda-deploy-prod"),
    ],
)
def test_each_target_has_its_own_name(target: str, choices: dict[str, str], name: str) -> None:
    assert way_in(target, "deploy-prod", choices).name == name


@pytest.mark.parametrize(
    ("role", "is_it"),
    [
        ("AWSReservedSSO_DataEngineer_0123456789abcdef", True),
        ("AWSReservedSSO_DataEngineerPlus_0123456789abcdef", False),
        ("AWSReservedSSO_DataEngineer_0123456789abcdefff", False),
        ("DataEngineer", False),
    ],
)
def test_a_permission_set_is_known_by_the_role_that_aws_makes_of_it(
    role: str, *, is_it: bool
) -> None:
    assert way_in("identity-center", "x", {"permission_set": "DataEngineer"}).is_role(role) == is_it


def test_a_name_that_is_not_known_is_no_role() -> None:
    way = way_in("identity-center", "x", {})
    assert not way.is_role("AWSReservedSSO__0123456789abcdef")
    assert not way.is_role("")


def test_a_name_made_of_patterns_matches_itself_alone() -> None:
    way = way_in("identity-center", "x", {"permission_set": "a.+"})
    assert not way.is_role("AWSReservedSSO_abc_0123456789abcdef")
    assert way.is_role("AWSReservedSSO_a.+_0123456789abcdef")


@pytest.mark.parametrize(
    ("session", "user_name", "tags", "same"),
    [
        ("nina.haas@acme.example", "nina.haas", {}, True),
        ("NINA.HAAS@acme.example", "Nina.Haas", {}, True),
        ("nhaas@acme.example", "nina.haas", {"email": "nhaas@acme.example"}, True),
        ("nina@acme.example", "nina.haas", {}, False),
        ("", "nina.haas", {"email": ""}, False),
        ("@acme.example", "nina.haas", {"email": "@"}, False),
    ],
)
def test_a_session_is_the_persons_by_name_or_mail(
    session: str, user_name: str, tags: dict[str, str], *, same: bool
) -> None:
    assert same_person(session, user_name, tags) == same
