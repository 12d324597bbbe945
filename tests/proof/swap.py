"""Bring a mutant to life in a process that has imported everything already.

A change inside a function only needs the new code in every function object that holds the old code:
tables, decorators and other modules keep their references. A change at the level of the module or a
class runs that statement anew, and those made with it, in the module's own namespace; whoever
imported a name from it gets the new object. A test that fails for that alone is not asked.
"""

from __future__ import annotations

import ast
import gc
import importlib
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.proof.operators import Mutant


class NotSwapped(RuntimeError):
    """The mutant could not be brought to life; a fault of this tool, never a result."""


class Module:
    """An imported module whose mutants can be put in its place, in a child process for each."""

    def __init__(self, module: ModuleType, tree: ast.Module) -> None:
        self.module, self.tree = module, tree
        self.file = str(module.__file__)
        gc.unfreeze()  # What is frozen is not listed.
        self._functions: dict[tuple[str, int], list[FunctionType]] = {}
        for found in gc.get_objects():
            if type(found) is FunctionType and found.__code__.co_filename == self.file:
                place = (found.__code__.co_qualname, found.__code__.co_firstlineno)
                self._functions.setdefault(place, []).append(found)
        gc.freeze()

    def become(self, mutant: Mutant) -> None:
        """Make this process the mutant's. There is no way back but the end of the process."""
        mutant.put()
        try:
            if mutant.site.inside:
                code = compile(self.tree, self.file, "exec", dont_inherit=True)
                self._swap_function(code, mutant.site.within)
            else:
                self._run_anew(mutant.site.statement)
        finally:
            mutant.undo()

    def stay(self, mutant: Mutant) -> None:
        """Run the mutant's statement anew without its change: what fails then tells nothing."""
        self._run_anew(mutant.site.statement)

    def _swap_function(self, code: CodeType, name: str) -> None:
        swapped = 0
        for new in _codes(code):
            if new.co_qualname == name:
                for function in self._functions.get((name, new.co_firstlineno), []):
                    try:
                        function.__code__ = new
                    except ValueError as other_cells:
                        raise NotSwapped(f"{name}: {other_cells}") from other_cells
                    swapped += 1
        if not swapped:
            raise NotSwapped(f"No live function {name} in {self.module.__name__}")

    def _run_anew(self, statement: int) -> None:
        """One statement of the module, and after it every value that was made with it."""
        names = vars(self.module)
        old = dict(names)
        changed: set[str] = set()
        for number, node in enumerate(self.tree.body[statement:]):
            if number and not (
                isinstance(node, ast.Assign | ast.AnnAssign) and changed & _names(node, ast.Load)
            ):
                continue
            alone = ast.Module(body=[node], type_ignores=[])
            exec(compile(alone, self.file, "exec", dont_inherit=True), names)
            changed |= _names(node, ast.Store)
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                changed.add(node.name)
        for other in list(sys.modules.values()):
            held: dict[str, Any] = getattr(other, "__dict__", {})
            for name in changed & old.keys():
                if other is not self.module and held.get(name, names) is old[name]:
                    held[name] = names[name]


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Name) and isinstance(one.ctx, context)
    }


def _codes(code: CodeType) -> list[CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [*inner, *(deeper for one in inner for deeper in _codes(one))]


def become_source(name: str, source: str) -> None:
    """Put another version of an imported module's source in its place, function by function."""
    module = importlib.import_module(name)
    file = str(module.__file__)
    gc.unfreeze()  # What is frozen is not listed.
    new = {code.co_qualname: code for code in _codes(compile(source, file, "exec"))}
    for found in gc.get_objects():
        if type(found) is FunctionType and found.__code__.co_filename == file:
            code = new.get(found.__code__.co_qualname)
            if code is not None and code.co_freevars == found.__code__.co_freevars:
                found.__code__ = code
