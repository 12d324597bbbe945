"""CloudTrail Lake over the account's events: queries in SQL, their life, their pages.

The account has one event data store, as an account that had Lake before it closed to new customers.
SQL is answered by SQLite with the functions of Presto that such queries use; a query runs for the
first look at it and is finished at the second.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .calls import Context, operation
from .errors import AwsError
from .events import Event

STORE = "3fd21f2e-7b0c-4a55-9c7a-2f4ad1e0c206"
LONGEST_STATEMENT = 10_000
MOST_AT_ONCE = 10
LARGEST_PAGE = 1000
STATUSES = ("QUEUED", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "TIMED_OUT")
_OVER = {"FINISHED", "FAILED", "CANCELLED", "TIMED_OUT"}
_FROM = re.compile(r"\bFROM\s+([0-9a-f]{8}-[0-9a-f-]{27})\b", re.IGNORECASE)
_COLUMNS = (
    "eventTime", "eventID", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
    "errorCode", "errorMessage", "recipientAccountId", "responseElements", "userIdentity.type",
    "userIdentity.principalId", "userIdentity.accessKeyId",
    "userIdentity.sessionContext.sessionIssuer.principalId",
)  # fmt: skip


def store_arn(account_id: str, region: str = "us-east-1") -> str:
    """The ARN of the account's event data store."""
    return f"arn:aws:cloudtrail:{region}:{account_id}:eventdatastore/{STORE}"


@dataclass
class Query:
    """One query; `status` moves on each time it is looked at."""

    id: str
    text: str
    made_at: datetime
    status: str = "QUEUED"
    error: str = ""
    rows: list[dict[str, str]] = field(default_factory=list)


class Lake:
    """The account's store. `status`: ENABLED, PENDING_DELETION, or "" for an account without one.

    `ends_as` is how queries end from now on; `held` keeps them running until it is taken away.
    """

    def __init__(self) -> None:
        self.status = "ENABLED"
        self.ends_as = "FINISHED"
        self.held = False
        self.retention = timedelta(days=2557)
        self.queries: dict[str, Query] = {}

    def move_on(self, query: Query) -> None:
        """A little later in the life of a query."""
        if query.status in _OVER or self.held:
            return
        if query.status == "QUEUED":
            query.status = "RUNNING"
            return
        query.status = self.ends_as
        if query.status != "FINISHED":
            query.rows, query.error = [], f"The query ended as {query.status}."


def _lake(context: Context) -> Lake:
    lake = context.simulator.lake(context.account.id)
    if not lake.status:
        raise AwsError(
            "EventDataStoreNotFoundException", "The specified event data store was not found."
        )
    if lake.status != "ENABLED":
        raise AwsError("InactiveEventDataStoreException", "The event data store is inactive.")
    return lake


def _query(context: Context) -> Query:
    found = _lake(context).queries.get(str(context.params.get("QueryId", "")))
    if found is None:
        raise AwsError("QueryIdNotFoundException", "The query ID does not exist.")
    return found


@operation("cloudtrail", "StartQuery")
def start_query(context: Context) -> dict[str, Any]:
    """InvalidParameter, InvalidQueryStatement, MaxConcurrentQueries, and the store's own."""
    lake, text = _lake(context), str(context.params.get("QueryStatement", ""))
    if not 1 <= len(text) <= LONGEST_STATEMENT:
        raise AwsError("InvalidParameterException", "The query statement is too long.")
    named = _FROM.search(text)
    if named is None or named[1] != STORE:
        raise AwsError(
            "EventDataStoreNotFoundException", "The specified event data store was not found."
        )
    running = sum(query.status not in _OVER for query in lake.queries.values())
    if running >= MOST_AT_ONCE:
        raise AwsError(
            "MaxConcurrentQueriesException", "You are already running the maximum number of queries"
        )
    query = Query(str(uuid.uuid4()), text, context.now)
    query.rows = _answered(context, lake, text)
    lake.queries[query.id] = query
    return {"QueryId": query.id}


@operation("cloudtrail", "DescribeQuery")
def describe_query(context: Context) -> dict[str, Any]:
    """The status of a query; looking lets it move on."""
    query = _query(context)
    _lake(context).move_on(query)
    answer: dict[str, Any] = {
        "QueryId": query.id,
        "QueryString": query.text,
        "QueryStatus": query.status,
        "QueryStatistics": {"EventsMatched": len(query.rows), "CreationTime": query.made_at},
    }
    return answer | ({"ErrorMessage": query.error} if query.error else {})


@operation("cloudtrail", "GetQueryResults")
def get_query_results(context: Context) -> dict[str, Any]:
    """Pages of at most 1,000 rows, each a list of maps of one column. No rows before the end."""
    query = _query(context)
    size = int(context.params.get("MaxQueryResults", LARGEST_PAGE))
    if not 1 <= size <= LARGEST_PAGE:
        raise AwsError("InvalidMaxResultsException", "A value of 1 to 1000 is required.")
    size = min(size, context.page_limit)
    start = _read_token(query, context.params.get("NextToken"))
    rows = query.rows if query.status == "FINISHED" else []
    page = rows[start : start + size]
    answer: dict[str, Any] = {
        "QueryStatus": query.status,
        "QueryStatistics": {"ResultsCount": len(page), "TotalResultsCount": len(rows)},
        "QueryResultRows": [[{name: value} for name, value in row.items()] for row in page],
    }
    if start + size < len(rows):
        answer["NextToken"] = f"{query.id}/{start + size}"
    return answer | ({"ErrorMessage": query.error} if query.error else {})


@operation("cloudtrail", "CancelQuery")
def cancel_query(context: Context) -> dict[str, Any]:
    """InactiveQueryException for one that is over."""
    query = _query(context)
    if query.status in _OVER:
        raise AwsError(
            "InactiveQueryException",
            f"The specified query cannot be canceled because it is in the {query.status} state.",
        )
    query.status = "CANCELLED"
    return {"QueryId": query.id, "QueryStatus": query.status}


def _read_token(query: Query, token: Any) -> int:
    if token is None:
        return 0
    made_for, _, start = str(token).partition("/")
    if made_for != query.id or not start.isdigit():
        raise AwsError("InvalidNextTokenException", "The NextToken is invalid.")
    return int(start)


def _answered(context: Context, lake: Lake, text: str) -> list[dict[str, str]]:
    """The rows of a SELECT over the events that the store holds by now, all values as text."""
    if not re.match(r"\s*SELECT\b", text, re.IGNORECASE) or ";" in text:
        raise AwsError("InvalidQueryStatementException", "Only SELECT statements are supported.")
    sql = _FROM.sub("FROM events", text)
    sql = re.sub(r"\buserIdentity(\.\w+)+", lambda name: f'"{name[0]}"', sql)
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA case_sensitive_like = ON")
        database.create_function("date_format", 2, _date_format)
        database.create_function("element_at", 2, _element_at)
        database.execute("CREATE TABLE events (" + ", ".join(f'"{c}"' for c in _COLUMNS) + ")")
        places = ", ".join("?" for _ in _COLUMNS)
        oldest = context.now - lake.retention
        trail = context.simulator.trail(context.account.id)
        database.executemany(
            f"INSERT INTO events VALUES ({places})",  # noqa: S608
            (
                _columns(event)
                for region in trail.regions.values()
                for event in region.events
                if event.at >= oldest and event.visible_at <= context.now
            ),
        )
        try:
            found = database.execute(sql)
        except sqlite3.Error as error:
            raise AwsError("InvalidQueryStatementException", str(error)) from error
        names = [column[0] for column in found.description]
        rows = [
            {name: str(value) for name, value in zip(names, row, strict=True) if value is not None}
            for row in found
        ]
    database.close()
    return rows


def _columns(event: Event) -> tuple[Any, ...]:
    identity = event.identity
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    code, message = event.error or (None, None)
    return (
        event.at.strftime("%Y-%m-%d %H:%M:%S.000"), event.id, event.source, event.name,
        event.region, event.ip, event.agent, code or None, message, event.account_id,
        json.dumps(event.answer) if event.answer else None, identity.get("type"),
        identity.get("principalId"), identity.get("accessKeyId") or None,
        issuer.get("principalId"),
    )  # fmt: skip


def _date_format(value: str, shape: str) -> str:
    return datetime.fromisoformat(value).strftime(shape)


def _element_at(value: str | None, key: str) -> str | None:
    found = json.loads(value).get(key) if value else None
    return None if found is None else str(found)
