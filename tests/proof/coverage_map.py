"""Which tests run which lines of the modules under mutation, recorded once for each test file."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import coverage

from tests.proof.targets import ROOT, TARGETS
from tests.proof.warm import Warm

# Not kept in the repository: it can be recorded anew at any time.
HOME = ROOT / ".proof"


def _holds(kept: Path) -> bool:
    """Whether a recording is there, and the modules that it ran are as they were."""
    if not kept.exists():
        return False
    modules: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))["modules"]
    return all(
        name in TARGETS and TARGETS[name].digest == digest for name, digest in modules.items()
    )


class Coverage:
    """Tests by line, with how long each takes; `record` fills in what is not known yet."""

    def __init__(self) -> None:
        self._files = {str(target.path): name for name, target in TARGETS.items()}
        self.seconds: dict[str, float] = {}
        self.red: set[str] = set()
        self._lines: dict[str, dict[int, list[str]]] = {name: {} for name in TARGETS}

    def record(self, warm: Warm, until: float) -> bool:
        """Run what was not recorded since its file or a module changed. False when time ran out."""
        by_file: dict[str, list[str]] = {}
        for name in warm.items:
            by_file.setdefault(name.partition("::")[0], []).append(name)
        for file, names in by_file.items():
            digest = hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:12]
            kept = HOME / f"{Path(file).stem}.{digest}.json"
            if not _holds(kept):
                if time.monotonic() > until:
                    return False
                self._record_file(warm, names, kept)
            self._take(json.loads(kept.read_text(encoding="utf-8"))["tests"], set(names))
        return True

    def _record_file(self, warm: Warm, names: list[str], kept: Path) -> None:
        tracer = coverage.Coverage(data_file=None, include=list(self._files), config_file=False)
        # A file of tests may run none of the modules.
        tracer.set_option("run:disable_warnings", ["no-data-collected"])
        told: dict[str, dict[str, object]] = {}
        tracer.start()
        try:
            for name in names:
                tracer.switch_context(name)
                began = time.monotonic()
                passed = warm.passes(warm.items[name])
                told[name] = {"seconds": round(time.monotonic() - began, 3), "passed": passed}
        finally:
            tracer.stop()
        data = tracer.get_data()
        lines: dict[str, dict[str, list[int]]] = {}
        for file, module in self._files.items():
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    if context in told:
                        lines.setdefault(context, {}).setdefault(module, []).append(line)
        HOME.mkdir(exist_ok=True)
        for old in HOME.glob(f"{kept.name.partition('.')[0]}.*.json"):
            old.unlink()
        run = {module for covered in lines.values() for module in covered}
        tests = {name: {**facts, "lines": lines.get(name, {})} for name, facts in told.items()}
        modules = {module: TARGETS[module].digest for module in sorted(run)}
        kept.write_text(json.dumps({"modules": modules, "tests": tests}), encoding="utf-8")

    def _take(self, recorded: dict[str, dict[str, object]], names: set[str]) -> None:
        for name, facts in recorded.items():
            if name not in names:
                continue
            self.seconds[name] = float(str(facts["seconds"]))
            if not facts["passed"]:
                self.red.add(name)
                continue
            lines: dict[str, list[int]] = facts["lines"]  # type: ignore[assignment]
            for module, numbers in lines.items():
                for number in numbers:
                    self._lines[module].setdefault(number, []).append(name)

    def tests(self, module: str, line: int) -> list[str]:
        """The tests that run a line."""
        return self._lines[module].get(line, [])

    def all_tests(self, module: str) -> list[str]:
        """The tests that run any line of a module."""
        return list(dict.fromkeys(one for names in self._lines[module].values() for one in names))

    def lineless(self) -> set[str]:
        """The tests that run no line at all: they look at what was made on import."""
        running = {
            one for lines in self._lines.values() for names in lines.values() for one in names
        }
        return set(self.seconds) - running - self.red
