"""Changes a GitHub Actions workflow so that it assumes a role instead of using a key. Pure.

Text in, text out: the lines that hold the key give way to a role, `id-token: write` is granted to
the jobs that need it and to no others, and every other line stays as it was, byte for byte. What
cannot be changed safely is left alone with the reason. The result is read again and compared with
the old one, so that nothing but this can have changed; a second run changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from migrations_app.plans.workflow_check import STEP_NAME, nothing_else
from migrations_app.plans.workflow_file import Entry, LeftAlone, Lines, entries, entry, value
from migrations_app.plans.workflow_keys import (
    ACTION,
    ENV,
    Found,
    Job,
    Step,
    find,
    needs_token,
    still_named,
)

# The first major version that runs on Node.js 24; runners take none below since autumn 2026.
VERSION = 6
_USES = re.compile(re.escape(ACTION) + r"@([^\s'\"#]+)(['\"]?)(\s+#\s*(?:tag=)?v?[\d.]+\s*$)?")
_BOOLEANS = ("mask-aws-account-id", "role-skip-session-tagging", "output-credentials")
# A colon at the end would make a key of it.
_PLAIN = re.compile(r"[A-Za-z0-9/](?:[A-Za-z0-9/:_.-]*[A-Za-z0-9/_.-])?")
# Numbers of any kind, times, and what some readers take for a truth.
_MEANS_MORE = re.compile(r"[\d.][\w.:]*|(?i:true|false|null|yes|no|on|off|y|n)")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Role:
    """The role to assume, and what it trusts: tokens of these branches and environments.

    `secrets`: the names of the secrets that hold the replaced key, where they are known.
    """

    arn: str
    region: str
    branches: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file after the change. `left_alone`: why it was not changed, or "".

    `secrets`: to delete once the new way is proven. `notes`: to read before merging.
    """

    path: str
    text: str
    diff: str = ""
    left_alone: str = ""
    jobs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.diff)


def change(path: str, text: str, role: Role) -> Workflow:
    """The file with the role instead of the key; the same file where it holds no key."""
    try:
        found = find(text, role.secrets)
        if not found.jobs:
            _not_elsewhere(found, role)
            return Workflow(path, text)
        notes = _may_assume(found, role)
        new = _changed(text, found, role)
        nothing_else(new, found)
    except LeftAlone as reason:
        return Workflow(path, text, left_alone=str(reason))
    notes += _pinned(found)
    names = tuple(job.name for job in found.jobs)
    return Workflow(path, new, _diff(path, text, new), "", names, found.secrets, notes)


def _not_elsewhere(found: Found, role: Role) -> None:
    """A key that is handed on in a way that is not known here is no reason to say "no key"."""
    line = still_named(found.root, role.secrets or ENV)
    if line:
        raise LeftAlone(f"Line {line} uses the key in a way that has to be changed by hand.")


def _may_assume(found: Found, role: Role) -> tuple[str, ...]:
    """Refuses jobs whose tokens the role does not trust; what else to know."""
    without = False
    for job in found.jobs:
        if job.environment and job.environment not in role.environments:
            raise LeftAlone(
                f"Job {job.name} runs in environment {job.environment}, which the role does not"
                " trust; its secrets may also be another key."
            )
        without |= not job.environment
        if needs_token(job) and not _permissions(found, job):
            raise LeftAlone(
                f"Job {job.name} uses GITHUB_TOKEN without saying for what; write its"
                " permissions down first, since a permissions block takes all others away."
            )
    if not without:
        return ()
    if not role.branches:
        raise LeftAlone("A job runs without an environment, and the role trusts no branch.")
    others = [one for one in found.triggers if one in ("pull_request", "release")]
    if others == list(found.triggers) == ["pull_request"]:
        raise LeftAlone("It runs for pull requests only, which the role does not trust.")
    trusted = " and ".join(role.branches)
    told = [f"Runs for {one.replace('_', ' ')}s cannot assume the role." for one in others]
    return (f"Only runs on {trusted} can assume the role.", *told)


def _changed(text: str, found: Found, role: Role) -> str:
    lines = Lines(text)
    _take_out(lines, value(found.root, "env"), found.env)
    whole = entry(found.root, "permissions")
    everywhere = whole if not found.others else None
    for job in found.jobs:
        own = entry(job.node, "permissions")
        if own is not None or everywhere is None:
            _allow(lines, job, own, whole)
        _take_out(lines, value(job.node, "env"), job.env)
        _assume(lines, found, job, role)
    if everywhere and any(entry(job.node, "permissions") is None for job in found.jobs):
        _grant(lines, everywhere)
    return lines.changed()


def _permissions(found: Found, job: Job) -> Entry | None:
    return entry(job.node, "permissions") or entry(found.root, "permissions")


def _allow(lines: Lines, job: Job, own: Entry | None, whole: Entry | None) -> None:
    """`id-token: write` for one job, which keeps what it had."""
    if own is not None:
        _grant(lines, own)
        return
    scopes = {"contents": "read"}
    if whole is not None:
        if whole.text == "write-all":
            return
        _grantable(whole)
        scopes = {one.name: one.text for one in entries(whole.value)}
    scopes["id-token"] = "write"
    first = entries(job.node)[0]
    runs = entry(job.node, "runs-on")
    one_line = runs is not None and runs.one_line
    at = runs.line + 1 if runs and one_line else lines.above_comments(first.line)
    margin = " " * first.column
    inner = margin + _indent(job, first)
    told = [f"{inner}{name}: {held}" for name, held in scopes.items()]
    lines.insert(at, f"{margin}permissions:", *told)


def _indent(job: Job, first: Entry) -> str:
    """How far this file indents one level of mappings."""
    for one in entries(job.node):
        if isinstance(one.value, MappingNode) and not one.value.flow_style and one.value.value:
            return " " * (entries(one.value)[0].column - first.column)
    return "  "


def _grantable(held: Entry) -> None:
    if not isinstance(held.value, MappingNode):
        where = f"Line {held.line + 1}"
        raise LeftAlone(
            f"{where} says permissions: {held.text}, which would have to be spelled out."
        )


def _grant(lines: Lines, held: Entry) -> None:
    """`id-token: write` in a permissions block that is there already."""
    if held.text == "write-all":
        return
    _grantable(held)
    scopes = entries(held.value)
    token = entry(held.value, "id-token")
    if token is not None and token.text == "write":
        return
    if token is not None:
        mark = token.value.start_mark
        end = token.value.end_mark.column
        old = lines[mark.line]
        lines.replace(mark.line, f"{old[: mark.column]}write{old[end:]}")
    elif isinstance(held.value, MappingNode) and held.value.flow_style:
        end = held.value.end_mark
        if end.line != held.line:
            raise LeftAlone(f"Line {held.line + 1} holds permissions within braces over lines.")
        old = lines[end.line]
        before, after = old[: end.column - 1], old[end.column - 1 :]
        room = " " if before.endswith(" ") and scopes else ""
        comma = ", " if scopes else ""
        lines.replace(end.line, f"{before.rstrip()}{comma}id-token: write{room}{after}")
    else:
        last = scopes[-1]
        if not last.one_line:
            raise LeftAlone(f"Line {last.line + 1} is no plain permission.")
        lines.insert(last.line + 1, f"{' ' * last.column}id-token: write")


def _take_out(lines: Lines, env: Node | None, keys: Iterable[Entry]) -> None:
    """Remove the key's variables, and the block where nothing else is in it."""
    taken = list(keys)
    for one in taken:
        lines.replace(one.line)
    if not taken or len(taken) < len(entries(env)):
        return
    at = taken[0].line - 1
    while not re.match(r"\s*(-\s+)*env\s*:", lines[at]):
        at -= 1
        if at < 0:
            raise LeftAlone("Where the env block begins cannot be told.")
    dash = re.match(r"(\s*-\s+)env", lines[at])
    lines.replace(at)
    if dash:
        follows = _next_key(lines, at, len(dash[1]))
        lines.replace(follows, dash[1] + lines[follows][len(dash[1]) :])


def _next_key(lines: Lines, at: int, column: int) -> int:
    """The next line that begins at this column: it takes over the dash of a removed first key."""
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line[:column].strip():
            break
        if line[column : column + 1].strip() and line[column] != "#":
            return number
    raise LeftAlone(f"The step in line {at + 1} holds nothing but the key.")


def _assume(lines: Lines, found: Found, job: Job, role: Role) -> None:
    """Let every step that configures the key assume the role; add one where none comes first."""
    ready = None
    for number, step in enumerate(job.steps):
        if step.inputs or (step.configures and not step.has_its_own):
            _configure(lines, step, role)
            ready = number if ready is None else ready
        _take_out(lines, value(step.node, "env"), step.env)
    given = found.env or job.env
    first = next((n for n, step in enumerate(job.steps) if step.env), None)
    needs = _first_run(job) if given else first
    if needs is not None and (ready is None or (first is not None and first < ready)):
        _add_step(lines, found, job, role, needs if first is None else min(first, needs))


def _first_run(job: Job) -> int:
    """Behind the checkout where that comes first."""
    uses = job.steps[0].uses
    begins = uses is not None and uses.text.startswith("actions/checkout@")
    return 1 if begins and len(job.steps) > 1 else 0


def _configure(lines: Lines, step: Step, role: Role) -> None:
    uses, given = step.uses, entry(step.node, "with")
    if uses is None or given is None or not isinstance(given.value, MappingNode):
        raise LeftAlone(f"Line {step.node.start_mark.line + 1} configures credentials by nothing.")
    if given.value.flow_style:
        raise LeftAlone(f"Line {given.line + 1} holds its inputs within braces.")
    for name in _BOOLEANS:
        held = entry(given.value, name)
        if held is not None and held.text not in ("true", "false") and "${{" not in held.text:
            raise LeftAlone(f"Line {held.line + 1}: version {VERSION} takes only true or false.")
    old = lines[uses.value.start_mark.line]
    new = _USES.sub(_current, old)
    if new != old:
        lines.replace(uses.value.start_mark.line, new)
    first = entries(given.value)[0]
    margin = " " * first.column
    told = [f"{margin}role-to-assume: {scalar(role.arn)}"]
    if entry(given.value, "aws-region") is None:
        told.append(f"{margin}aws-region: {scalar(role.region)}")
    if not step.inputs:
        lines.insert(first.line, *told)
        return
    for one in step.inputs:
        lines.replace(one.line)
    lines.replace(step.inputs[0].line, *told)


def _current(used: re.Match[str]) -> str:
    """A version that is new enough stays; a commit says nothing about its age."""
    major = re.fullmatch(r"v(\d+)(?:\.\d+)*", used[1])
    if major and int(major[1]) >= VERSION:
        return used[0]
    return f"{ACTION}@v{VERSION}{used[2]}"


def _pinned(found: Found) -> tuple[str, ...]:
    steps = [step.uses for job in found.jobs for step in job.steps if step.inputs and step.uses]
    if any(re.search(r"@[0-9a-f]{40}\b", one.text) for one in steps):
        return (f"The action was pinned to a commit; pin v{VERSION} again if you pin actions.",)
    return ()


def _add_step(lines: Lines, found: Found, job: Job, role: Role, before: int) -> None:
    sequence = value(job.node, "steps")
    if not isinstance(sequence, SequenceNode) or sequence.flow_style:
        raise LeftAlone(f"The steps of job {job.name} stand within brackets.")
    column = sequence.start_mark.column
    at = _dash(lines, job.steps[before], column)
    dash, inner = " " * column + "- ", " " * (column + 2)
    told = [
        f"{dash}name: {STEP_NAME}",
        f"{inner}uses: {ACTION}@v{VERSION}",
        f"{inner}with:",
        f"{inner}  role-to-assume: {scalar(role.arn)}",
        f"{inner}  aws-region: {_region(found, job, job.steps[before], role)}",
    ]
    at = lines.above_comments(at)
    apart = lines.blank(at - 1) and before > 0
    lines.insert(at, *told, *([""] if apart else []))


def _dash(lines: Lines, step: Step, column: int) -> int:
    """The line of the step's dash, which may stand above its first key."""
    at = int(step.node.start_mark.line)
    while at > 0 and lines.old(at)[column : column + 1] != "-":
        at -= 1
    return at


def _region(found: Found, job: Job, step: Step, role: Role) -> str:
    """The Region as the file says it, in its own words; else the one given."""
    for node in (step.node, job.node, found.root):
        for name in _REGIONS:
            held = entry(value(node, "env"), name)
            if held is not None and held.one_line and held.text:
                return scalar(held.text)
    return scalar(role.region)


def scalar(text: str) -> str:
    """A text as a YAML scalar; quoted where it is more than plain signs."""
    if _PLAIN.fullmatch(text) and text[-1] != ":" and not _MEANS_MORE.fullmatch(text):
        return text
    if re.fullmatch(r"\$\{\{[^{}'\"#\n]*\}\}", text):
        return text
    return "'" + "".join(one for one in text if one.isprintable()).replace("'", "''") + "'"


def _diff(path: str, old: str, new: str) -> str:
    name = "".join(one if one.isprintable() else "?" for one in path)
    told = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in told
    )
