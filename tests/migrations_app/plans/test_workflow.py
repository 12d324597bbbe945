"""A workflow gives up its key for a role, and every other line stays as somebody wrote it."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from migrations_app.plans.workflow import Role, Workflow, change, scalar

ROLE = Role(
    arn="arn:aws:iam::123456789012:role/github-deploy-prod",
    region="eu-west-1",
    branches=("main",),
    environments=("production",),
)
PATH = ".github/workflows/deploy.yml"

DEPLOY = """\
# Deploys the shop.   Ask Platform before you touch it.
name: "Deploy"
on:
  push:
    branches: [ main ]     # nothing else


jobs:
  test:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@v4
    - run: make test
  deploy:
    needs: [ test ]
    runs-on: ubuntu-latest
    environment: production
    steps:
    - uses: actions/checkout@v4

    # Who we are in AWS
    - name: 'Credentials'
      uses: aws-actions/configure-aws-credentials@v2
      with:
        mask-aws-account-id:   true
        aws-access-key-id: ${{ secrets.PROD_KEY_ID }}
        aws-secret-access-key: ${{ secrets.PROD_KEY_SECRET }}
        aws-region: us-east-1   # the shop lives here

    - run: |
        aws s3 sync   ./out s3://shop
        echo "done"   # not YAML
"""

ENV_ONLY = """\
on: [push]
permissions: {contents: read, packages: write}
env:
  AWS_REGION: ap-southeast-2
jobs:
  deploy:
    runs-on: [self-hosted, linux]
    steps:
      - uses: actions/checkout@v4

      # Ship it
      - name: Ship
        env:
          AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}
          AWS_SECRET_ACCESS_KEY: ${{ secrets['AWS_SECRET_ACCESS_KEY'] }}
          STAGE: 'prod'
        run: ./ship.sh

      - run: echo bye
  docs:
    runs-on: ubuntu-latest
    steps:
      - run: make docs
"""


def loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def done(text: str, role: Role = ROLE) -> Workflow:
    """The change, which must have worked and do nothing the second time."""
    told = change(PATH, text, role)
    assert told.left_alone == ""
    assert told.changed
    again = change(PATH, told.text, role)
    assert (again.text, again.diff, again.left_alone) == (told.text, "", "")
    return told


def lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """The lines that went and the lines that came."""
    told = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    gone = [line[2:] for line in told if line.startswith("- ")]
    return gone, [line[2:] for line in told if line.startswith("+ ")]


def test_a_configured_key_gives_way_to_the_role_and_no_other_line_moves() -> None:
    told = done(DEPLOY)
    gone, came = lines(DEPLOY, told.text)
    assert gone == [
        "      uses: aws-actions/configure-aws-credentials@v2",
        "        aws-access-key-id: ${{ secrets.PROD_KEY_ID }}",
        "        aws-secret-access-key: ${{ secrets.PROD_KEY_SECRET }}",
    ]
    assert came == [
        "    permissions:",
        "      contents: read",
        "      id-token: write",
        "      uses: aws-actions/configure-aws-credentials@v6",
        "        role-to-assume: arn:aws:iam::123456789012:role/github-deploy-prod",
    ]
    assert told.secrets == ("PROD_KEY_ID", "PROD_KEY_SECRET")
    assert told.jobs == ("deploy",)
    assert "permissions" not in loaded(told.text)["jobs"]["test"]
    assert told.diff.startswith(f"--- a/{PATH}\n+++ b/{PATH}\n@@ ")


def test_variables_give_way_to_a_step_before_their_first_use() -> None:
    told = done(ENV_ONLY)
    gone, came = lines(ENV_ONLY, told.text)
    assert gone == [
        "          AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}",
        "          AWS_SECRET_ACCESS_KEY: ${{ secrets['AWS_SECRET_ACCESS_KEY'] }}",
    ]
    assert came == [
        "    permissions:",
        "      contents: read",
        "      packages: write",
        "      id-token: write",
        "      - name: Assume the AWS role",
        "        uses: aws-actions/configure-aws-credentials@v6",
        "        with:",
        "          role-to-assume: arn:aws:iam::123456789012:role/github-deploy-prod",
        "          aws-region: ap-southeast-2",
        "",
    ]
    steps = loaded(told.text)["jobs"]["deploy"]["steps"]
    assert [step.get("name") for step in steps] == [None, "Assume the AWS role", "Ship", None]
    assert "# Ship it\n      - name: Ship" in told.text


def test_an_env_block_that_only_held_the_key_goes_whole() -> None:
    text = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    permissions:
      contents: write  # tags
    env:
      AWS_ACCESS_KEY_ID: ${{ secrets.A }}
      # the other half
      AWS_SECRET_ACCESS_KEY: ${{ secrets.B }}
    steps:
      -
        name: Go
        run: ./go
"""
    told = done(text)
    job = loaded(told.text)["jobs"]["deploy"]
    assert "env" not in job
    assert job["permissions"] == {"contents": "write", "id-token": "write"}
    assert [step["name"] for step in job["steps"]] == ["Assume the AWS role", "Go"]
    assert "# the other half" in told.text
    assert "contents: write  # tags" in told.text


def test_a_step_that_begins_with_its_env_keeps_its_dash() -> None:
    text = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
    - env:
        AWS_ACCESS_KEY_ID: ${{ secrets.A }}
        AWS_SECRET_ACCESS_KEY: ${{ secrets.B }}
      # what it does
      run: ./go
"""
    steps = loaded(done(text).text)["jobs"]["deploy"]["steps"]
    assert steps[1] == {"run": "./go"}


def test_the_whole_workflows_key_is_given_up_by_every_job() -> None:
    text = """\
on: push
permissions:
  contents: read
env:
  AWS_ACCESS_KEY_ID: ${{ secrets.A }}
  AWS_SECRET_ACCESS_KEY: ${{ secrets.B }}
  AWS_DEFAULT_REGION: ${{ vars.REGION }}
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: ./one
  two:
    runs-on: ubuntu-latest
    steps:
      - run: ./two
"""
    told = done(text)
    found = loaded(told.text)
    assert found["env"] == {"AWS_DEFAULT_REGION": "${{ vars.REGION }}"}
    # All jobs need the token, so the workflow's own block is the right place.
    assert found["permissions"] == {"contents": "read", "id-token": "write"}
    assert all("permissions" not in job for job in found["jobs"].values())
    names = [[step.get("name") for step in job["steps"]] for job in found["jobs"].values()]
    assert names == [[None, "Assume the AWS role", None], ["Assume the AWS role", None]]
    assert all(
        step["with"]["aws-region"] == "${{ vars.REGION }}"
        for job in found["jobs"].values()
        for step in job["steps"]
        if "with" in step
    )


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("permissions: {}", {"id-token": "write"}),
        ("permissions: { contents: read }", {"contents": "read", "id-token": "write"}),
        ("permissions: write-all", "write-all"),
        ("permissions:\n      id-token: none # no", {"id-token": "write"}),
        ("permissions:\n      'id-token':  write", {"id-token": "write"}),
    ],
)
def test_a_permissions_block_keeps_what_it_grants(block: str, expected: object) -> None:
    text = DEPLOY.replace(
        "    environment: production\n", f"    environment: production\n    {block}\n"
    )
    assert loaded(done(text).text)["jobs"]["deploy"]["permissions"] == expected


def test_a_version_comment_goes_with_its_pinned_commit() -> None:
    pinned = "configure-aws-credentials@e3dd6a429d7300a6a4c196c26e071d42e0343502 # v4.0.2"
    told = done(DEPLOY.replace("configure-aws-credentials@v2", pinned))
    assert "configure-aws-credentials@v6\n" in told.text
    assert any("pin v6 again" in note for note in told.notes)


@pytest.mark.parametrize("version", ["v6", "v6.2.4", "v7"])
def test_a_version_that_is_new_enough_stays(version: str) -> None:
    told = done(DEPLOY.replace("@v2", f"@{version}"))
    assert f"configure-aws-credentials@{version}\n" in told.text


def test_line_ends_of_windows_and_a_missing_last_one_stay() -> None:
    told = done(DEPLOY.replace("\n", "\r\n"))
    assert told.text.count("\n") == told.text.count("\r\n")
    cut = done(DEPLOY.rstrip("\n"))
    assert not cut.text.endswith("\n")


def test_a_workflow_without_a_key_is_not_touched() -> None:
    text = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    env: {AWS_ACCESS_KEY_ID: test}\n    steps: []\n"
    )
    told = change(PATH, text, ROLE)
    assert (told.text, told.diff, told.left_alone) == (text, "", "")


def test_only_the_named_secrets_are_replaced() -> None:
    other = """\
    - uses: aws-actions/configure-aws-credentials@v2
      with:
        aws-access-key-id: ${{ secrets.OTHER_ID }}
        aws-secret-access-key: ${{ secrets.OTHER_SECRET }}
        aws-region: us-east-1
"""
    named = Role(**{**_parts(), "secrets": ("PROD_KEY_ID", "PROD_KEY_SECRET")})
    told = done(DEPLOY + other, named)
    assert other in told.text
    assert "several keys" in change(PATH, DEPLOY + other, ROLE).left_alone


def test_runs_that_the_role_does_not_trust_are_named() -> None:
    text = ENV_ONLY.replace("on: [push]", "on: [push, pull_request, release]")
    notes = done(text).notes
    assert "Only runs on main can assume the role." in notes
    assert "Runs for pull requests cannot assume the role." in notes


STEP = "    - run: ./x\n"
WITH_KEY = "      with:\n        aws-access-key-id: ${{ secrets.PROD_KEY_ID }}"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("on:\n", "on:\n  workflow_call:\n", "Other workflows call it"),
        (
            "jobs:\n",
            "jobs:\n  other:\n    uses: ./.github/workflows/x.yml\n    secrets: inherit\n",
            "secrets: inherit",
        ),
        (
            "jobs:\n",
            "jobs:\n  other:\n    uses: o/r/.github/workflows/x.yml@v1\n    secrets:\n"
            "      key: ${{ secrets.PROD_KEY_ID }}\n",
            "to another workflow",
        ),
        ("secrets.PROD_KEY_ID", "secrets[matrix.key]", "matrix"),
        ("secrets.PROD_KEY_ID }}", "inputs.live && secrets.A || secrets.B }}", "by an expression"),
        ("${{ secrets.PROD_KEY_SECRET }}", "a" * 40, "holds a key itself"),
        ("environment: production", "environment: ${{ inputs.where }}", "shows only then"),
        ("environment: production", "environment: staging", "does not trust"),
        ("        aws-region", "        role-to-assume: r\n        aws-region", "another role"),
        ("        aws-region", "        aws-session-token: t\n        aws-region", "session token"),
        ("mask-aws-account-id:   true", "mask-aws-account-id: 'no'", "true or false"),
        ('echo "done"', "echo ${{ secrets.PROD_KEY_ID }}", "one more way (line"),
        ('echo "done"', "docker run -e AWS_ACCESS_KEY_ID x", "session token"),
        ('echo "done"', "echo ${{ github.token }}", "GITHUB_TOKEN"),
        ("name: 'Credentials'", "name: &here x", "anchors"),
        ('name: "Deploy"', "permissions: read-all", "spelled out"),
        ('name: "Deploy"', "name: [", "not YAML"),
        ('name: "Deploy"', "on: push", "not YAML"),
        ("Ask Platform", "\u2028", "line breaks"),
    ],
)
def test_what_cannot_be_changed_safely_is_left_alone_with_the_reason(
    old: str, new: str, reason: str
) -> None:
    assert old in DEPLOY
    text = DEPLOY.replace(old, new, 1)
    told = change(PATH, text, ROLE)
    assert reason in told.left_alone
    assert (told.text, told.diff) == (text, "")
    assert "a" * 40 not in told.left_alone


def test_an_action_that_is_handed_the_key_is_named() -> None:
    text = ENV_ONLY.replace("run: ./ship.sh", "uses: jakejarvis/s3-sync-action@master")
    assert "jakejarvis/s3-sync-action" in change(PATH, text, ROLE).left_alone


def test_a_key_that_is_only_handed_on_is_no_missing_key() -> None:
    text = DEPLOY.replace("aws-actions/configure-aws-credentials@v2", "./.github/actions/login")
    named = Role(**{**_parts(), "secrets": ("PROD_KEY_ID", "PROD_KEY_SECRET")})
    assert "by hand" in change(PATH, text, named).left_alone
    usual = text.replace("PROD_KEY_ID", "AWS_ACCESS_KEY_ID")
    assert "by hand" in change(PATH, usual, ROLE).left_alone
    somebody = change(PATH, usual.replace("PROD_KEY_SECRET", "X"), named)
    assert (somebody.left_alone, somebody.diff) == ("", "")


def test_only_pull_requests_is_a_reason() -> None:
    text = ENV_ONLY.replace("on: [push]", "on: pull_request")
    assert "pull requests only" in change(PATH, text, ROLE).left_alone


def _parts() -> dict[str, Any]:
    return {
        "arn": ROLE.arn,
        "region": ROLE.region,
        "branches": ("main",),
        "environments": ("production",),
    }


HOSTILE = st.text(st.sampled_from("ab:#'\"{}[]&*!|>%@`$ \\\n\u202e-?,"), min_size=1, max_size=20)


@given(arn=HOSTILE, region=HOSTILE)
@example(arn="b:", region="-")
@example(arn="a: ", region=":")
def test_whatever_the_role_is_called_it_is_one_value(arn: str, region: str) -> None:
    told = change(PATH, DEPLOY, Role(arn, region, (), ("production",)))
    assert told.left_alone == ""
    step = loaded(told.text)["jobs"]["deploy"]["steps"][1]
    printable = "".join(one for one in arn if one.isprintable())
    assert step["with"]["role-to-assume"] == printable
    assert set(step["with"]) == {"mask-aws-account-id", "role-to-assume", "aws-region"}


COMMENT = st.sampled_from(["", "  # why", "# x: &a *b"])
GAP = st.sampled_from(["", "\n", "\n\n", "      # note\n"])


@given(
    comments=st.lists(COMMENT, min_size=3, max_size=3),
    gaps=st.lists(GAP, min_size=3, max_size=3),
    deep=st.sampled_from(["", "  "]),
    kept=st.booleans(),
    job_level=st.booleans(),
)
def test_however_it_is_written_only_the_key_goes(
    comments: list[str], gaps: list[str], deep: str, kept: bool, job_level: bool
) -> None:
    one, two, three = (f" {comment}" if comment else "" for comment in comments)
    key = [
        f"AWS_ACCESS_KEY_ID: ${{{{ secrets.A }}}}{one}",
        f"AWS_SECRET_ACCESS_KEY: '${{{{ secrets.B }}}}'{two}",
        *(["STAGE: x"] if kept else []),
    ]
    job = "".join(f"      {line}\n" for line in key)
    step = "".join(f"{deep}        {line}\n" for line in key)
    text = (
        f"on: push\n{gaps[0].strip(' ')}jobs:\n  go:\n    runs-on: x{three}\n"
        + (f"    env:\n{job}" if job_level else "")
        + f"    steps:\n{gaps[1]}{deep}    - uses: actions/checkout@v4\n{gaps[2]}"
        + f"{deep}    - name: Go\n"
        + ("" if job_level else f"{deep}      env:\n{step}")
        + f"{deep}      run: ./go\n"
    )
    told = done(text)
    gone, came = lines(text, told.text)
    assert all("AWS_" in line or line.strip() == "env:" for line in gone)
    assert len(gone) == (2 if kept else 3)
    assert loaded(told.text)["jobs"]["go"]["steps"][2]["run"] == "./go"
    assert "secrets." not in told.text
    assert [line for line in came if "role-to-assume" in line]


@given(st.text(st.sampled_from("ab:-#'\"{}[]&*!|> \n$"), max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    told = change(PATH, text, ROLE)
    assert told.text == text


@pytest.mark.parametrize(
    "name", ["1e3", "0x1f", "12:30", "on", "Off", "y", "No", "null", "true", "3d"]
)
def test_a_name_that_some_reader_takes_for_more_stays_a_name(name: str) -> None:
    for version in ((1, 1), (1, 2)):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        assert reader.load(f"name: {scalar(name)}\n") == {"name": name}
