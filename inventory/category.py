"""What an IAM user is for, from what it holds, is called and does. Pure.

Each sign speaks for one category with a weight: 1 is a hint, 2 a habit, 3 to 5 something that
somebody wrote down or did on purpose. The category with most weight wins; how far it is ahead, and
on how many signs it stands, make the confidence. With hints only it is a mystery.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class CategoryName(StrEnum):
    """What for, with its label, colour token and icon."""

    label: str
    colour: str
    icon: str

    def __new__(cls, value: str, label: str = "", colour: str = "", icon: str = "") -> CategoryName:
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
    """What the category is told by. Mappings hold counts of calls.

    `actions` as "service:action"; `moments` the first call of each day and kind; `neighbours` how
    many other users that call from the same addresses are of which category; `credentials` the
    kinds of active credentials beside access keys and password.
    """

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
    addresses: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)
    moments: tuple[datetime, ...] = ()
    neighbours: Mapping[str, int] = field(default_factory=dict)
    credentials: tuple[str, ...] = ()

    @property
    def human(self) -> CategoryName:
        """Which kind of human it would be."""
        if self.has_console_password or (self.signed_in and not self.access_keys):
            return CategoryName.HUMAN_CONSOLE
        return CategoryName.HUMAN_PROGRAMMATIC


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


# Weights: something done or written down on purpose, and a habit.
_SAID = 3
_HABIT = 2


def category(signs: Signs) -> Category:
    """The category of a user with these signs."""
    found: dict[CategoryName, list[_Sign]] = defaultdict(list)
    for sign in _signs(signs):
        found[sign.name].append(sign)
    weights = {name: sum(sign.weight for sign in group) for name, group in found.items()}
    ranked = sorted(weights, key=lambda name: weights[name], reverse=True)
    if not ranked or weights[ranked[0]] < _SAID:
        hints = [f"Only a hint: {sign.text}" for group in found.values() for sign in group]
        return Category(
            CategoryName.MYSTERY, "low", tuple(hints) or ("Nothing tells what it is for.",)
        )
    best = ranked[0]
    ahead = weights[best] - (weights[ranked[1]] if len(ranked) > 1 else 0)
    confidence = _confidence(signs, [sign.weight for sign in found[best]], ahead)
    told = [sign.text for sign in sorted(found[best], key=lambda sign: -sign.weight)]
    if len(ranked) > 1 and ahead < _SAID:
        told.append(f"But: {max(found[ranked[1]], key=lambda sign: sign.weight).text}")
    return Category(best, confidence, tuple(told))


def _confidence(signs: Signs, weights: list[int], ahead: int) -> str:
    """High needs two things said on purpose, or one and two habits; circumstances alone are low."""
    said = sum(weight >= _SAID for weight in weights)
    habits = sum(weight >= _HABIT for weight in weights)
    if not said or ahead < _HABIT or _words(signs.user_name) & _PROVISIONAL_WORDS:
        return "low"
    if ahead >= _SAID and (said > 1 or habits > _HABIT):
        return "high"
    return "medium" if len(weights) > 1 or weights[0] > _SAID else "low"


def _signs(signs: Signs) -> Iterator[_Sign]:
    yield from _by_credentials(signs)
    yield from _by_name(signs)
    yield from _by_tags(signs)
    yield from _by_agents(signs)
    yield from _by_policies(signs)
    yield from _by_actions(signs)
    yield from _by_addresses(signs)
    yield from _by_times(signs)


def _by_credentials(signs: Signs) -> Iterator[_Sign]:
    if signs.has_console_password:
        # A password that nobody ever used may have come with the user.
        weight = 4 if signs.signed_in or not signs.access_keys else 2
        yield _Sign(CategoryName.HUMAN_CONSOLE, weight, "It has a console password.")
    if signs.signed_in:
        yield _Sign(CategoryName.HUMAN_CONSOLE, 2, "Somebody signed in to the console with it.")
    if signs.has_mfa:
        yield _Sign(signs.human, 2, "It has an MFA device.")
    if "ssh-key" in signs.credentials and not signs.has_console_password:
        yield _Sign(signs.human, 2, "It holds an SSH public key, as people do for CodeCommit.")


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", text.lower()) if word}


_CI_WORDS = _words(
    """
    ci cd cicd deploy deployer deployers deployment build builds builder pipeline pipelines jenkins
    gitlab github circleci travis terraform tf ansible codebuild codepipeline actions runner runners
    release packer argocd argo spinnaker buildkite bamboo teamcity drone bitbucket atlantis publish
    ecr helm pulumi automation
    """
)
# What says that it is for somebody outside, and names of products that are given keys.
_OUTSIDE_WORDS = _words(
    """
    vendor vendors partner partners thirdparty external supplier suppliers auditor consultancy
    agency saas integration integrations
    """
)
_VENDOR_WORDS = _words(
    """
    datadog newrelic snowflake pagerduty splunk sumologic sumo logicmonitor dynatrace
    cloudhealth cloudability cloudcheckr spotinst fivetran stitch segment looker tableau databricks
    mongodb atlas twilio sendgrid mailgun okta onelogin crowdstrike lacework wiz orca prisma qualys
    rapid7 tenable nessus veeam n2ws commvault zendesk salesforce hubspot workato zapier mulesoft
    grafana sentry honeycomb loggly papertrail statuspage opsgenie vanta drata kubecost vantage
    metabase redash cloudflare fastly akamai rubrik druva stripe shopify netsuite sap mixpanel
    amplitude marketo
    """
)
_WORKLOAD_WORDS = _words(
    """
    svc service app api bot cron batch job worker etl lambda ses smtp s3 sync reader writer
    upload script export import report backend backup scanner audit mirror mover test tmp
    """
)
_COMPUTER_WORDS = _words("laptop notebook macbook mbp desktop workstation thinkpad")
# Whoever made it meant to remove it again: what it was called says little of what it is now.
_PROVISIONAL_WORDS = _words("test tmp temp old legacy copy unused")
_MACHINE_WORDS = _CI_WORDS | _OUTSIDE_WORDS | _VENDOR_WORDS | _WORKLOAD_WORDS
_PERSON = re.compile(r"[a-z]{1,}[._][a-z]{2,}|[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
_MADE_BY_CONSOLE = ("ses-smtp-user.", "BedrockAPIKey-")


def _by_name(signs: Signs) -> Iterator[_Sign]:
    words = _words(signs.user_name)
    person = _PERSON.fullmatch(signs.user_name) is not None
    if signs.user_name.startswith(_MADE_BY_CONSOLE):
        text = "An AWS console made it for an application."
        yield _Sign(CategoryName.HUMAN_PROGRAMMATIC, 4, text)
    # Words that are also family names: travis.miller is no pipeline.
    doubtful = person and len(words & _MACHINE_WORDS) == 1
    for known, name, text in (
        (_CI_WORDS, CategoryName.CI_CD, "a pipeline"),
        (_OUTSIDE_WORDS, CategoryName.THIRD_PARTY, "somebody outside"),
        (_VENDOR_WORDS, CategoryName.THIRD_PARTY, "a vendor's product"),
    ):
        if hits := sorted(words & known):
            weight = 1 if doubtful else 3
            yield _Sign(name, weight, f"Its name speaks of {text}: {', '.join(hits)}.")
        if hits := sorted(_words(signs.path) & known):
            yield _Sign(name, 3, f"Its path speaks of {text}: {', '.join(hits)}.")
        if hits := sorted(_words(" ".join(signs.groups)) & known):
            yield _Sign(name, 2, f"A group speaks of {text}: {', '.join(hits)}.")
    if hits := sorted(words & _COMPUTER_WORDS):
        yield _Sign(signs.human, 3, f"Its name speaks of a person's computer: {', '.join(hits)}.")
    if person and (doubtful or not words & _MACHINE_WORDS):
        yield _Sign(signs.human, 2 if doubtful else 3, "It is named like a person.")


_PURPOSE_KEYS = frozenset(
    {"type", "kind", "category", "purpose", "usage", "role", "use", "description"}
)
_REPOSITORY_KEYS = frozenset({"repo", "repository", "github", "gitlab", "pipeline", "project-url"})
_VENDOR_KEYS = frozenset({"vendor", "partner", "third-party", "thirdparty", "supplier", "contract"})
_PERSON_KEYS = frozenset({"email", "mail", "employee", "employee-id", "employeeid", "person"})
_PERSON_VALUES = frozenset({"human", "person", "developer", "personal", "employee"})


def _by_tags(signs: Signs) -> Iterator[_Sign]:
    for key, value in signs.tags.items():
        lower, words = key.lower(), _words(value)
        if lower in _VENDOR_KEYS:
            yield _Sign(CategoryName.THIRD_PARTY, 5, f"Tag {key}.")
        elif lower in _REPOSITORY_KEYS:
            yield _Sign(CategoryName.CI_CD, 3, f"Tag {key} names a repository.")
        elif lower in _PERSON_KEYS:
            yield _Sign(signs.human, 4, f"Tag {key} names a person.")
        elif lower in _PURPOSE_KEYS:
            if words & _CI_WORDS:
                yield _Sign(CategoryName.CI_CD, 4, f"Tag {key} speaks of a pipeline.")
            elif words & (_VENDOR_WORDS | _OUTSIDE_WORDS):
                yield _Sign(CategoryName.THIRD_PARTY, 4, f"Tag {key} speaks of a vendor.")
            elif words & _PERSON_VALUES:
                yield _Sign(signs.human, 4, f"Tag {key} speaks of a person.")


_CI_AGENTS = re.compile(
    r"terraform|jenkins|github|gitlab|codebuild|circleci|actions|packer|ansible|pulumi|argo"
    r"|buildkite|bamboo|teamcity|travis|\bcdk\b|serverless|spinnaker|atlantis|drone|bitbucket"
    r"|exec-env/ci",
    re.IGNORECASE,
)
_WORKLOAD_AGENTS = re.compile(r"exec-env/AWS_(ECS|Lambda)|exec-env/EC2|kubernetes|rclone|flink")
_VENDOR_AGENTS = re.compile(
    "|".join(re.escape(word) for word in sorted(_VENDOR_WORDS) if len(word) > 4), re.IGNORECASE
)
_BROWSERS = re.compile(r"mozilla|signin\.|console\.|aws internal|s3console", re.IGNORECASE)
_LAPTOPS = re.compile(r"darwin|macos|windows|md/prompt|command/|os/macos", re.IGNORECASE)
_TYPED = re.compile(r"^aws-cli/")


def _by_agents(signs: Signs) -> Iterator[_Sign]:
    total = sum(signs.user_agents.values())
    laptop = CategoryName.HUMAN_PROGRAMMATIC
    for pattern, name, weight, text in (
        (_CI_AGENTS, CategoryName.CI_CD, 3, "a build tool"),
        (_WORKLOAD_AGENTS, CategoryName.CI_CD, 2, "a workload in AWS"),
        (_VENDOR_AGENTS, CategoryName.THIRD_PARTY, 3, "a vendor's product"),
        (_BROWSERS, CategoryName.HUMAN_CONSOLE, 3, "a browser"),
        (_LAPTOPS, laptop if not signs.has_console_password else signs.human, 3, "a computer"),
        # People type it, and so do scripts.
        (_TYPED, signs.human, 1, "the command line"),
    ):
        count = sum(n for agent, n in signs.user_agents.items() if pattern.search(agent))
        if count * 2 > total:
            of = "a person's computer" if pattern is _LAPTOPS else text
            yield _Sign(name, weight, f"Most calls come from {of}.")


_DEPLOY_POLICIES = re.compile(
    r"cloudformation|codedeploy|codebuild|codepipeline|containerregistry|ecs_fullaccess|beanstalk"
    r"|deploy|pipeline|terraform",
    re.IGNORECASE,
)
_MONITOR_POLICIES = re.compile(
    r"securityaudit|viewonly|cloudwatchreadonly|billing|costexplorer|integration|monitoring",
    re.IGNORECASE,
)
_PERSONAL_POLICIES = re.compile(
    r"changepassword|selfmanage|manage-?own|force-?mfa|require-?mfa", re.IGNORECASE
)


def _by_policies(signs: Signs) -> Iterator[_Sign]:
    names = [policy.rpartition("/")[2] for policy in signs.policies]
    for pattern, name, weight, text in (
        (_DEPLOY_POLICIES, CategoryName.CI_CD, 2, "deploys"),
        (_MONITOR_POLICIES, CategoryName.THIRD_PARTY, 2, "only watches, as monitoring does"),
        (_PERSONAL_POLICIES, signs.human, 2, "lets a person manage the own credentials"),
    ):
        # People are given such rights too, mostly through groups.
        if pattern is not _PERSONAL_POLICIES and signs.has_console_password:
            continue
        if hits := [one for one in names if pattern.search(one)]:
            yield _Sign(name, weight, f"Policy {hits[0]} {text}.")
    if signs.trusted_externally:
        yield _Sign(CategoryName.THIRD_PARTY, 2, "A role that outsiders may assume names it.")


_DEPLOY_ACTIONS = re.compile(
    r"^(ecr:GetAuthorizationToken|cloudformation:|codedeploy:|codebuild:|ecs:(Update|Register|Desc)"
    r"|lambda:(Update|Publish))"
)


def _by_actions(signs: Signs) -> Iterator[_Sign]:
    total = sum(signs.actions.values())
    deploys = sum(n for action, n in signs.actions.items() if _DEPLOY_ACTIONS.search(action))
    if deploys * 2 > total:
        yield _Sign(CategoryName.CI_CD, 2, "Most calls are those of a deployment.")


_HUMANS = frozenset({CategoryName.HUMAN_CONSOLE.value, CategoryName.HUMAN_PROGRAMMATIC.value})
_ENOUGH_NEIGHBOURS = 3


def _by_addresses(signs: Signs) -> Iterator[_Sign]:
    if signs.addresses and all(_private(address) for address in signs.addresses):
        yield _Sign(CategoryName.CI_CD, 1, "All calls come from inside a network of ours.")
    total = sum(signs.neighbours.values())
    people = sum(signs.neighbours.get(name, 0) for name in _HUMANS)
    if total < _ENOUGH_NEIGHBOURS:
        return
    for name, count in (
        (CategoryName.CI_CD, signs.neighbours.get("ci-cd", 0)),
        (CategoryName.THIRD_PARTY, signs.neighbours.get("third-party", 0)),
        (signs.human, people),
    ):
        if count * 5 >= total * 4:
            label = "people" if name == signs.human else f"{name.label} users"
            text = f"{count} of {total} others that call from the same address are {label}."
            yield _Sign(name, 2, text)


# RFC 1918 and RFC 4193 only: Python also calls documentation and other reserved ranges private.
_OURS = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def _private(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        # A call that an AWS service made for the user bears that service's name.
        return False
    return any(parsed in net for net in _OURS)


_ENOUGH_DAYS = 8
_SAME_MINUTES = 10


def _by_times(signs: Signs) -> Iterator[_Sign]:
    first: dict[object, datetime] = {}
    for moment in sorted(signs.moments):
        first.setdefault(moment.date(), moment)
    if len(first) < _ENOUGH_DAYS:
        return
    minutes = sorted(at.hour * 60 + at.minute for at in first.values())
    # Over midnight the clock begins again: the widest hole in the circle is not part of the span.
    holes = [b - a for a, b in zip(minutes, [*minutes[1:], minutes[0] + 1440], strict=True)]
    span = 1440 - max(holes)
    weekend = sum(at.weekday() >= 5 for at in first.values())
    if span <= _SAME_MINUTES:
        yield _Sign(CategoryName.CI_CD, 2, "It starts at the same minute every day.")
    elif not weekend and span <= 12 * 60:
        yield _Sign(signs.human, 2, "It is used on working days, at working hours.")
    elif weekend * 5 >= len(first) and span > 18 * 60:
        yield _Sign(CategoryName.CI_CD, 1, "It is used at all hours, weekends too.")
