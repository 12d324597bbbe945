"""What the import contracts cannot see: who calls AWS to change it, and who writes state."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("iamcleanup", "inventory", "migrations_app")
THE_ONE_FILE = "migrations_app/aws.py"
READS = ("get_", "list_", "generate_", "lookup_", "describe_", "start_query", "assume_", "head_")
SERVICES = (
    "iam",
    "sts",
    "cloudtrail",
    "s3",
    "organizations",
    "sso-admin",
    "identitystore",
    "accessanalyzer",
    "secretsmanager",
    "kms",
    "sqs",
    "sns",
    "eks",
    "ec2",
)


def write_methods() -> frozenset[str]:
    """The boto3 method of every operation of those services that is not a read."""
    session = Session()
    names = {
        xform_name(operation)
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
    }
    # One-word operations (`verify`, `sign`) are everyday words, and change nothing.
    return frozenset(name for name in names if "_" in name and not name.startswith(READS))


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every file of the product as (path, syntax tree); schema migrations apart."""
    for package in PRODUCT:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if "/migrations/" not in path:
                yield path, ast.parse(file.read_text(), path)


def aws_writes(tree: ast.Module, methods: frozenset[str]) -> Iterator[int]:
    """Lines that call a writing AWS method, by name, through a paginator or dynamically."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        # A Django manager has a `create_user` too.
        of_manager = ast.unparse(called).rpartition(".")[0].endswith(".objects")
        writes = isinstance(called, ast.Attribute) and called.attr in {*methods, "_make_api_call"}
        if writes and not of_manager:
            yield node.lineno
        if isinstance(called, ast.Attribute) and called.attr == "get_paginator":
            operation = node.args[0]
            literal = isinstance(operation, ast.Constant) and str(operation.value)
            if not literal or not literal.startswith(READS):
                yield node.lineno


def state_writes(tree: ast.Module) -> Iterator[int]:
    """Lines that set `state` on a row: by assignment, by `update`, or by `bulk_update`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr == "state":
                    yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            keywords = {keyword.arg for keyword in node.keywords}
            if node.func.attr in {"update", "aupdate"} and "state" in keywords:
                yield node.lineno
            if node.func.attr in {"bulk_update", "abulk_update"}:
                words = [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)]
                if "state" in words:
                    yield node.lineno


def test_only_one_file_changes_an_aws_account() -> None:
    methods = write_methods()
    found = [
        f"{path}:{line}"
        for path, tree in trees()
        if path != THE_ONE_FILE
        for line in aws_writes(tree, methods)
    ]
    assert found == [], f"Only {THE_ONE_FILE} may change an AWS account."


@pytest.mark.parametrize(
    "line",
    [
        "client.delete_user(UserName='a')",
        "session.client('iam').attach_user_policy(UserName='a', PolicyArn='b')",
        "client._make_api_call('DeleteUser', {})",
        "client.get_paginator(name)",
    ],
)
def test_a_planted_aws_write_is_found(line: str) -> None:
    assert list(aws_writes(ast.parse(line), write_methods())) == [1]


@pytest.mark.parametrize(
    "line", ["client.get_user(UserName='a')", "client.get_paginator('list_users')"]
)
def test_a_read_is_not_taken_for_a_write(line: str) -> None:
    assert list(aws_writes(ast.parse(line), write_methods())) == []


def test_only_changes_writes_state() -> None:
    found = [
        f"{path}:{line}"
        for path, tree in trees()
        if not path.startswith(("migrations_app/changes/", "migrations_app/changes.py"))
        for line in state_writes(tree)
    ]
    assert found == [], "Only migrations_app/changes may write the state of a departure."


@pytest.mark.parametrize(
    "line",
    [
        "departure.state = 'deleted'",
        "departures.filter(pk=1).update(state='deleted')",
        "Departure.objects.bulk_update(rows, ['state'])",
    ],
)
def test_a_planted_write_of_state_is_found(line: str) -> None:
    assert list(state_writes(ast.parse(line))) == [1]
