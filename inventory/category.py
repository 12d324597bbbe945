"""What an IAM user is for, from what it holds, is called and does. Pure.

Each sign speaks for one category with a weight; the category with most weight wins, and how far it
is ahead makes the confidence. Without any sign it is a mystery.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CategoryName(StrEnum):
    """What for, with its label, colour token and icon."""

    label: str
    colour: str
    icon: str

    def __new__(cls, value: str, label: str, colour: str, icon: str) -> CategoryName:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.colour, member.icon = label, colour, icon
        return member

    HUMAN_CONSOLE = ("human-console", "Human, console", "ink", "user")
    HUMAN_PROGRAMMATIC = ("human-programmatic", "Human, programmatic", "ink", "terminal-2")
    CI_CD = ("ci-cd", "CI/CD", "ink", "git-branch")
    THIRD_PARTY = ("third-party", "Third party", "ink", "building")
    MYSTERY = ("mystery", "Mystery", "attention", "help-circle")


@dataclass(frozen=True, slots=True)
class Signs:
    """What the category is told by. `user_agents` and `callers` with the count of calls."""

    user_name: str
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    has_console_password: bool = False
    has_mfa: bool = False
    signed_in: bool = False
    access_keys: int = 0
    user_agents: Mapping[str, int] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    trusted_externally: bool = False


@dataclass(frozen=True, slots=True)
class Category:
    """A category with its reasons; `confidence`: high | medium | low."""

    name: CategoryName
    confidence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sign:
    name: CategoryName
    weight: int
    text: str


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", text.lower()) if word}


_CI_WORDS = _words(
    """
    ci cd cicd deploy deployer deployment build builder pipeline jenkins gitlab github
    circleci travis terraform tf ansible codebuild codepipeline actions runner release packer
    argocd argo spinnaker buildkite bamboo teamcity drone bitbucket atlantis publish ecr helm
    """
)
_VENDOR_WORDS = _words(
    """
    datadog newrelic snowflake pagerduty splunk sumologic sumo logicmonitor dynatrace
    cloudhealth cloudability cloudcheckr spotinst spot vendor partner thirdparty external
    fivetran stitch segment looker tableau databricks mongodb atlas twilio sendgrid mailgun
    okta onelogin crowdstrike lacework wiz orca prisma qualys rapid7 tenable nessus veeam n2ws
    commvault zendesk salesforce hubspot workato zapier mulesoft auditor audit consultancy
    agency contractor elastic grafana sentry honeycomb loggly papertrail statuspage opsgenie
    vanta drata kubecost vantage metabase redash cloudflare fastly akamai rubrik druva stripe
    shopify netsuite sap backup scanner
    """
)
_WORKLOAD_WORDS = _words(
    """
    svc service app api bot cron batch job worker etl lambda ses smtp s3 sync reader writer
    upload script export import report backend
    """
)
_CI_AGENTS = re.compile(
    r"terraform|jenkins|github|gitlab|codebuild|circleci|actions|packer|ansible|pulumi|argo"
    r"|buildkite|bamboo|teamcity|travis|cdk|serverless|spinnaker|atlantis|drone|bitbucket|exec-env/ci",
    re.IGNORECASE,
)
_VENDOR_AGENTS = re.compile(
    "|".join(re.escape(word) for word in sorted(_VENDOR_WORDS) if len(word) > 4), re.IGNORECASE
)
_CONSOLE_AGENTS = re.compile(r"mozilla|signin\.|console\.|aws internal|s3console", re.IGNORECASE)
_LAPTOP_AGENTS = re.compile(r"darwin|macos|windows|md/prompt|command/|os/macos", re.IGNORECASE)
_PERSON = re.compile(r"^[a-z]{2,}[._-][a-z]{2,}$|^[^@\s]+@[^@\s]+\.[a-z]{2,}$", re.IGNORECASE)
_TAG_KEYS = frozenset(
    {"type", "kind", "category", "purpose", "usage", "role", "use", "description"}
)
_REPOSITORY_KEYS = frozenset({"repo", "repository", "github", "gitlab", "pipeline", "project-url"})
_VENDOR_KEYS = frozenset({"vendor", "partner", "third-party", "thirdparty", "supplier", "contract"})
_PERSON_KEYS = frozenset({"email", "mail", "employee", "employee-id", "employeeid", "person"})


def category(signs: Signs) -> Category:
    """The category of a user with these signs."""
    weights: dict[CategoryName, int] = defaultdict(int)
    reasons: dict[CategoryName, list[str]] = defaultdict(list)
    for sign in _signs(signs):
        weights[sign.name] += sign.weight
        reasons[sign.name].append(sign.text)
    ranked = sorted(weights, key=lambda name: weights[name], reverse=True)
    if not ranked or weights[ranked[0]] < 2:
        return Category(CategoryName.MYSTERY, "low", ("Nothing tells what it is for.",))
    best = ranked[0]
    ahead = weights[best] - (weights[ranked[1]] if len(ranked) > 1 else 0)
    strong = weights[best] >= 4
    confidence = "high" if strong and ahead >= 3 else "medium" if ahead >= 2 else "low"
    return Category(best, confidence, tuple(reasons[best]))


def _signs(signs: Signs) -> Iterator[_Sign]:
    yield from _by_credentials(signs)
    yield from _by_name(signs)
    yield from _by_tags(signs)
    yield from _by_agents(signs)


def _by_credentials(signs: Signs) -> Iterator[_Sign]:
    if signs.has_console_password:
        yield _Sign(CategoryName.HUMAN_CONSOLE, 4, "It has a console password.")
    if signs.signed_in:
        yield _Sign(CategoryName.HUMAN_CONSOLE, 2, "Somebody signed in to the console with it.")
    if signs.has_mfa:
        yield _Sign(CategoryName.HUMAN_CONSOLE, 2, "It has an MFA device.")


def _by_name(signs: Signs) -> Iterator[_Sign]:
    words = _words(f"{signs.path} {signs.user_name} {' '.join(signs.groups)}")
    for known, name, text in (
        (_CI_WORDS, CategoryName.CI_CD, "a pipeline"),
        (_VENDOR_WORDS, CategoryName.THIRD_PARTY, "a vendor"),
    ):
        hits = sorted(words & known)
        if hits:
            weight = 3 if name is CategoryName.CI_CD else 4
            yield _Sign(name, weight, f"Name, path or group speaks of {text}: {', '.join(hits)}.")
    if signs.user_name.startswith(("ses-smtp-user.", "BedrockAPIKey-")):
        text = "An AWS console made it for an application."
        yield _Sign(CategoryName.HUMAN_PROGRAMMATIC, 3, text)
    machine = words & (_CI_WORDS | _VENDOR_WORDS | _WORKLOAD_WORDS)
    if _PERSON.match(signs.user_name) and not machine and not signs.has_console_password:
        yield _Sign(
            CategoryName.HUMAN_PROGRAMMATIC, 3, "It is named like a person, without password."
        )


def _by_tags(signs: Signs) -> Iterator[_Sign]:
    for key, value in signs.tags.items():
        lower = key.lower()
        words = _words(value)
        if lower in _VENDOR_KEYS:
            yield _Sign(CategoryName.THIRD_PARTY, 5, f"Tag {key}.")
        elif lower in _REPOSITORY_KEYS:
            yield _Sign(CategoryName.CI_CD, 3, f"Tag {key} names a repository.")
        elif lower in _PERSON_KEYS and not signs.has_console_password:
            yield _Sign(CategoryName.HUMAN_PROGRAMMATIC, 4, f"Tag {key} names a person.")
        elif lower in _TAG_KEYS:
            if words & _CI_WORDS:
                yield _Sign(CategoryName.CI_CD, 4, f"Tag {key} speaks of a pipeline.")
            elif words & _VENDOR_WORDS:
                yield _Sign(CategoryName.THIRD_PARTY, 4, f"Tag {key} speaks of a vendor.")
            elif words & {"human", "person", "developer", "personal", "employee"}:
                human = (
                    CategoryName.HUMAN_CONSOLE
                    if signs.has_console_password
                    else CategoryName.HUMAN_PROGRAMMATIC
                )
                yield _Sign(human, 4, f"Tag {key} speaks of a person.")


def _by_agents(signs: Signs) -> Iterator[_Sign]:
    total = sum(signs.user_agents.values())
    if not total:
        return
    for pattern, name, text in (
        (_CI_AGENTS, CategoryName.CI_CD, "a build tool"),
        (_VENDOR_AGENTS, CategoryName.THIRD_PARTY, "a vendor's product"),
        (_CONSOLE_AGENTS, CategoryName.HUMAN_CONSOLE, "a browser"),
        (_LAPTOP_AGENTS, CategoryName.HUMAN_PROGRAMMATIC, "a person's computer"),
    ):
        count = sum(n for agent, n in signs.user_agents.items() if pattern.search(agent))
        if count * 2 > total:
            yield _Sign(name, 3, f"Most calls come from {text}.")
