"""Every page of a listing, or an error: half a listing is never taken for a whole one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from inventory.aws.failure import AwsFailure, failure


def ask(call: Callable[..., Any], operation: str, **arguments: Any) -> Any:
    """One call, its error turned into AwsFailure."""
    try:
        return call(**arguments)
    except (ClientError, BotoCoreError) as error:
        raise failure(error, operation) from error


def pages(call: Callable[..., Any], operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """The pages of an IAM listing (Marker, IsTruncated), by hand: boto3 lacks some paginators.

    Raises AwsFailure: AWS's own, or "HalfRead" where a page says there is more but not where.
    """
    seen: set[str] = set()
    while True:
        page: dict[str, Any] = ask(call, operation, **arguments)
        yield page
        if not page.get("IsTruncated"):
            return
        marker = str(page.get("Marker") or "")
        if not marker or marker in seen:
            message = "AWS said that the listing goes on, but not where."
            raise AwsFailure("HalfRead", message, operation=operation, retryable=True)
        seen.add(marker)
        arguments["Marker"] = marker


def listing(call: Callable[..., Any], operation: str, key: str, **arguments: Any) -> list[Any]:
    """All items under `key` of all pages; see `pages`."""
    return [item for page in pages(call, operation, **arguments) for item in page.get(key, ())]


def token_listing(
    call: Callable[..., Any],
    operation: str,
    key: str,
    tokens: tuple[str, str] = ("NextToken", "NextToken"),
    **arguments: Any,
) -> list[Any]:
    """All items of a listing that goes on by a token; an empty page may have one too.

    `tokens` are its names in the request and in the answer. Raises AwsFailure: AWS's own, or
    "HalfRead" where a token comes a second time: such a listing never ends.
    """
    sent, told = tokens
    items: list[Any] = []
    seen: set[str] = set()
    while True:
        page = ask(call, operation, **arguments)
        items += page.get(key) or ()
        token = str(page.get(told) or "")
        if not token:
            return items
        if token in seen:
            message = "AWS gave the same page of the listing twice."
            raise AwsFailure("HalfRead", message, operation=operation, retryable=True)
        seen.add(token)
        arguments[sent] = token
