"""What an action acts on is told by the shape of the ARN."""

from __future__ import annotations

import pytest

from inventory.rights import resource_types

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("action", "arn", "fits"),
    [
        ("s3:getobject", "arn:aws:s3:::photos/2025/a.jpg", True),
        ("s3:getobject", "arn:aws:s3:::photos", False),
        ("s3:listbucket", "arn:aws:s3:::photos", True),
        ("s3:listbucket", "arn:aws:s3:::photos/a", False),
        ("ssm:getparameter", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/a/b/c", True),
        ("iam:passrole", f"arn:aws:iam::{ACCOUNT}:role/service/deploy", True),
        ("iam:passrole", f"arn:aws:iam::{ACCOUNT}:user/deploy", False),
        (
            "logs:createlogstream",
            f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/x:log-stream:y",
            True,
        ),
        ("s3:listallmybuckets", "arn:aws:s3:::photos", False),
        ("no:such", "arn:aws:no:::x", False),
    ],
)
def test_an_arn_fits_the_kinds_of_an_action(action: str, arn: str, fits: bool) -> None:
    assert any(kind.fits(arn) for kind in resource_types.of_action(action)) is fits


def test_all_resources_of_a_kind_are_one_pattern() -> None:
    (role,) = resource_types.of_action("iam:passrole")
    assert role.required
    assert role.everything("aws-cn", ACCOUNT) == f"arn:aws-cn:iam::{ACCOUNT}:role/*"
