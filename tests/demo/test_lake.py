"""CloudTrail Lake as documented: the life of a query, its limits, its pages, its errors."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.lake import LONGEST_STATEMENT, MOST_AT_ONCE, STORE
from tests.demo.cast import client, code

BY_NAME = f"SELECT eventName, count(*) AS n FROM {STORE} GROUP BY eventName ORDER BY n DESC"


def started(text: str = BY_NAME) -> str:
    return str(client("cloudtrail").start_query(QueryStatement=text)["QueryId"])


def status(query: str) -> str:
    return str(client("cloudtrail").describe_query(QueryId=query)["QueryStatus"])


def refusal(operation: str, **how: Any) -> str:
    with pytest.raises(ClientError) as refused:
        getattr(client("cloudtrail"), operation)(**how)
    return code(refused.value)


def results(query: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    token: dict[str, str] = {}
    while True:
        told = client("cloudtrail").get_query_results(QueryId=query, **token)
        rows += [{k: v for c in row for k, v in c.items()} for row in told["QueryResultRows"]]
        if "NextToken" not in told:
            return rows
        token = {"NextToken": told["NextToken"]}


def test_a_query_runs_before_it_is_finished(simulator: Simulator) -> None:
    query = started()
    assert client("cloudtrail").get_query_results(QueryId=query)["QueryResultRows"] == []
    assert [status(query), status(query)] == ["RUNNING", "FINISHED"]
    assert results(query)[0]["eventName"]


def test_results_come_in_pages(simulator: Simulator) -> None:
    query = started()
    status(query), status(query)
    whole = results(query)
    simulator.page_limit = 2
    assert results(query) == whole
    assert len(whole) > 2
    assert refusal("get_query_results", QueryId=query, NextToken="never-given") == (
        "InvalidNextTokenException"
    )


def test_limits_trip(simulator: Simulator) -> None:
    long = f"SELECT eventName FROM {STORE} WHERE eventName = '{'x' * LONGEST_STATEMENT}'"
    assert refusal("start_query", QueryStatement=long) == "InvalidParameterException"
    last = [started() for _ in range(MOST_AT_ONCE)][-1]
    assert refusal("start_query", QueryStatement=BY_NAME) == "MaxConcurrentQueriesException"
    client("cloudtrail").cancel_query(QueryId=last)
    assert status(last) == "CANCELLED"
    assert refusal("cancel_query", QueryId=last) == "InactiveQueryException"
    started()


def test_what_is_no_query_of_this_store_is_refused(simulator: Simulator) -> None:
    other = BY_NAME.replace(STORE, STORE.replace("3", "4"))
    assert refusal("start_query", QueryStatement=other) == "EventDataStoreNotFoundException"
    wrong = BY_NAME.replace("eventName,", "noSuchColumn,")
    assert refusal("start_query", QueryStatement=wrong) == "InvalidQueryStatementException"
    delete = f"DELETE FROM {STORE}"
    assert refusal("start_query", QueryStatement=delete) == "InvalidQueryStatementException"
    assert refusal("describe_query", QueryId="0" * 36) == "QueryIdNotFoundException"


def test_an_account_without_lake_says_so(simulator: Simulator) -> None:
    simulator.lake(simulator.account.id).status = "PENDING_DELETION"
    assert refusal("start_query", QueryStatement=BY_NAME) == "InactiveEventDataStoreException"
    simulator.lake(simulator.account.id).status = ""
    assert refusal("start_query", QueryStatement=BY_NAME) == "EventDataStoreNotFoundException"
