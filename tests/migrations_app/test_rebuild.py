"""The rebuild script brings back what can come back, and runs nothing that a name smuggles in."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

from migrations_app import rebuild, terraform
from tests import cast


def test_every_part_that_can_come_back_has_its_line() -> None:
    text = rebuild.script(cast.everything_held())
    for verb in (
        "create-user",
        "tag-user",
        "add-user-to-group",
        "put-user-policy",
        "attach-user-policy",
        "upload-ssh-public-key",
        "upload-signing-certificate",
    ):
        assert f"aws iam {verb} " in text


def test_what_is_lost_for_ever_is_said_first() -> None:
    text = rebuild.script(cast.everything_held())
    assert text.index("Lost for ever") < text.index("aws iam")


def test_hostile_names_and_tags_stay_arguments() -> None:
    held = replace(
        cast.everything_held("--help"),
        tags={"note": "$(touch owned); `id` '\"\n"},
        groups=("; rm -rf x",),
    )
    text = rebuild.script(held)
    words = [word for word in shlex.split(text, comments=True) if word.startswith("--tags=")]
    assert "$(touch owned)" in words[0]
    # The shell itself agrees: with `aws` replaced by printf nothing else is run.
    shell = f'aws() {{ printf "%s\\n" "$#"; }}\n{text}'
    run = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert set(run.stdout.split()) == {"4", "5"}


def test_a_name_with_a_line_break_does_not_leave_its_comment() -> None:
    text = rebuild.script(cast.everything_held("a\nreboot"))
    assert "\nreboot" not in text.split("set -eu")[0]


def test_tags_that_only_aws_puts_on_are_left_out() -> None:
    """AWS refuses them, and with them every line that follows."""
    tags = {"aws:cloudformation:stack-name": "ci", "AWS:x": "y", "team": "payments"}
    held = replace(cast.everything_held(), tags=tags)
    text = rebuild.script(held)
    assert '[{"Key": "team", "Value": "payments"}]' in text
    assert "cloudformation" not in text
    assert "cloudformation" not in terraform.document(held)
    assert "1 tag." in rebuild.comes_back(held)
    only_aws = replace(held, tags={"aws:cloudformation:stack-name": "ci"})
    assert "tag-user" not in rebuild.script(only_aws)
    assert "tags" not in terraform.document(only_aws)
