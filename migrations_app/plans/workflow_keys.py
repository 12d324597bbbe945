"""Where a workflow file holds the keys of an IAM user, and what forbids to take them out. Pure.

Only keys that come from a secret by its plain name are found; one that is chosen by an expression
or a matrix, handed to another workflow or to somebody's action, is a reason to leave the file to
a person. No value is ever repeated: a key that stands in the file itself is only pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from migrations_app.plans.workflow_file import (
    Entry,
    LeftAlone,
    entries,
    entry,
    items,
    nodes,
    read,
    value,
)

ACTION = "aws-actions/configure-aws-credentials"
ENV = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
INPUTS = ("aws-access-key-id", "aws-secret-access-key")

_SECRET = re.compile(r"\$\{\{\s*secrets(?:\.([A-Za-z_]\w*)|\['([A-Za-z_]\w*)'\])\s*\}\}")
_LITERAL = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,}|[A-Za-z0-9/+=]{40}")
_BY_HAND = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)|aws\s+configure\s+set", re.IGNORECASE)
_TOKEN = re.compile(r"github\.token|secrets\.GITHUB_TOKEN", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job with the entries that hold the key."""

    node: Node
    env: tuple[Entry, ...] = ()
    inputs: tuple[Entry, ...] = ()

    @property
    def uses(self) -> Entry | None:
        return entry(self.node, "uses")

    @property
    def configures(self) -> bool:
        found = self.uses
        return found is not None and found.text.partition("@")[0] == ACTION

    @property
    def takes_a_role(self) -> bool:
        return entry(value(self.node, "with"), "role-to-assume") is not None

    @property
    def has_its_own(self) -> bool:
        """Whether it already names a role, or a key that is not looked at."""
        given = value(self.node, "with")
        return any(entry(given, name) for name in ("role-to-assume", *INPUTS))


@dataclass(frozen=True, slots=True)
class Job:
    """One job that has the key, from itself, its steps or the whole workflow."""

    name: str
    node: Node
    steps: tuple[Step, ...]
    env: tuple[Entry, ...] = ()

    @property
    def environment(self) -> str:
        """The environment's name, "" for none."""
        found = entry(self.node, "environment")
        if found is None:
            return ""
        name = found if not isinstance(found.value, MappingNode) else entry(found.value, "name")
        if name is None or not name.text or "${{" in name.text:
            where = found.line + 1
            raise LeftAlone(f"Which environment job {self.name} runs in shows only then ({where}).")
        return name.text


@dataclass(frozen=True, slots=True)
class Found:
    """The file's root, what holds the key, and by which secrets."""

    root: MappingNode
    env: tuple[Entry, ...] = ()
    jobs: tuple[Job, ...] = ()
    secrets: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    others: int = 0  # jobs that do not have the key


def find(text: str, names: Collection[str] = ()) -> Found:
    """Everything that holds the key. `names`: the secrets that hold it, where that is known.

    Raises LeftAlone with the reason.
    """
    root = read(text)
    jobs = entries(value(root, "jobs"))
    if not jobs:
        raise LeftAlone("It has no jobs, so it is no workflow.")
    secrets: list[tuple[str, str]] = []
    env = _held(value(root, "env"), ENV, names, secrets)
    found = [_job(one, names, secrets) for one in jobs if entry(one.value, "steps")]
    holding = tuple(one for one in found if env or one.env or _in_steps(one))
    used = tuple(sorted({secret for _, secret in secrets}))
    triggers = _triggers(root)
    _not_handed_on(jobs, {*used, *names})
    if holding:
        _one_key(secrets)
        if "workflow_call" in triggers:
            raise LeftAlone("Other workflows call it, so they decide its permissions and secrets.")
        for job in holding:
            _job_can_change(job)
    return Found(root, env, holding, used, triggers, len(jobs) - len(holding))


def _job(one: Entry, names: Collection[str], secrets: list[tuple[str, str]]) -> Job:
    env = _held(value(one.value, "env"), ENV, names, secrets)
    steps = tuple(
        Step(
            node,
            _held(value(node, "env"), ENV, names, secrets),
            _held(value(node, "with"), INPUTS, names, secrets) if Step(node).configures else (),
        )
        for node in items(value(one.value, "steps"))
    )
    return Job(one.name, one.value, steps, env)


def _in_steps(job: Job) -> bool:
    return any(step.env or step.inputs for step in job.steps)


def _held(
    node: Node | None, keys: Collection[str], names: Collection[str], secrets: list[tuple[str, str]]
) -> tuple[Entry, ...]:
    """The entries of a mapping that hold the key; the secrets they name are noted."""
    found = []
    for one in entries(node):
        if one.name not in keys:
            continue
        secret = _secret_of(one)
        if secret and (not names or secret in names):
            if isinstance(node, MappingNode) and node.flow_style:
                raise LeftAlone(f"Line {one.line + 1} holds the key within braces.")
            if not one.one_line:
                raise LeftAlone(f"Line {one.line + 1} holds the key in more than one line.")
            found.append(one)
            secrets.append((one.name.lower().replace("_", "-"), secret))
    return tuple(found)


def _secret_of(one: Entry) -> str:
    """The secret's name; "" for a value that is nobody's key, such as `test`."""
    written = one.text.strip()
    named = _SECRET.fullmatch(written)
    if named:
        return named[1] or named[2]
    where = f"Line {one.line + 1}"
    if "matrix." in written:
        raise LeftAlone(f"{where} takes the key from a matrix: each run may have another one.")
    if "${{" in written:
        raise LeftAlone(f"{where} chooses the key by an expression.")
    if _LITERAL.search(written):
        raise LeftAlone(f"{where} holds a key itself. Treat it as leaked: replace it at once.")
    return ""


def _one_key(secrets: list[tuple[str, str]]) -> None:
    """Two names for one half of the key are two keys, and one role cannot stand for both."""
    for half in INPUTS:
        names = sorted({secret for part, secret in secrets if part == half})
        if len(names) > 1:
            raise LeftAlone(f"It uses several keys ({', '.join(names)}), of which one is replaced.")


def _not_handed_on(jobs: list[Entry], secrets: Collection[str]) -> None:
    for one in jobs:
        handed = entry(one.value, "secrets")
        if entry(one.value, "uses") is None or handed is None:
            continue
        where = f"Line {handed.line + 1}"
        if handed.text == "inherit":
            raise LeftAlone(f"{where} hands every secret to another workflow (secrets: inherit).")
        for secret in entries(handed.value):
            named = _SECRET.search(secret.text)
            if named and ((named[1] or named[2]) in secrets or "AWS" in secret.name.upper()):
                raise LeftAlone(f"Line {secret.line + 1} hands the key to another workflow.")


def _job_can_change(job: Job) -> None:
    if not job.steps or not all(isinstance(step.node, MappingNode) for step in job.steps):
        raise LeftAlone(f"The steps of job {job.name} cannot be read.")
    for step in job.steps:
        where = f"Line {step.node.start_mark.line + 1}"
        if step.configures:
            if step.takes_a_role and step.inputs:
                raise LeftAlone(f"{where} uses the key to assume another role.")
            if entry(value(step.node, "with"), "aws-session-token"):
                raise LeftAlone(f"{where} has a session token: that is no key of an IAM user.")
        elif step.uses is not None and step.env:
            action = step.uses.text.partition("@")[0]
            raise LeftAlone(f"{where} hands the key to {action}; see if it takes a session token.")
        if _BY_HAND.search(value_text(value(step.node, "run"))):
            raise LeftAlone(f"{where} names the key in its commands, which lack the session token.")


def value_text(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def needs_token(job: Job) -> bool:
    """Whether a job names the repository's own token, whose rights nobody wrote down."""
    return any(_TOKEN.search(text) for text in _scalars(job.node))


def still_named(root: MappingNode, secrets: Collection[str]) -> int:
    """The line of the first value that still names one of the secrets, 0 for none."""
    words = "|".join(re.escape(one) for one in sorted(secrets))
    variables = "|".join(ENV)
    given = rf"secrets(?:\.|\['|\[\")(?:{words})\b|env(?:\.|\['|\[\")(?:{variables})\b"
    named = re.compile(given, re.IGNORECASE)
    for node in nodes(root):
        if isinstance(node, ScalarNode) and named.search(str(node.value)):
            return int(node.start_mark.line) + 1
    return 0


def _scalars(node: Node) -> Iterator[str]:
    return (str(one.value) for one in nodes(node) if isinstance(one, ScalarNode))


def _triggers(root: MappingNode) -> tuple[str, ...]:
    on = value(root, "on")
    if isinstance(on, ScalarNode):
        return (str(on.value),)
    names = [one.name for one in entries(on)] or [value_text(one) for one in items(on)]
    return tuple(sorted(names))
