"""The second look at a changed workflow refuses whatever is not the change."""

from __future__ import annotations

import pytest

from migrations_app.plans.workflow import change
from migrations_app.plans.workflow_check import nothing_else
from migrations_app.plans.workflow_file import LeftAlone
from migrations_app.plans.workflow_keys import find
from tests.migrations_app.plans.test_workflow import DEPLOY, PATH, ROLE

CHANGED = change(PATH, DEPLOY, ROLE).text


def test_the_change_itself_passes() -> None:
    nothing_else(CHANGED, find(DEPLOY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("      id-token: write\n", ""),
        ("      contents: read\n", ""),
        ("      contents: read\n", "      contents: write\n"),
        (
            "    runs-on: ubuntu-latest\n    steps",
            "    permissions: write-all\n    runs-on: ubuntu-latest\n    steps",
        ),
        ("    - run: make test\n", ""),
        ("./out s3://shop", "./other s3://shop"),
        ("mask-aws-account-id:   true", "mask-aws-account-id: false"),
        ("environment: production", "environment: staging"),
        ("- name: 'Credentials'", "- run: ./more\n    - name: 'Credentials'"),
        ("branches: [ main ]", "branches: [ main, next ]"),
        ('echo "done"', "echo ${{ secrets.PROD_KEY_SECRET }}"),
        ('echo "done"', "echo ${{ env.AWS_SECRET_ACCESS_KEY }}"),
    ],
)
def test_anything_else_is_refused(old: str, new: str) -> None:
    assert old in CHANGED
    with pytest.raises(LeftAlone):
        nothing_else(CHANGED.replace(old, new, 1), find(DEPLOY))
