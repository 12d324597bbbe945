"""Several questions in one statement: a page with rows of ten tables asks once, not ten times.

Each question is an ordinary queryset, correlated with nothing. Rows come back as JSON and become
what the queryset would have given: instances, with what it selects along and annotates, or dicts
for `values`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BinaryField,
    Count,
    Expression,
    Field,
    Func,
    JSONField,
    Model,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce, JSONObject

_AT_ONCE = 50
Questions = Mapping[str, "QuerySet[Any] | BaseExpression"]


def ask(beside: QuerySet[Any], questions: Questions) -> dict[str, Any]:
    """By name the rows of each queryset, or the value of each expression.

    `beside` gives the one row that the answers stand beside; DoesNotExist where it gives none.
    """
    if not questions:
        return {}
    # Under names of our own: the model that they stand beside may have a column of that name.
    asked = {
        f"asked_{name}": ArraySubquery(one.values(json=_document(dict(_columns(one)))))
        if isinstance(one, QuerySet)
        else one
        for name, one in questions.items()
    }
    found: dict[str, Any] = beside.order_by().values(**asked).get()
    return {
        name: [_row(one, told) for told in found[f"asked_{name}"] or ()]
        if isinstance(one, QuerySet)
        else found[f"asked_{name}"]
        for name, one in questions.items()
    }


def number(rows: QuerySet[Any]) -> Coalesce:
    """How many `rows` there are, as one of the questions or beside a row of another table."""
    counted = rows.order_by().annotate(one=Value(1)).values("one").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), Value(0))


def put_beside(row: Model, name: str, rows: list[Any]) -> None:
    """Let `row.name.all()` give these rows, as if it had been prefetched with them."""
    found = getattr(row, name).all()
    found._result_cache, found._prefetch_done = rows, True
    cache: dict[str, Any] = vars(row).setdefault("_prefetched_objects_cache", {})
    cache[name] = found


class _Joined(Func):
    template = "(%(expressions)s)"
    arg_joiner = " || "
    output_field = JSONField()


def _document(columns: Mapping[str, Any]) -> Expression:
    """One JSON object; PostgreSQL makes at most fifty of its members at a time."""
    parts = [JSONObject(**dict(part)) for part in _batched(columns)]
    return _Joined(*parts)


def _batched(columns: Mapping[str, Any]) -> Iterator[list[tuple[str, Any]]]:
    pairs = list(columns.items())
    for start in range(0, len(pairs), _AT_ONCE):
        yield pairs[start : start + _AT_ONCE]


def _columns(rows: QuerySet[Any]) -> Iterator[tuple[str, Any]]:
    """What to ask for: (key in the answer, name in the query)."""
    query = rows.query
    if not _gives_instances(rows):
        names = (*query.values_select, *query.annotation_select)
        yield from ((name, name) for name in names)
        return
    yield from _fields_of(rows.model, "", query.select_related, _deferred(rows))
    yield from ((name, name) for name in query.annotation_select)


def _fields_of(
    model: type[Model], prefix: str, related: Any, deferred: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Any]]:
    for field in _fields(model):
        if field.name not in deferred and field.attname not in deferred:
            yield field.attname, f"{prefix}{field.attname}"
    for name, below in _related(related).items():
        other = model._meta.get_field(name).related_model
        inner = dict(_fields_of(other, f"{prefix}{name}__", below))  # type: ignore[arg-type]
        yield f"{name} beside", _document(inner)


def _row(rows: QuerySet[Any], told: dict[str, Any]) -> Any:
    query = rows.query
    annotations = query.annotation_select
    if not _gives_instances(rows):
        fields: dict[str, Any]
        fields = {name: _field(rows.model, name) for name in query.values_select}
        fields |= {name: one.output_field for name, one in annotations.items()}
        return {name: field.to_python(told[name]) for name, field in fields.items()}
    row = _instance(rows.model, told, query.select_related)
    for name, one in annotations.items():
        setattr(row, name, one.output_field.to_python(told[name]))
    return row


def _instance(model: type[Model], told: dict[str, Any], related: Any) -> Any:
    fields = [field for field in _fields(model) if field.attname in told]
    values = [field.to_python(told[field.attname]) for field in fields]
    row = model.from_db("default", [field.attname for field in fields], values)
    for name, below in _related(related).items():
        other = model._meta.get_field(name).related_model
        beside = told[f"{name} beside"]
        found = None
        if beside[other._meta.pk.attname] is not None:  # type: ignore[union-attr]
            found = _instance(other, beside, below)  # type: ignore[arg-type]
        setattr(row, name, found)
    return row


def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    """Every column but bytes, which JSON cannot hold."""
    return [field for field in model._meta.concrete_fields if not isinstance(field, BinaryField)]


def _field(model: type[Model], path: str) -> Any:
    *along, last = path.split("__")
    for name in along:
        model = model._meta.get_field(name).related_model  # type: ignore[assignment]
    return model._meta.get_field(last)


def _related(related: Any) -> dict[str, Any]:
    return related if isinstance(related, dict) else {}


def _deferred(rows: QuerySet[Any]) -> frozenset[str]:
    names, without = rows.query.deferred_loading
    return frozenset(names) if without else frozenset()


def _gives_instances(rows: QuerySet[Any]) -> bool:
    return rows._fields is None  # type: ignore[attr-defined]
