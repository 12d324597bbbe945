"""Who is in the account: how many of which kind, their names, their teams."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

CELLS: dict[tuple[str, str], int] = {
    ("human-console", "active"): 58,
    ("human-console", "dormant"): 24,
    ("human-console", "never-used"): 4,
    ("human-programmatic", "active"): 21,
    ("human-programmatic", "dormant"): 10,
    ("human-programmatic", "never-used"): 3,
    ("ci-cd", "active"): 28,
    ("ci-cd", "dormant"): 12,
    ("ci-cd", "never-used"): 2,
    ("third-party", "active"): 18,
    ("third-party", "dormant"): 8,
    ("third-party", "never-used"): 2,
    ("mystery", "active"): 4,
    ("mystery", "dormant"): 7,
    ("mystery", "never-used"): 4,
}
"""The reference case without its break-glass user: 129 in use, 61 dormant, 15 never used."""

TEAM_REGIONS = {
    "payments": "us-east-1",
    "platform": "eu-central-1",
    "data": "eu-west-1",
    "infrastructure": "us-west-2",
    "finance": "us-east-1",
    "marketing": "eu-west-1",
    "observability": "us-west-2",
    "security": "us-east-1",
}
TEAM_GROUP = {
    "payments": "developers", "platform": "ops", "data": "data-engineers",
    "infrastructure": "ops", "finance": "finance-readers", "marketing": "marketing",
    "observability": "ops", "security": "security-auditors",
}  # fmt: skip
PREFIXES = {
    "payments": "pay", "platform": "plat", "data": "data", "infrastructure": "infra",
    "finance": "fin", "marketing": "mkt", "observability": "obs", "security": "sec",
}  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "anna ben carla david elena felix greta hugo ines jan katja liam mona nils olga paul "
    "quinn rosa samir tina udo vera wim xenia yara zoe amir bianca cyril dana erik fatima "
    "goran hana igor julia kofi lena marco nadia oskar petra rafael selma timo ursula victor "
    "wanda yusuf zara "
)
_LAST = _words(
    "adler bauer costa dietz eriksen fischer garcia hansen ivanov jensen keller lopez meyer "
    "novak okafor petrov quist rossi schmidt tanaka ulrich vogel weber xu yilmaz ziegler "
    "ahmed berg chen demir engel fuchs gupta holm iqbal jung koch lang marin nowak "
)
_CI_TASKS = _words(
    "deploy build release e2e-tests migrations docs-publish image-scan terraform canary "
    "backup artifact-upload packer helm-sync db-snapshot nightly-report cache-warm lint-bot "
    "mirror "
)
_CI_HOSTS = ("jenkins", "github-actions", "gitlab", "circleci", "buildkite")
_VENDORS = _words(
    "datadog newrelic snowflake fivetran segment pagerduty sumologic cloudhealth spotinst "
    "lacework wiz stitch looker tableau zendesk twilio sendgrid okta-sync papertrail veeam "
    "druva cloudability grafana-cloud sentry mixpanel amplitude heap hubspot marketo "
    "salesforce "
)
_MYSTERIES = _words(
    "legacyapp test2 tmp3 old2 admin2 s3user oldsync mailer xfer copy7 thing import01 svc "
    "reports batchuser uploader prodbox keepme"
)


@dataclass
class Member:
    """One user to be made, and what is true about it.

    `quirks` are what `quirks.py` adds, `disguise` is how `disguises.py` hides what it is.
    """

    name: str
    category: str
    status: str
    team: str
    path: str = "/"
    rhythm: str = ""
    quirks: list[str] = field(default_factory=list)
    suggestable: bool = True
    disguise: str = ""


def people_words(pick: random.Random) -> tuple[str, str]:
    """A given name and a family name."""
    return pick.choice(_FIRST), pick.choice(_LAST)


def scaled(size: int) -> dict[tuple[str, str], int]:
    """The cells for `size` users, one of them the break-glass user; exact for 206."""
    total = sum(CELLS.values())
    shares = {cell: count * (size - 1) / total for cell, count in CELLS.items()}
    counts = {cell: int(share) for cell, share in shares.items()}
    by_rest = sorted(shares, key=lambda cell: counts[cell] - shares[cell])
    for cell in by_rest[: size - 1 - sum(counts.values())]:
        counts[cell] += 1
    return counts


class Names:
    """Gives names that fit a category, each once, whatever its case."""

    def __init__(self, seed: int, taken: list[str]) -> None:
        self._random = random.Random(f"{seed}-names")
        self._taken = {name.lower() for name in taken}

    def name(self, category: str, team: str) -> str:
        """A new name; a number is added when a good one is used up."""
        for attempt in range(1, 100_000):
            name = self._draw(category, team)
            if attempt > 20:
                name = f"{name}{attempt}"
            if name.lower() not in self._taken:
                self._taken.add(name.lower())
                return name
        raise ValueError(f"No names left for {category}.")

    def _draw(self, category: str, team: str) -> str:
        pick = self._random.choice
        first, last = pick(_FIRST), pick(_LAST)
        if category.startswith("human"):
            shape = self._random.random()
            if shape < 0.7:
                return f"{first}.{last}"
            return f"{first[0]}.{last}" if shape < 0.85 else f"{first}{last[0].upper()}"
        if category == "ci-cd":
            task, shape = pick(_CI_TASKS), self._random.random()
            if shape < 0.45:
                return f"ci-{PREFIXES[team]}-{task}"
            return f"{PREFIXES[team]}-{task}" if shape < 0.7 else f"{pick(_CI_HOSTS)}-{task}"
        if category == "third-party":
            return f"vendor-{pick(_VENDORS)}"
        return pick(_MYSTERIES)
