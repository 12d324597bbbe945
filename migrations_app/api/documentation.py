"""The documentation page: the description as a page of the house, without a script of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from inventory.models import Person
from migrations_app.api.description import described
from migrations_app.api.door import PER_MINUTE, SCOPES
from migrations_app.api.routes import ABOUT, TAGS
from migrations_app.api.rules import RULES
from migrations_app.tokens import SCOPE_WORDS

_REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type in words; `shape` is the name of the shape it links to, if it is one of ours."""

    words: str
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or one field of a shape."""

    name: str
    kind: Kind
    required: bool
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One object that goes in or comes out."""

    name: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One address with one method."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    scopes: tuple[str, ...]
    fields: tuple[Field, ...]
    body: Shape | None
    status: str
    answer: Kind
    refusals: tuple[str, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations about one thing."""

    name: str
    anchor: str
    text: str
    operations: tuple[Operation, ...]


@login_not_required
@require_safe
def documentation(request: HttpRequest) -> HttpResponse:
    """Every address with what it takes and answers, every code that can refuse."""
    document = described()
    operations = [*_operations(document, request)]
    groups = [
        Group(
            name,
            f"about-{slugify(name)}",
            text,
            tuple(one for tag, one in operations if tag == name),
        )
        for name, text in TAGS.items()
    ]
    bodies = {one.body.name for _, one in operations if one.body}
    signed_in = isinstance(request.user, Person)
    context = {
        "base": "base.html" if signed_in else "bare.html",
        "signed_in": signed_in,
        "about": ABOUT,
        "groups": groups,
        "shapes": [
            shape
            for shape in _shapes(document)
            # Told where they are sent: as a body, or as parameters one by one.
            if shape.name not in bodies and not shape.name.endswith("Filters")
        ],
        "rules": RULES.items(),
        "scopes": SCOPE_WORDS.items(),
        "per_minute": PER_MINUTE,
        "address": request.build_absolute_uri("/api/v1/"),
    }
    return render(request, "migrations_app/api_docs.html", context)


def _operations(document: dict[str, Any], request: HttpRequest) -> Iterator[tuple[str, Operation]]:
    shapes = {shape.name: shape for shape in _shapes(document)}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {})
            taken = shapes.get(_kind(body["schema"]).shape) if body else None
            statuses = sorted(one["responses"])
            answer = one["responses"][statuses[0]]["content"]["application/json"]["schema"]
            yield (
                one["tags"][0],
                Operation(
                    id=one["operationId"],
                    method=method.upper(),
                    path=path,
                    summary=one["summary"],
                    text=one.get("description", ""),
                    scopes=tuple(one[SCOPES]),
                    fields=(*map(_parameter, one["parameters"]), *_sent(taken)),
                    body=taken,
                    status=statuses[0],
                    answer=_kind(answer),
                    refusals=tuple(statuses[1:]),
                    example=_example(request, method, path, taken),
                ),
            )


def _shapes(document: dict[str, Any]) -> Iterator[Shape]:
    for name, schema in sorted(document["components"]["schemas"].items()):
        if schema.get("type") == "object":
            fields = _fields(schema)
            yield Shape(name, schema.get("description", ""), fields)


def _fields(schema: dict[str, Any]) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, _kind(one), name in required, one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    )


def _sent(body: Shape | None) -> Iterator[Field]:
    """The fields of a body, beside the parameters."""
    for field in body.fields if body else ():
        yield replace(field, place="body")


def _parameter(one: dict[str, Any]) -> Field:
    text = one.get("description", "")
    return Field(one["name"], _kind(one["schema"]), one["required"], text, one["in"])


def _kind(schema: dict[str, Any]) -> Kind:
    """ "list of Item", "date-time or null", "disable, delete"."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return Kind(name, name)
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        shape = next((one.shape for one in kinds if one.shape), "")
        return Kind(" or ".join(one.words for one in kinds), shape)
    if "enum" in schema:
        return Kind(", ".join(str(value) or "empty" for value in schema["enum"]))
    if schema.get("type") == "array":
        inner = _kind(schema.get("items", {}))
        return Kind(f"list of {inner.words}", inner.shape)
    return Kind(str(schema.get("format") or schema.get("type") or "any"))


def _example(request: HttpRequest, method: str, path: str, body: Shape | None) -> str:
    """The request as a command line, as short as it can be."""
    address = request.build_absolute_uri(re.sub(r"{(\w+)}", lambda name: name[1].upper(), path))
    lines = ['curl -H "Authorization: Bearer $TOKEN"']
    if method == "post":
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
        lines.append('-H "Content-Type: application/json"')
        sample = {field.name: "…" for field in body.fields if field.required} if body else {}
        lines.append(f"-d '{json.dumps(sample, ensure_ascii=False)}'")
    return " \\\n  ".join([*lines, address])


def _sample(kind: str) -> object:
    """A value of that kind, to be replaced."""
    if kind.startswith("list of"):
        return ["…"]
    return kind.partition(", ")[0] if ", " in kind else "…"
