"""Which modules are mutated, and which tests are asked about them first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "proof"
CHANGES = tuple(
    f"changes/{path.stem}"
    for path in sorted((ROOT / "migrations_app" / "changes").glob("*.py"))
    if path.stem != "__init__"
)


_MIRRORS = {
    "verdict": "inventory/test_verdict inventory/test_verdict_edges",
    "lifecycle": "migrations_app/test_lifecycle migrations_app/test_lifecycle_words",
    "guards": "migrations_app/test_guards migrations_app/test_guards_words",
    "aws": (
        "migrations_app/test_aws_calls migrations_app/test_aws_plan "
        "migrations_app/test_aws_proof migrations_app/test_aws_sessions "
        "migrations_app/test_aws_writer"
    ),
    "changes/acknowledging": "migrations_app/test_acknowledging migrations_app/api/test_rails",
    "changes/ahead": "migrations_app/test_ahead",
    "changes/answering": "migrations_app/test_answering",
    "changes/approval": "migrations_app/test_approval_edges migrations_app/test_approving",
    "changes/checking": (
        "migrations_app/test_approval_edges migrations_app/test_approving migrations_app/test_rules"
    ),
    "changes/steering": "migrations_app/test_approving migrations_app/test_half_done",
    "changes/attribution": "migrations_app/test_attributing",
    "changes/batches": (
        "migrations_app/test_composing migrations_app/test_batches migrations_app/test_rules "
        "migrations_app/test_composed_twice migrations_app/test_said_twice "
        "migrations_app/test_half_done"
    ),
    "changes/break_glass": (
        "migrations_app/test_break_glass_checks migrations_app/test_break_glass_kept"
    ),
    "changes/campaigns": "migrations_app/test_campaign_edges migrations_app/test_campaigns",
    "changes/clean": "migrations_app/test_staying_clean",
    "changes/contests": "migrations_app/test_contests migrations_app/test_contests_settled",
    "changes/crew": "migrations_app/test_crew_connections",
    "changes/drift": "migrations_app/test_drift_kept migrations_app/test_drift_holding",
    "changes/handing_over": "migrations_app/test_contests migrations_app/test_ownership",
    "changes/owning": (
        "migrations_app/test_owning migrations_app/test_ownership "
        "migrations_app/test_answering migrations_app/test_contests"
    ),
    "changes/plans": "migrations_app/test_plan_verbs migrations_app/test_said_twice",
    "changes/restores": "migrations_app/test_restores",
    "changes/enrolling": (
        "migrations_app/test_coming_back migrations_app/test_enrolling "
        "migrations_app/test_after_look"
    ),
    "changes/evidence": "migrations_app/test_warnings",
    "changes/facts": "migrations_app/test_facts",
    "changes/forward": (
        "migrations_app/test_judging_again migrations_app/test_running migrations_app/test_rules "
        "migrations_app/test_after_look migrations_app/test_half_done"
    ),
    "changes/hits": "migrations_app/test_attempts migrations_app/test_attempts_edges",
    "changes/journal": "migrations_app/test_journal",
    "changes/nudge": "migrations_app/test_nudging",
    "changes/ownership": "migrations_app/test_ownership migrations_app/test_owning",
    "changes/protecting": (
        "migrations_app/test_exempting migrations_app/test_protecting "
        "migrations_app/test_rules migrations_app/test_half_done"
    ),
    "changes/restoring": (
        "migrations_app/test_undoing "
        "migrations_app/test_restoring migrations_app/test_rules "
        "migrations_app/test_half_done migrations_app/test_outranking"
    ),
    "changes/running": (
        "migrations_app/test_claiming migrations_app/test_working "
        "migrations_app/test_running migrations_app/test_rules migrations_app/test_half_done "
        "migrations_app/test_outranking"
    ),
    "changes/situation": "migrations_app/test_situation migrations_app/test_situation_accounts",
    "changes/half_done": (
        "migrations_app/test_finishing migrations_app/test_half_done migrations_app/test_rules"
    ),
    "changes/outranking": (
        "migrations_app/test_superseding migrations_app/test_working "
        "migrations_app/test_outranking migrations_app/test_restoring"
    ),
    "changes/reasons": "migrations_app/test_acknowledging migrations_app/api/test_rails",
    "changes/reconciling": "migrations_app/test_comparing migrations_app/test_reconcile",
    "changes/database_home": "migrations_app/test_home",
    "changes/undo": "migrations_app/test_scripting migrations_app/test_rules",
    "changes/state": "migrations_app/test_state migrations_app/test_state_row",
    "changes/stop": (
        "migrations_app/test_halting migrations_app/test_stop migrations_app/test_rules"
    ),
    "changes/sweep": (
        "migrations_app/test_due "
        "migrations_app/test_sweep migrations_app/test_rules migrations_app/test_half_done "
        "migrations_app/test_after_look"
    ),
}
# A file of the engine that is not named above is tried against the rules and the runs.
_REST = "migrations_app/test_rules migrations_app/test_running migrations_app/test_half_done"


@dataclass(frozen=True, slots=True)
class Target:
    """A module under mutation: its file, its import name, the test files that mirror it."""

    name: str

    @property
    def path(self) -> Path:
        app = "inventory" if self.name == "verdict" else "migrations_app"
        return ROOT / app / f"{self.name}.py"

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """Names the source that was measured."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    @property
    def tests(self) -> tuple[str, ...]:
        """The test files that may kill its mutants: its mirrors, and not all that happen to run it.

        A mutant that others alone would notice survives.
        """
        wanted = (f"tests/{name}.py" for name in _MIRRORS.get(self.name, _REST).split())
        return tuple(sorted(name for name in wanted if (ROOT / name).exists()))

    @property
    def results(self) -> Path:
        return RESULTS / "mutation" / f"{self.name.replace('/', '.')}.json"

    @property
    def part(self) -> str:
        """The one of the five that it counts for."""
        return self.name.partition("/")[0]


TARGETS = {name: Target(name) for name in ("lifecycle", "guards", "verdict", "aws", *CHANGES)}
