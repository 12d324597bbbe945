"""One CI user with its facts, for tests of what the targets draft for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from inventory.callers import Caller
from migrations_app.plans.facts import PlanFacts, Repository, Widened
from migrations_app.plans.policy import Policy
from migrations_app.plans.statements import Statement, document

ACCOUNT = "123456789012"
SEEN = Statement(
    "SeenS3",
    actions=("s3:GetObject", "s3:PutObject"),
    resources=("arn:aws:s3:::shop/${aws:PrincipalTag/team}/*",),
    why=("s3:PutObject: Used on one day only, 2025-01-02.",),
)
POLICY = Policy(
    statements=(SEEN,),
    used=("s3:GetObject", "s3:PutObject"),
    granted=1240,
    widened=(Widened("s3:PutObject", "Used on one day only, 2025-01-02."),),
    notes=("A note of the policy.",),
    warnings=("A warning of the policy.",),
)
DOCUMENT = document(POLICY.statements)
NOTHING = Policy((), (), 1240, (), (), ())
SHOP = Repository("acme", "shop", branches=("main",), environments=("production",))
FACTS = PlanFacts(
    account_id=ACCOUNT,
    account_name="production",
    user_name="deploy-prod",
    user_id="AIDAEXAMPLEDEPLOY0001",
    arn=f"arn:aws:iam::{ACCOUNT}:user/deploy-prod",
    generated_at=datetime(2025, 3, 6, 14, tzinfo=UTC),
    evidence_from=datetime(2024, 12, 6, tzinfo=UTC),
    evidence_to=datetime(2025, 3, 6, tzinfo=UTC),
    category="ci-cd",
    tags=(("team", "platform"),),
    team="Platform",
    team_key="platform",
    key_ids=("AKIA…0001",),
    repositories=(SHOP,),
    user_agents=("aws-cli/2.15 md/GitHub",),
    callers=(
        Caller(
            kind="GitHub Actions",
            icon="brand-github",
            agents=("aws-cli/2.15 md/GitHub",),
            addresses=("192.0.2.7", "192.0.2.8"),
            address_count=318,
            calls=4021,
            first_at=datetime(2024, 12, 7, tzinfo=UTC),
            last_at=datetime(2025, 3, 6, tzinfo=UTC),
        ),
    ),
)


def named(name: str) -> PlanFacts:
    """The same user under a name that somebody chose to hurt."""
    return replace(
        FACTS,
        user_name=name,
        tags=((name, name),),
        team=name,
        user_agents=(name,),
        path=f"/{name}/",
    )


def long_policy(number: int) -> Policy:
    """A policy of so many statements of about 1,500 signs."""
    resources = tuple(f"arn:aws:s3:::bucket-{one:03}/*" for one in range(50))
    held = (
        Statement(f"Seen{one}", actions=(f"s3:Action{one}",), resources=resources)
        for one in range(number)
    )
    return replace(POLICY, statements=tuple(held))
