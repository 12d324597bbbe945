"""Users that do not look like what they are: in real accounts names lie, and tags are missing.

One in six or so of those drawn is disguised. What they hold and do stays that of their kind, as far
as the disguise does not say otherwise; the truth about them does not change.
"""

from __future__ import annotations

import random

from .cast import PREFIXES, Member, people_words

_NOUNS = (
    "orders", "invoices", "ledger", "media", "catalog", "stock", "routing", "pricing", "archive",
    "telemetry", "inventory", "rates", "payroll",
)  # fmt: skip
_FAMILY = ("travis", "drone", "wiz", "atlas", "argo", "sentry", "segment", "heap")
_PRODUCTS = ("snowflake", "datadog", "okta", "looker", "salesforce", "stripe")
_OUTSIDERS = ("metrics-reader", "cost-export", "insight-pull", "compliance-check", "ext-{n}",
              "acme-{noun}", "{noun}-feed")  # fmt: skip
SHARES = {
    "human-console": (0.10, ("machine-name",)),
    "human-programmatic": (0.24, ("family-name", "neutral-name", "terraform-at-home")),
    "ci-cd": (0.22, ("neutral-name", "product-name", "with-password")),
    "third-party": (0.24, ("neutral-name", "build-name", "with-password")),
    "mystery": (0.15, ("machine-name",)),
}
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) aws-sdk-go-v2/1.30"
_NAMED = frozenset({"with-password", "terraform-at-home"})


def disguise(members: list[Member], seed: int) -> None:
    """Give some of the drawn users another name, or hands that are not of their kind."""
    pick = random.Random(f"{seed}-disguises")
    taken = {member.name.lower() for member in members}
    for member in members:
        share, kinds = SHARES[member.category]
        if member.quirks or pick.random() >= share:
            continue
        member.disguise = pick.choice(kinds)
        if member.disguise in _NAMED:
            continue
        name = _name(member, pick)
        while name.lower() in taken:
            name = f"{name}{pick.randrange(2, 99)}"
        taken.add(name.lower())
        member.name = name
        if member.disguise == "neutral-name":
            member.path = "/"


def _name(member: Member, pick: random.Random) -> str:
    first, last = people_words(pick)
    noun, prefix = pick.choice(_NOUNS), PREFIXES[member.team]
    names = {
        ("human-console", "machine-name"): ("release-manager", f"{prefix}-backup-admin",
                                            f"ci-{prefix}-oncall", "build.master"),
        ("human-programmatic", "family-name"): (f"{pick.choice(_FAMILY)}.{last}",),
        ("human-programmatic", "neutral-name"): (f"{first}-laptop", f"{first[0]}{last}-cli",
                                                 f"dev-{first}", f"{first}{last[0]}-test"),
        ("ci-cd", "neutral-name"): (f"svc-{noun}", f"{prefix}-{noun}", f"prod-{noun}-2",
                                    f"{noun}-mover", "backup-ci"),
        ("ci-cd", "product-name"): (f"{pick.choice(_PRODUCTS)}-loader",
                                    f"{prefix}-{pick.choice(_PRODUCTS)}"),
        ("third-party", "neutral-name"): tuple(
            one.format(noun=noun, n=pick.randrange(1000, 9999)) for one in _OUTSIDERS
        ),
        ("third-party", "build-name"): ("build-insights", "pipeline-metrics", "release-radar"),
        ("mystery", "machine-name"): ("old-deploy", "tf-test", "deploy-tmp"),
    }  # fmt: skip
    return pick.choice(names[member.category, member.disguise])
