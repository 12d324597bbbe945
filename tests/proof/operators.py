"""Mutants of a module: one small wrong change each, over the syntax tree.

Text for people, annotations, docstrings, imports and log lines are left alone: a test that holds a
sentence word by word proves nothing about what the code does.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from inventory.verdict import VerdictValue
from migrations_app.lifecycle import Method, MoveName, Protection, State

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# One member of these for the next: the wrong state, move or verdict.
MEMBERS: dict[str, tuple[str, ...]] = {
    kind.__name__: tuple(kind.__members__)
    for kind in (State, MoveName, Protection, Method, VerdictValue)
}
TWINS = {"any": "all", "all": "any", "min": "max", "max": "min"}
QUERIES = frozenset({"filter", "exclude", "get", "update", "Q"})
# What code compares or sends: "dormant", "DeleteUser", "iam:DeleteUser"; a sentence has spaces.
WORD = re.compile(r"[A-Za-z][\w:-]*")
# Their parameters shape how a class is built, not what it does.
QUIET_DECORATORS = frozenset(
    {"dataclass", "property", "classmethod", "staticmethod", "overload", "runtime_checkable"}
)
LOGGERS = frozenset({"log", "logger"})
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Site:
    """A node and the place in its parent that holds it.

    `within` is the outermost function or class; `inside` says that it runs when that is called, not
    when the module is imported.
    """

    node: ast.AST
    parent: ast.AST
    name: str
    index: int | None
    within: str
    inside: bool
    used_at: tuple[int, ...] = ()
    statement: int = 0

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


@dataclass(slots=True)
class Mutant:
    """One change of one kind to a tree; made by `put`, ended by `undo`."""

    site: Site = field(repr=False)
    operator: str
    node: ast.AST = field(repr=False)
    number: int = 1

    def put(self) -> None:
        self.site.put(self.node)

    def undo(self) -> None:
        self.site.put(self.site.node)

    @property
    def kind(self) -> str:
        return self.operator.partition(" (")[0]

    @property
    def line(self) -> int:
        # A comprehension's condition has no line of its own.
        lines = (getattr(node, "lineno", 0) for node in ast.walk(self.site.node))
        return next((line for line in lines if line), 0)

    @property
    def key(self) -> str:
        """Names the mutant by what it says, so that it outlives lines added elsewhere."""
        again = f" #{self.number}" if self.number > 1 else ""
        where = self.site.within or "module"
        return f"{where} | {self.operator} | {_said(self.site.node)} → {_said(self.node)}{again}"


def mutants(tree: ast.Module) -> list[Mutant]:
    """Every mutant of a module, in the order of the source."""
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for site in list(_all_sites(tree)):
        for operator, node in _changes(site):
            ast.copy_location(node, site.node)
            ast.fix_missing_locations(node)
            mutant = Mutant(site, operator, node)
            seen[mutant.key] += 1
            mutant.number = seen[mutant.key]
            found.append(mutant)
    return found


def _said(node: ast.AST) -> str:
    if isinstance(node, ast.ExceptHandler):
        node = ast.Module(body=[node.body[0]], type_ignores=[])
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 160 else f"{text[:110]} … {text[-40:]}"


def _all_sites(tree: ast.Module) -> Iterator[Site]:
    uses: dict[str, list[int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            uses.setdefault(node.id, []).append(node.lineno)
    for index, statement in enumerate(tree.body):
        names = [one.id for one in ast.walk(statement) if isinstance(one, ast.Name)]
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            target = statement.target if isinstance(statement, ast.AnnAssign) else None
            names = [ast.unparse(target or statement.targets[0])]  # type: ignore[union-attr]
        elif isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            names = [statement.name]
        lines = tuple(line for name in names for line in uses.get(name, ()))
        alone = ast.Module(body=tree.body[index : index + 1], type_ignores=[])
        for site in _sites(alone, "", inside=False):
            yield replace(
                site,
                used_at=lines,
                statement=index,
                parent=tree if site.parent is alone else site.parent,
                index=index if site.parent is alone else site.index,
            )


def _sites(node: ast.AST, within: str, *, inside: bool) -> Iterator[Site]:
    # An enumeration makes its members when the class is made, and never again.
    enters = isinstance(node, FUNCTIONS) and not inside and node.name != "__new__"
    for name, index, child in _children(node):
        if _left_alone(name, child):
            continue
        runs = inside or (enters and name == "body")
        yield Site(child, node, name, index, within, runs)
        named = isinstance(child, (*FUNCTIONS, ast.ClassDef)) and not runs
        deeper = f"{within}.{child.name}".strip(".") if named else within  # type: ignore[attr-defined]
        yield from _sites(child, deeper, inside=runs)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield name, None, value
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield name, index, child


def _left_alone(name: str, child: ast.AST) -> bool:  # noqa: PLR0911
    if name in ("annotation", "returns", "ctx", "type_comment", "op", "ops"):
        return True
    if name == "decorator_list":
        return _called(child) in QUIET_DECORATORS
    match child:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=logger)))):
            return logger in LOGGERS
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Callable"))):
            return True
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target in ("__all__", "__slots__")
        case ast.Call():
            return _called(child) in ("cast", "TypeVar")
    return False


def _without(kind: str, node: ast.AST) -> str:
    """The kind of change with what was left out: the long expression around it is cut short."""
    text = " ".join(ast.unparse(node).split())
    return f"{kind} ({text if len(text) <= 80 else f'{text[:70]} …'})"


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _changes(site: Site) -> Iterator[tuple[str, ast.AST]]:
    """The wrong versions of one node, each with the name of what was done to it."""
    node = site.node
    if site.name == "decorator_list":
        yield "decorator", _nothing_done()
    for kind, change in _BY_TYPE:
        if isinstance(node, kind):
            yield from change(node, site)


def _compare(node: ast.Compare, _: Site) -> Iterator[tuple[str, ast.AST]]:
    for index, op in enumerate(node.ops):
        other = COMPARISONS[type(op)]()
        ops = [*node.ops[:index], other, *node.ops[index + 1 :]]
        yield "compare", ast.Compare(node.left, ops, node.comparators)


def _boolean(node: ast.BoolOp, _: Site) -> Iterator[tuple[str, ast.AST]]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "and-or", ast.BoolOp(other, node.values)
    for index in range(len(node.values)):
        left = [*node.values[:index], *node.values[index + 1 :]]
        yield (
            _without("operand", node.values[index]),
            left[0] if len(left) == 1 else ast.BoolOp(node.op, left),
        )


def _unary(node: ast.UnaryOp, _: Site) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield "not", node.operand


def _arithmetic(node: ast.BinOp, _: Site) -> Iterator[tuple[str, ast.AST]]:
    of_text = any(
        isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str)
        for side in (node.left, node.right)
    )
    if type(node.op) in ARITHMETIC and not of_text:
        yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)


def _constant(node: ast.Constant, _: Site) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield "constant", ast.Constant(value + 1)
    elif isinstance(value, str) and WORD.fullmatch(value):
        yield "word", ast.Constant(f"{value}-X")


def _condition(node: ast.If | ast.While | ast.IfExp, _: Site) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.test, ast.UnaryOp | ast.Constant | ast.Compare):
        return  # "not", "constant" and "compare" do the same or nearly so.
    test = ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.IfExp):
        yield "negate", ast.IfExp(test, node.body, node.orelse)
    else:
        yield "negate", type(node)(test, node.body, node.orelse)


def _comprehension(node: ast.comprehension, _: Site) -> Iterator[tuple[str, ast.AST]]:
    for index in range(len(node.ifs)):
        left = [*node.ifs[:index], *node.ifs[index + 1 :]]
        yield "condition", ast.comprehension(node.target, node.iter, left, node.is_async)


def _return(node: ast.Return, _: Site) -> Iterator[tuple[str, ast.AST]]:
    if node.value is None:
        yield "removed", ast.Pass()
    elif not (isinstance(node.value, ast.Constant) and node.value.value in (None, True, False)):
        yield "return", ast.Return(ast.Constant(None))


def _statement(node: ast.stmt, site: Site) -> Iterator[tuple[str, ast.AST]]:
    """A call, a yield, a raise, a stored value left out."""
    if site.inside:
        yield "removed", ast.Pass()


def _assign(node: ast.Assign | ast.AugAssign, site: Site) -> Iterator[tuple[str, ast.AST]]:
    target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    if site.inside and (
        isinstance(node, ast.AugAssign) or isinstance(target, ast.Attribute | ast.Subscript)
    ):
        yield "removed", ast.Pass()


def _handler(node: ast.ExceptHandler, _: Site) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node.body[0], ast.Raise):
        yield "uncaught", ast.ExceptHandler(node.type, node.name, [ast.Raise()])


def _call(node: ast.Call, _: Site) -> Iterator[tuple[str, ast.AST]]:
    name = _called(node)
    if isinstance(node.func, ast.Name) and name in TWINS:
        yield "twin", ast.Call(ast.Name(TWINS[name], ast.Load()), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute) and name == "select_for_update":
        yield "lock", node.func.value
    if name not in QUERIES:
        return
    if isinstance(node.func, ast.Attribute) and name in ("filter", "exclude"):
        other = "exclude" if name == "filter" else "filter"
        turned = ast.Attribute(node.func.value, other, ast.Load())
        yield "filter-exclude", ast.Call(turned, node.args, node.keywords)
    for index, keyword in enumerate(node.keywords):
        if keyword.arg and len(node.keywords) + len(node.args) > 1:
            left = [*node.keywords[:index], *node.keywords[index + 1 :]]
            yield "keyword", ast.Call(node.func, node.args, left)


def _element(node: ast.Set | ast.Tuple | ast.List, site: Site) -> Iterator[tuple[str, ast.AST]]:
    """One of a table's rows, a set's members, left out."""
    parent = site.parent
    unpacked = isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple)
    if isinstance(parent, ast.Return | ast.Subscript | ast.Compare) or unpacked:
        return
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    for index in range(len(node.elts) if len(node.elts) > 1 else 0):
        left = [*node.elts[:index], *node.elts[index + 1 :]]
        made = ast.Set(left) if isinstance(node, ast.Set) else type(node)(left, ast.Load())
        yield _without("element", node.elts[index]), made


def _member(node: ast.Attribute, _: Site) -> Iterator[tuple[str, ast.AST]]:
    kind = node.value.id if isinstance(node.value, ast.Name) else ""
    members = MEMBERS.get(kind, ())
    if node.attr in members:
        other = members[(members.index(node.attr) + 1) % len(members)]
        yield "member", ast.Attribute(node.value, other, ast.Load())


def _nothing_done() -> ast.AST:
    return ast.parse("(lambda made: made)", mode="eval").body


_BY_TYPE: tuple[tuple[Any, Callable[[Any, Site], Iterator[tuple[str, ast.AST]]]], ...] = (
    (ast.Compare, _compare),
    (ast.BoolOp, _boolean),
    (ast.UnaryOp, _unary),
    (ast.BinOp, _arithmetic),
    (ast.Constant, _constant),
    ((ast.If, ast.While, ast.IfExp), _condition),
    (ast.comprehension, _comprehension),
    (ast.Return, _return),
    ((ast.Expr, ast.Raise, ast.Continue, ast.Break, ast.Delete), _statement),
    ((ast.Assign, ast.AugAssign), _assign),
    (ast.ExceptHandler, _handler),
    (ast.Call, _call),
    ((ast.Set, ast.Tuple, ast.List), _element),
    (ast.Attribute, _member),
)
