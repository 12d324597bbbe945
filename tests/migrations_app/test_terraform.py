"""The Terraform file says exactly what was saved, whatever it was called; read by python-hcl2."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.aws.holdings import Certificate, SshKey, UserHoldings
from migrations_app import terraform
from tests import cast
from tests.hcl_text import formatted, meant

# AWS takes any letter but controls in a tag; a policy's name is narrower, and a document is JSON.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
TWISTED = st.text(st.sampled_from('$%{}"\\\n\r\t~#/*<-POLICY\u202e\u2028é'), max_size=24)
# python-hcl2 takes an escaped template for one that begins; those are met one by one below.
ANY = (TEXT | TWISTED).filter(lambda text: "%{" not in text and "${" not in text)


def document_of(heredoc: str) -> Any:
    """The JSON in a heredoc, in which only templates mean something else."""
    lines = heredoc.strip('"').split("\n")
    assert (lines[0], lines[-1].strip()) == ("<<-POLICY", "POLICY")
    inside = "\n".join(lines[1:-1])
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", inside)
    return json.loads(inside.replace("$${", "${").replace("%%{", "%{"))


def resources(held: UserHoldings) -> dict[str, dict[str, Any]]:
    """The file as python-hcl2 reads it: by type and name, its attributes as literals."""
    told = hcl2.loads(terraform.document(held))
    assert set(told) <= {"resource", "__comments__", "__inline_comments__"}
    found = {}
    for block in told["resource"]:
        for kind, named in block.items():
            for name, body in named.items():
                found[f"{kind.strip(chr(34))}.{name.strip(chr(34))}"] = body
    return found


def test_every_part_that_can_come_back_has_its_resource() -> None:
    held = replace(cast.everything_held(), boundary="arn:aws:iam::123456789012:policy/dev")
    found = resources(held)
    assert [name.partition(".")[0] for name in found] == [
        "aws_iam_user",
        "aws_iam_user_group_membership",
        "aws_iam_user_policy",
        "aws_iam_user_policy_attachment",
        "aws_iam_user_policy_attachment",
        "aws_iam_user_ssh_key",
        "aws_iam_signing_certificate",
    ]
    user = found["aws_iam_user.this"]
    assert meant(user["permissions_boundary"]) == held.boundary
    assert meant(user["path"]) == held.path
    attached = [found[f"aws_iam_user_policy_attachment.managed_{number}"] for number in (1, 2)]
    assert [meant(one["policy_arn"]) for one in attached] == list(held.attached_policies)
    assert all(one["user"] == "${aws_iam_user.this.name}" for one in attached)


def test_a_formatter_leaves_the_file_as_it_is() -> None:
    held = replace(cast.everything_held(), boundary="arn:aws:iam::123456789012:policy/dev")
    text = terraform.document(replace(held, tags={"é\u0301": "a", "longer": "b"}))
    assert formatted(text) == text


def test_what_is_lost_for_ever_is_said_first() -> None:
    text = terraform.document(cast.everything_held())
    assert text.index("Lost for ever") < text.index("resource")


@pytest.mark.parametrize(
    "value",
    [
        '${file("/etc/passwd")}',
        "%{ for x in y }",
        "$${already}",
        "$$$${many}",
        "\\${x}",
        'end" } resource "x" "y" {',
        "line\nPOLICY\nnext",
        "\u202eterces",
        "🙂\x07",
    ],
)
def test_hostile_text_is_a_value_and_nothing_else(value: str) -> None:
    held = replace(
        cast.everything_held("a\nb"),
        tags={value: value},
        groups=(value,),
        inline_policies={value: {value: [value, {"Resource": value}]}},
        ssh_keys=(SshKey("APKA", "Inactive", value, None),),
        certificates=(Certificate("C", "Active", value, None),),
    )
    exact(held)


def exact(held: UserHoldings) -> None:
    found = resources(held)
    user = found["aws_iam_user.this"]
    assert meant(user["name"]) == held.user_name
    tags = {meant(key): meant(value) for key, value in user.get("tags", {}).items()}
    assert tags == held.tags
    groups = found.get("aws_iam_user_group_membership.this", {"groups": []})["groups"]
    assert [meant(group) for group in groups] == list(held.groups)
    for number, (name, document) in enumerate(sorted(held.inline_policies.items()), start=1):
        policy = found[f"aws_iam_user_policy.inline_{number}"]
        assert meant(policy["name"]) == name
        assert document_of(policy["policy"]) == document
    for number, key in enumerate(held.ssh_keys, start=1):
        ssh = found[f"aws_iam_user_ssh_key.ssh_{number}"]
        assert (meant(ssh["public_key"]), meant(ssh["status"])) == (key.body, key.status)
    for number, one in enumerate(held.certificates, start=1):
        body = found[f"aws_iam_signing_certificate.certificate_{number}"]["certificate_body"]
        assert meant(body) == one.body


VALUES = st.recursive(
    ANY | st.booleans() | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY, inner, max_size=2),
    max_leaves=4,
)


@given(
    name=ANY,
    tags=st.dictionaries(ANY, ANY, max_size=3),
    groups=st.lists(ANY, max_size=2),
    inline=st.dictionaries(ANY, st.dictionaries(ANY, VALUES, max_size=2), max_size=2),
    body=ANY,
)
def test_any_text_comes_back_exactly(
    name: str,
    tags: dict[str, str],
    groups: list[str],
    inline: dict[str, dict[str, Any]],
    body: str,
) -> None:
    exact(
        replace(
            cast.everything_held(name),
            tags=tags,
            groups=tuple(groups),
            inline_policies=inline,
            ssh_keys=(SshKey("APKA", "Active", body, None),),
            certificates=(Certificate("C", "Inactive", body, None),),
        )
    )
