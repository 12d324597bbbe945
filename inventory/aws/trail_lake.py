"""CloudTrail Lake: what IAM users did, summed up by AWS itself, for accounts that have it.

Lake takes no new customers since 2026-05-31 (CloudTrail user guide, "service availability change");
who had an event data store before keeps it. One SQL statement asks for one Region and some days;
nothing that a user chose, such as a name, ever stands in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

LONGEST_STATEMENT = 10_000
_PATIENCE_SECONDS = 120.0
# The SDK sends nothing of CloudTrail again by itself: its lookups share a limit with others.
_RETRY_SECONDS = 20.0
_PAGE = 1000
_STORE = re.compile(
    r"arn:aws[a-z-]*:cloudtrail:([a-z0-9-]+):(\d{12}):eventdatastore/([0-9a-f-]{36})"
)
_REGION = re.compile(r"[a-z0-9-]{5,30}")
_OVER = {"FINISHED", "FAILED", "CANCELLED", "TIMED_OUT"}
_NOT_THERE = {
    "EventDataStoreNotFoundException": "the event data store is not there",
    "InactiveEventDataStoreException": "the event data store is not active",
    "OperationNotPermittedException": "this account may not use CloudTrail Lake",
    "UnsupportedOperationException": "CloudTrail Lake is not offered here",
}
# The principalId of a federated session is nobody's; its issuer is the IAM user.
_USES = """
SELECT CASE WHEN userIdentity.type = 'FederatedUser'
    THEN userIdentity.sessionContext.sessionIssuer.principalId
    ELSE userIdentity.principalId END AS userId,
  date_format(eventTime, '%Y-%m-%d') AS eventDay,
  eventSource, eventName, userIdentity.accessKeyId AS keyId, sourceIPAddress, userAgent,
  CASE WHEN eventSource = 'signin.amazonaws.com' AND (errorMessage = 'Failed authentication'
      OR element_at(responseElements, 'ConsoleLogin') = 'Failure') THEN 'failed-sign-in'
    WHEN errorCode LIKE 'AccessDenied%' OR errorCode LIKE '%UnauthorizedOperation' THEN 'denied'
    ELSE 'ok' END AS outcome,
  count(DISTINCT eventID) AS calls, min(eventTime) AS firstAt, max(eventTime) AS lastAt
FROM {store}
WHERE eventTime >= '{first} 00:00:00' AND eventTime < '{end} 00:00:00'
  AND awsRegion = '{region}' AND recipientAccountId = '{account}'
  AND userIdentity.type IN ('IAMUser', 'FederatedUser')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
_BOUNDS = """
SELECT min(eventTime) AS firstAt, max(eventTime) AS lastAt
FROM {store}
WHERE eventTime >= '{first} 00:00:00' AND eventTime < '{end} 00:00:00'
  AND awsRegion = '{region}' AND recipientAccountId = '{account}'
"""


@dataclass(frozen=True, slots=True)
class LakeRow:
    """Events of one user, day and kind. Times are aware UTC.

    `outcome`: ok | denied | failed-sign-in.
    """

    user_id: str
    day: date
    service: str
    action: str
    access_key_id: str
    source_address: str
    user_agent: str
    outcome: str
    count: int
    first_at: datetime
    last_at: datetime


class LakeStore:
    """One event data store, asked with the session's credentials in the store's own Region."""

    def __init__(self, session: AwsSession, arn: str) -> None:
        match = _STORE.fullmatch(arn)
        if match is None:
            message = f"{arn} is no ARN of an event data store."
            raise AwsFailure("BadStore", message, operation="StartQuery")
        self._session, self._arn = session, arn
        self._home, self._owner, self._store = match.groups()

    def bounds(self, region: str, first: date, last: date) -> tuple[datetime, datetime] | None:
        """The first and the last event that the store holds of that Region, whoever did it.

        None where it holds none. Raises AwsFailure as `uses` does.
        """
        text = statement(_BOUNDS, self._session.account_id, region, (first, last), self._store)
        query = self._started(text)
        self._wait_for(query)
        for columns in self._rows(query):
            if columns.get("firstAt") and columns.get("lastAt"):
                return _time(columns["firstAt"]), _time(columns["lastAt"])
        return None

    def uses(self, region: str, first: date, last: date) -> Iterator[LakeRow]:
        """What IAM users of the session's account did in `region`, `last` included.

        Raises AwsFailure: AWS's own, "QueryFAILED", "QueryTIMED_OUT", "QueryCANCELLED", or
        "QueryTooSlow" after two minutes, having cancelled nothing: AWS ends it by itself.
        """
        text = statement(_USES, self._session.account_id, region, (first, last), self._store)
        query = self._started(text)
        self._wait_for(query)
        for columns in self._rows(query):
            yield _parsed(columns)

    def _started(self, text: str) -> str:
        try:
            told = self._ask("start_query", "StartQuery", QueryStatement=text, **self._whose())
        except AwsFailure as failed:
            raise _in_words(failed) from failed
        return str(told["QueryId"])

    def _wait_for(self, query: str) -> None:
        ends_at, pause = time.monotonic() + _PATIENCE_SECONDS, 0.2
        while True:
            told = self._ask("describe_query", "DescribeQuery", QueryId=query, **self._whose())
            status = str(told["QueryStatus"])
            if status == "FINISHED":
                return
            if status in _OVER:
                text = str(told.get("ErrorMessage") or "AWS gave no reason.")
                raise AwsFailure(f"Query{status}", text, operation="DescribeQuery")
            if time.monotonic() > ends_at:
                text = f"The query was not finished in {_PATIENCE_SECONDS:.0f} s."
                raise AwsFailure("QueryTooSlow", text, operation="DescribeQuery", retryable=True)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _rows(self, query: str) -> Iterator[dict[str, str]]:
        request: dict[str, Any] = {"QueryId": query, "MaxQueryResults": _PAGE, **self._whose()}
        while True:
            told = self._ask("get_query_results", "GetQueryResults", **request)
            for row in told.get("QueryResultRows", ()):
                yield {name: value for column in row for name, value in column.items()}
            if not told.get("NextToken"):
                return
            request["NextToken"] = told["NextToken"]

    def _whose(self) -> dict[str, str]:
        """An organization's store belongs to another account, and that one must be named."""
        if self._owner == self._session.account_id:
            return {}
        return {"EventDataStoreOwnerAccountId": self._owner}

    def _ask(self, method: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call; what passes by itself is waited out, ten queries at once among it."""
        client: Any = self._session.client("cloudtrail", self._home)
        ends_at, pause = time.monotonic() + _RETRY_SECONDS, 0.5
        while True:
            try:
                told: dict[str, Any] = ask(getattr(client, method), operation, **arguments)
                return told
            except AwsFailure as failed:
                passing = failed.retryable or failed.code == "MaxConcurrentQueriesException"
                if not passing or time.monotonic() > ends_at:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, 5.0)


def statement(what: str, account_id: str, region: str, days: tuple[date, date], store: str) -> str:
    """The SQL of `what` for some days, the last included; AwsFailure "BadQuery"."""
    fits = re.fullmatch(r"[0-9a-f-]{36}", store) and re.fullmatch(r"\d{12}", account_id)
    if not fits or not _REGION.fullmatch(region):
        message = "A store, account or Region has a shape that does not belong into a query."
        raise AwsFailure("BadQuery", message, operation="StartQuery")
    text = what.format(
        store=store,
        account=account_id,
        region=region,
        first=days[0],
        end=days[1] + timedelta(days=1),
    ).strip()
    if len(text) > LONGEST_STATEMENT:
        raise AwsFailure("BadQuery", "The query is too long.", operation="StartQuery")
    return text


def _in_words(failed: AwsFailure) -> AwsFailure:
    words = _NOT_THERE.get(failed.code)
    if words is None:
        return failed
    return AwsFailure(
        failed.code,
        f"CloudTrail Lake was not read: {words}. {failed.message}",
        operation=failed.operation,
        request_id=failed.request_id,
        http_status=failed.http_status,
    )


def _parsed(columns: dict[str, str]) -> LakeRow:
    try:
        return LakeRow(
            user_id=columns.get("userId") or "",
            day=date.fromisoformat(columns["eventDay"]),
            service=columns["eventSource"].removesuffix(".amazonaws.com"),
            action=columns["eventName"],
            access_key_id=columns.get("keyId") or "",
            source_address=columns.get("sourceIPAddress") or "",
            user_agent=columns.get("userAgent") or "",
            outcome=columns["outcome"],
            count=int(columns["calls"]),
            first_at=_time(columns["firstAt"]),
            last_at=_time(columns["lastAt"]),
        )
    except (KeyError, ValueError, AttributeError) as error:
        message = "A row of the answer cannot be read."
        raise AwsFailure("MalformedRow", message, operation="GetQueryResults") from error


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
