"""An instance gets a role, and the key on the host that would win over it is found."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings

from migrations_app.plans.instance_profile import Choices, draft
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import FACTS, POLICY, named

ON_TWO = Choices(("i-0123456789abcdef0", "i-0fedcba9876543210", "not an id; rm -rf /"), "eu-west-1")
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = "AKIAIOSFODNN7EX0001"


def test_the_role_is_for_instances_and_one_profile_holds_it() -> None:
    told = draft(FACTS, POLICY, ON_TWO)
    parsing.check(told.files)
    (statement,) = json.loads(parsing.file(told, "trust-policy.json"))["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
    found = parsing.hcl(parsing.file(told, "main.tf"))
    (profile,) = (one for name, one in found.items() if "instance_profile" in name)
    assert profile["role"].startswith("${aws_iam_role.")
    calls = parsing.calls(parsing.file(told, "create.sh"))
    assert [call[3] for call in calls if call[0] == "ec2"] == [
        "--instance-id=i-0123456789abcdef0",
        "--instance-id=i-0fedcba9876543210",
    ]


def test_china_has_its_own_service_name() -> None:
    china = replace(FACTS, arn=FACTS.arn.replace(":aws:", ":aws-cn:"))
    assert "ec2.amazonaws.com.cn" in parsing.file(draft(china, POLICY), "trust-policy.json")


def test_it_is_said_first_that_a_key_on_the_host_wins() -> None:
    told = draft(FACTS, POLICY, ON_TWO)
    assert "A key on the host wins over the role" in told.warnings[0]
    assert "A key on the host wins over the role" in parsing.file(told, "PULL-REQUEST.md")


def run(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-s", str(root)], input=script, capture_output=True, text=True, check=False
    )


def test_the_script_names_where_the_key_lies_and_never_prints_it(tmp_path: Path) -> None:
    held = {
        "root/.aws/credentials": f"[default]\naws_access_key_id={KEY}\n{SECRET}\n",
        "opt/app name/.env": f"AWS_ACCESS_KEY_ID='{KEY}'\n",
        "etc/cron.d/report": f"* * * * * root AWS_ACCESS_KEY_ID={KEY} /opt/report\n",
        "home/ann/.aws/credentials": "aws_access_key_id=AKIAIOSFODNN7EXOTHER\n",
        "proc/42/environ": f"HOME=/root\0AWS_ACCESS_KEY_ID={KEY}\0",
    }
    for name, text in held.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    script = parsing.file(draft(FACTS, POLICY), "find-static-keys.sh")
    done = run(script, tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    told = set(done.stdout.splitlines())
    named = ("root/.aws/credentials", "opt/app name/.env", "etc/cron.d/report")
    assert told == {*(f"file: {tmp_path}/{name}" for name in named), "process: 42"}
    assert KEY not in done.stdout
    assert SECRET not in done.stdout


def test_the_script_says_when_there_is_nothing(tmp_path: Path) -> None:
    done = run(parsing.file(draft(FACTS, POLICY), "find-static-keys.sh"), tmp_path)
    assert (done.returncode, done.stdout[:13]) == (0, "Nothing found")


@settings(max_examples=20)
@given(parsing.NAMES)
def test_whatever_the_user_is_called_every_file_can_be_read(name: str) -> None:
    facts = replace(named(name), key_ids=(name, "AKIA…'; x"))
    told = draft(facts, POLICY, Choices((name,), name))
    parsing.check(tuple(one for one in told.files if one.language != "hcl"))
    assert parsing.hcl(parsing.file(told, "main.tf"))
    assert told == draft(facts, POLICY, Choices((name,), name))
