"""Reads a changed workflow again and holds it against the old one. Pure.

The change is made by lines; this looks at what both texts mean. Without the key and the role they
must say the same, no value may still name the secrets, and each changed job must have exactly the
permissions it had and `id-token: write`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from migrations_app.plans.workflow_file import LeftAlone, plain, read
from migrations_app.plans.workflow_keys import ACTION, ENV, INPUTS, Found, still_named

STEP_NAME = "Assume the AWS role"


def nothing_else(new: str, found: Found) -> None:
    """Raises LeftAlone where the new text says more or less than it should."""
    root = read(new)
    line = still_named(root, found.secrets)
    if line:
        raise LeftAlone(f"The key is used in one more way (line {line} after the change).")
    before, after = plain(found.root), plain(root)
    jobs = {job.name for job in found.jobs}
    same = _rest(before, jobs) == _rest(after, jobs)
    if not same or not all(_granted(before, after, name, name in jobs) for name in after["jobs"]):
        raise LeftAlone("It could not be changed without changing something else.")


def _granted(before: dict[str, Any], after: dict[str, Any], name: str, changed: bool) -> bool:
    old, new = _permissions(before, name), _permissions(after, name)
    if not changed or old == "write-all":
        return bool(old == new)
    if old is None:
        old = {"contents": "read"}
    return isinstance(old, dict) and new == {**old, "id-token": "write"}


def _permissions(root: dict[str, Any], name: str) -> Any:
    return _mapping(root["jobs"][name]).get("permissions", root.get("permissions"))


def _rest(root: dict[str, Any], changed: Collection[str]) -> dict[str, Any]:
    """A workflow without what the change is about."""
    kept = _without_key(root)
    jobs = {}
    for name, job in kept["jobs"].items():
        jobs[name] = job
        if name in changed:
            steps = [_without_role(_without_key(step)) for step in job["steps"]]
            ours = {"name": STEP_NAME, "uses": ACTION, "with": {}}
            steps = [step for step in steps if step != ours]
            jobs[name] = {**_without_key(job), "steps": steps}
    return {**kept, "jobs": jobs}


def _without_key(held: dict[str, Any]) -> dict[str, Any]:
    env = held.get("env")
    if isinstance(env, dict):
        env = {name: one for name, one in env.items() if name not in ENV}
    rest = {name: one for name, one in held.items() if name not in ("env", "permissions")}
    return {**rest, "env": env} if env else rest


def _without_role(step: dict[str, Any]) -> dict[str, Any]:
    if not str(step.get("uses", "")).startswith(f"{ACTION}@"):
        return step
    dropped = {*INPUTS, "role-to-assume", "aws-region"}
    given = _mapping(step.get("with"))
    kept = {name: one for name, one in given.items() if name not in dropped}
    return {**step, "uses": ACTION, "with": kept}


def _mapping(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}
