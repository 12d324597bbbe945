"""Pages as IAM gives them: `Marker`, `IsTruncated`, and never a promise to fill a page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .calls import Context
from .errors import invalid

Row = TypeVar("Row")
DEFAULT_PAGE = 100
LARGEST_PAGE = 1000


def page(
    context: Context,
    result_key: str,
    rows: Iterable[Row],
    key: Callable[[Row], str],
    shown: Callable[[Row], Any],
) -> dict[str, Any]:
    """One page of `rows`, sorted by `key` and shown with `shown`.

    The marker names the last row given, so that rows which vanish in between are not skipped over.
    ValidationError for a `MaxItems` out of range or a marker that was never given.
    """
    wanted = int(context.params.get("MaxItems", DEFAULT_PAGE))
    if not 1 <= wanted <= LARGEST_PAGE:
        raise invalid(f"1 validation error detected: Value '{wanted}' at 'maxItems' failed")
    size = min(wanted, context.page_limit)
    ordered = sorted(rows, key=key)
    marker = context.params.get("Marker")
    if marker is not None:
        after = _read(context.call.operation, str(marker))
        ordered = [row for row in ordered if key(row) > after]
    shown_rows = ordered[:size]
    answer: dict[str, Any] = {
        result_key: [shown(row) for row in shown_rows],
        "IsTruncated": len(ordered) > size,
    }
    if len(ordered) > size:
        answer["Marker"] = _write(context.call.operation, key(shown_rows[-1]))
    return answer


def _write(operation: str, last: str) -> str:
    return base64.urlsafe_b64encode(f"{operation}\n{last}".encode()).decode()


def _read(operation: str, marker: str) -> str:
    try:
        made_for, last = base64.urlsafe_b64decode(marker).decode().split("\n", 1)
    except ValueError:
        made_for, last = "", ""
    if made_for != operation:
        raise invalid(f"Invalid Marker: {marker}")
    return last
