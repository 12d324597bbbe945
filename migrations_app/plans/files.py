"""Files of plans brought together: what the policy rests on, the README, the ZIP, the diff. Pure.

The same facts give the same bytes: entries stand in order, with one fixed time and mode.
"""

from __future__ import annotations

import difflib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from migrations_app.plans import hcl, letting_go, policy_hcl, statements
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import bullets, code, header, page, plain

# The first moment a ZIP can hold.
_ALWAYS = (1980, 1, 1, 0, 0, 0)
_PART = r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_SAFE = re.compile(rf"{_PART}(/{_PART})*")
_MOST_SHOWN = 40
_DAY = r"\d{1,2} [A-Z][a-z]{2} \d{4}"
# The sentence of `prose.header` that is another one every day.
_DATED = re.compile(rf"Generated on {_DAY} from \d+ days of CloudTrail to {_DAY}\.")


@dataclass(frozen=True, slots=True)
class Folder:
    """One plan in a ZIP: its facts and its files."""

    facts: PlanFacts
    draft: Draft


def complete(draft: Draft, facts: PlanFacts, policy: Policy) -> Draft:
    """A target's draft with what all targets have: figures, README, reasons, letting go.

    A file that the target made itself stays as the target made it.
    """
    added = [
        *letting_go.files(facts),
        GeneratedFile("policy-reasons.json", policy_hcl.why(policy.statements), "json"),
    ]
    if not _stands_in(draft, policy):
        added.append(_policy_hcl(facts, policy))
    own = {one.path for one in draft.files}
    whole = replace(
        draft,
        files=(*draft.files, *(one for one in added if one.path not in own)),
        notes=tuple(dict.fromkeys((*draft.notes, *policy.notes))),
        warnings=tuple(dict.fromkeys((*draft.warnings, *policy.warnings))),
        used_actions=policy.used,
        granted_actions=policy.granted,
        widened=policy.widened,
    )
    if "README.md" in own:
        return whole
    return replace(whole, files=(*whole.files, _readme(whole, facts, policy)))


def folder_of(facts: PlanFacts) -> str:
    """Where a plan's files stand in a ZIP: account and user, safe on any disk."""
    account = re.sub(r"[^0-9A-Za-z]", "", facts.account_id) or "account"
    # The id keeps apart a user from one of the same name that came after it.
    mark = hcl.name_of(facts.user_name, facts.user_id)[-6:]
    return f"{account}/{hcl.name_of(facts.user_name)}-{mark}"


def archive(files: Iterable[GeneratedFile]) -> bytes:
    """A ZIP. ValueError for a path that is not safe or stands twice: those are our own mistakes."""
    held = io.BytesIO()
    seen: set[str] = set()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for one in sorted(files):
            if not _SAFE.fullmatch(one.path) or ".." in one.path or one.path.lower() in seen:
                raise ValueError(f"{one.path!r} cannot stand in the ZIP.")
            seen.add(one.path.lower())
            entry = zipfile.ZipInfo(one.path, _ALWAYS)
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if one.language == "shell" else 0o100644) << 16
            made.writestr(entry, one.text.encode("utf-8", "replace"))
    return held.getvalue()


def together(folders: Sequence[Folder]) -> tuple[GeneratedFile, ...]:
    """The files of many plans, each plan in its own folder, and one README above them."""
    ordered = sorted(folders, key=lambda one: (folder_of(one.facts), one.draft.target))
    found = [
        replace(each, path=f"{folder_of(one.facts)}/{one.draft.target}/{each.path}")
        for one in ordered
        for each in one.draft.files
    ]
    return (_contents(ordered), *found)


def differences(
    before: Iterable[GeneratedFile], after: Iterable[GeneratedFile]
) -> tuple[tuple[str, str], ...]:
    """For each file that is not the same any more: its path and a unified diff.

    Until when CloudTrail was read and on which day a file was generated is no change.
    """
    old, new = ({one.path: _undated(one.text) for one in files} for files in (before, after))
    found = []
    for path in sorted(old.keys() | new.keys()):
        was, now = old.get(path, ""), new.get(path, "")
        if was == now:
            continue
        lines = difflib.unified_diff(
            was.splitlines(),
            now.splitlines(),
            path if path in old else "/dev/null",
            path if path in new else "/dev/null",
            lineterm="",
        )
        found.append((path, "\n".join(lines) + "\n"))
    return tuple(found)


def _undated(text: str) -> str:
    return _DATED.sub("Generated from CloudTrail.", text)


def _stands_in(draft: Draft, policy: Policy) -> bool:
    """Whether the target's own Terraform has every statement already, with its reasons."""
    own = [one.text for one in draft.files if one.language == "hcl"]
    told = (policy_hcl.lines(one) for one in policy.statements)
    return all(any(lines in text for text in own) for lines in told)


def _policy_hcl(facts: PlanFacts, policy: Policy) -> GeneratedFile:
    name = hcl.name_of("evidence", facts.user_name)
    parts = policy.documents(statements.MANAGED)
    blocks = [
        policy_hcl.block(f"{name}_{number}" if len(parts) > 1 else name, part)
        for number, part in enumerate(parts, start=1)
    ]
    told = hcl.document(blocks, [*header(facts), policy.words])
    return GeneratedFile("policy-with-reasons.tf", told, "hcl")


def _readme(draft: Draft, facts: PlanFacts, policy: Policy) -> GeneratedFile:
    return page(
        "README.md",
        draft.title,
        "\n".join(plain(line) for line in header(facts)),
        f"{policy.words} {policy.dropped_words}",
        _section("Look at these first", [plain(one) for one in draft.warnings]),
        _section("Wider than what was seen, and why", list(_widened(draft))),
        _section("Also", [plain(one) for one in draft.notes]),
        _section("Files", [code(one.path) for one in draft.files]),
    )


def _widened(draft: Draft) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for one in draft.widened:
        by_reason.setdefault(one.reason, []).append(one.action)
    for reason, actions in by_reason.items():
        shown = ", ".join(code(one) for one in actions[:_MOST_SHOWN])
        more = f" and {len(actions) - _MOST_SHOWN} more" if len(actions) > _MOST_SHOWN else ""
        yield f"{shown}{more}: {plain(reason)}"


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n{bullets(lines)}" if lines else ""


def _contents(ordered: Sequence[Folder]) -> GeneratedFile:
    lines = [
        f"{code(one.facts.user_name)} of {code(one.facts.account_id)}: {plain(one.draft.title)},"
        f" in {code(f'{folder_of(one.facts)}/{one.draft.target}')}"
        for one in ordered
    ]
    return page(
        "README.md",
        f"{len(ordered)} replacement plans",
        "Each folder is one plan, to be read before it is applied. Nothing here was applied.",
        bullets(lines),
    )
