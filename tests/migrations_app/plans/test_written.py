"""A plan in words has the facts filled in and nothing to apply."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from migrations_app.plans.facts import Unlogged, Used
from migrations_app.plans.written import Choices, Place, draft, place_of
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import FACTS, POLICY, named


def test_the_page_says_what_is_known_of_the_user() -> None:
    facts = replace(
        FACTS,
        used=(Used("s3.amazonaws.com", "GetObject", 3, FACTS.evidence_from, FACTS.evidence_to),),
        unlogged=(Unlogged("dynamodb", FACTS.evidence_to),),
    )
    (page,) = draft(facts, POLICY, Choices(Place.ECS)).files
    for words in (
        "4021 calls from GitHub Actions (`192.0.2.7`, `192.0.2.8` and 316 more)",
        "last on 6 Mar 2025",
        "`s3.amazonaws.com`",
        "`dynamodb`",
        "`AKIA…0001`",
        "90 days of CloudTrail to 6 Mar 2025",
        "`Platform`",
        "ecs-tasks.amazonaws.com",
        "s3:PutObject",
        "`ecs-deploy-prod`",
    ):
        assert words in page.text


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("ECS task", Place.ECS),
        ("Lambda function", Place.LAMBDA),
        ("Jenkins", Place.OUTSIDE),
        ("Program", Place.UNKNOWN),
    ],
)
def test_the_place_is_as_the_callers_tell(kind: str, place: Place) -> None:
    (caller,) = FACTS.callers
    facts = replace(FACTS, callers=(replace(caller, kind=kind),))
    assert place_of(facts) == place
    assert draft(facts, POLICY).title == draft(facts, POLICY, Choices(place)).title


def test_roles_anywhere_warns_of_a_trust_without_conditions() -> None:
    told = draft(FACTS, POLICY, Choices(Place.OUTSIDE))
    assert "every certificate" in told.warnings[0]
    page = told.files[0].text
    assert "sts:SetSourceIdentity" in page
    assert "Still to be answered: which authority" in page
    known = draft(FACTS, POLICY, Choices(Place.OUTSIDE, "Corp CA")).files[0].text
    assert "Certificates come from `Corp CA`." in known


@settings(max_examples=25)
@given(parsing.NAMES)
def test_whatever_the_user_is_called_it_stays_one_page(name: str) -> None:
    facts = replace(named(name), callers=(replace(FACTS.callers[0], agents=(name,)),))
    for place in Place:
        told = draft(facts, POLICY, Choices(place, name))
        assert [(one.path, one.language) for one in told.files] == [("PLAN.md", "markdown")]
        titles = [line for line in told.files[0].text.splitlines() if line.startswith("# ")]
        assert len(titles) == 1
