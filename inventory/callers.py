"""What called: kinds of callers as user agents and source addresses speak of them. Pure.

A user agent is written by the caller, so it is a hint and shown as one. Callers of one kind are
told together, however many addresses they come from: a hosted build runner has a new one each time.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

COMPUTER = "device-desktop"
_ADDRESSES = 3


@dataclass(frozen=True, slots=True)
class Call:
    """Calls from one address with one user agent."""

    address: str
    agent: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls of one kind of caller. `agents` and `addresses` hold the most used ones."""

    kind: str
    icon: str
    agents: tuple[str, ...]
    addresses: tuple[str, ...]
    address_count: int
    calls: int
    first_at: datetime
    last_at: datetime

    @property
    def is_computer(self) -> bool:
        """Whether it looks like somebody's own computer."""
        return self.icon == COMPUTER


# The first that fits names it. What runs it says more than what it is written in.
_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, icon)
    for pattern, kind, icon in (
        (r"github", "GitHub Actions", "brand-github"),
        (r"gitlab", "GitLab CI", "git-branch"),
        (r"jenkins", "Jenkins", "git-branch"),
        (r"circleci", "CircleCI", "git-branch"),
        (r"buildkite", "Buildkite", "git-branch"),
        (r"teamcity", "TeamCity", "git-branch"),
        (r"bitbucket", "Bitbucket Pipelines", "git-branch"),
        (r"codebuild", "CodeBuild", "git-branch"),
        (r"(exec-env/|md/)ci\b", "Build runner", "git-branch"),
        (r"exec-env/aws_lambda", "Lambda function", "server"),
        (r"exec-env/aws_ecs", "ECS task", "server"),
        (r"exec-env/ec2", "EC2 instance", "server"),
        (r"kubernetes|argo", "Kubernetes", "server"),
        (r"terraform", "Terraform", "code"),
        (r"pulumi", "Pulumi", "code"),
        (r"ansible", "Ansible", "code"),
        (r"packer", "Packer", "code"),
        (r"\bcdk\b|serverless", "Deployment tool", "code"),
        (r"datadog|newrelic|fivetran|grafana|splunk", "Vendor's product", "plug-connected"),
        (r"mozilla|signin\.|s3console", "Browser", "world"),
        (r"aws internal", "AWS itself", "cloud"),
        (r"darwin|macos", "Mac", COMPUTER),
        (r"windows", "Windows computer", COMPUTER),
        (r"aws-cli", "Command line, Linux", "terminal-2"),
        (r"boto|aws-sdk", "Program", "terminal-2"),
    )
)  # fmt: skip
_SERVICE = re.compile(r"^[a-z0-9.-]+\.amazonaws\.com$")


def kind_of(agent: str, address: str = "") -> tuple[str, str]:
    """What a user agent and an address speak of: its name, and an icon of the sprite."""
    if _SERVICE.match(address):
        return f"AWS on its behalf, {address.partition('.')[0]}", "cloud"
    for pattern, kind, icon in _KINDS:
        if pattern.search(agent):
            return kind, icon
    return "Another client", "world"


def callers(calls: Iterable[Call]) -> list[Caller]:
    """Calls by kind of caller, the busiest first."""
    groups: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        groups[kind_of(call.agent, call.address)].append(call)
    found = [_caller(kind, icon, of) for (kind, icon), of in groups.items()]
    return sorted(found, key=lambda one: (-one.calls, one.kind))


def _caller(kind: str, icon: str, calls: list[Call]) -> Caller:
    agents, addresses = Counter[str](), Counter[str]()
    for call in calls:
        agents[call.agent] += call.count
        addresses[call.address] += call.count
    return Caller(
        kind=kind,
        icon=icon,
        agents=tuple(agent for agent, _ in agents.most_common(1) if agent),
        addresses=tuple(address for address, _ in addresses.most_common(_ADDRESSES)),
        address_count=len(addresses),
        calls=agents.total(),
        first_at=min(call.first_at for call in calls),
        last_at=max(call.last_at for call in calls),
    )
