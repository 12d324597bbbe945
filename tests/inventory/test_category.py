"""What a user is for is told by signs, and never without a reason."""

from __future__ import annotations

import pytest

from inventory.category import CategoryName, Signs, category


@pytest.mark.parametrize(
    ("signs", "name"),
    [
        (Signs("sara.lind", has_console_password=True, has_mfa=True), CategoryName.HUMAN_CONSOLE),
        (Signs("svc-x", has_console_password=True, signed_in=True), CategoryName.HUMAN_CONSOLE),
        (Signs("jonas.weber", access_keys=1), CategoryName.HUMAN_PROGRAMMATIC),
        (Signs("lap", user_agents={"aws-cli/2.15 Darwin/23": 9}), CategoryName.HUMAN_PROGRAMMATIC),
        (Signs("ci-deploy", path="/ci/"), CategoryName.CI_CD),
        (Signs("x1", user_agents={"HashiCorp Terraform/1.7": 40}), CategoryName.CI_CD),
        (Signs("x2", tags={"repository": "acme/payments"}), CategoryName.CI_CD),
        (Signs("vendor-datadog"), CategoryName.THIRD_PARTY),
        (Signs("x3", tags={"vendor": "Acme Scanners"}), CategoryName.THIRD_PARTY),
        (Signs("svc-old2", access_keys=2), CategoryName.MYSTERY),
    ],
)
def test_signs_tell_the_category(signs: Signs, name: CategoryName) -> None:
    assert category(signs).name is name


def test_a_password_outweighs_a_name_that_sounds_like_a_pipeline() -> None:
    signs = Signs("deploy-admin", has_console_password=True, signed_in=True)
    assert category(signs).name is CategoryName.HUMAN_CONSOLE


def test_a_vendor_tag_outweighs_a_pipeline_name() -> None:
    assert category(Signs("sync-build", tags={"Vendor": "x"})).name is CategoryName.THIRD_PARTY


def test_one_weak_sign_gives_less_confidence_than_several() -> None:
    weak = category(Signs("ci-x"))
    strong = category(Signs("ci-x", tags={"purpose": "ci"}, user_agents={"Jenkins": 3}))
    assert (weak.confidence, strong.confidence) == ("low", "high")


@pytest.mark.parametrize("name", ["=cmd|calc", "..", "--help", "x" * 64, "a+b,c.d@e-f_g"])
def test_any_name_has_a_category_with_a_reason(name: str) -> None:
    assert category(Signs(name)).reasons
