"""What a user is for is told by signs, and never without a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


NIGHT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
CLI = {"aws-cli/2.15.30 Python/3.11.8": 40}


def days(count: int, **by: int) -> tuple[datetime, ...]:
    return tuple(NIGHT + timedelta(days=n) + timedelta(**by) * n for n in range(count))


def workdays(count: int) -> tuple[datetime, ...]:
    every = (NIGHT + timedelta(days=n, hours=8 + n % 7, minutes=n * 11 % 60) for n in range(60))
    return tuple(at for at in every if at.weekday() < 5)[:count]


def test_hints_alone_leave_it_a_mystery_and_are_told() -> None:
    found = category(Signs("svc-orders", user_agents=CLI))
    assert found.name is CategoryName.MYSTERY
    assert found.reasons == ("Only a hint: Most calls come from the command line.",)


@pytest.mark.parametrize(
    "name", ["travis.miller", "wiz.chen", "drone.pilot", "atlas@acme.example", "segment.bauer"]
)
def test_a_person_may_be_named_like_a_product(name: str) -> None:
    assert category(Signs(name, user_agents=CLI)).name is CategoryName.HUMAN_PROGRAMMATIC


def test_two_machine_words_with_a_dot_are_no_person() -> None:
    assert category(Signs("jenkins.deploy")).name is CategoryName.CI_CD
    assert category(Signs("datadog.export")).name is CategoryName.THIRD_PARTY


def test_a_password_that_nobody_used_does_not_make_a_build_a_person() -> None:
    signs = Signs("ci-orders", path="/ci/", has_console_password=True, access_keys=1)
    assert category(signs).name is CategoryName.CI_CD


def test_a_person_who_runs_terraform_from_the_own_computer_at_working_hours_is_a_person() -> None:
    agents = {"HashiCorp Terraform/1.7": 40}
    signs = Signs("jonas.weber", user_agents=agents, moments=workdays(12), tags={"email": "j@x.io"})
    assert category(signs).name is CategoryName.HUMAN_PROGRAMMATIC


def test_the_same_minute_every_night_speaks_for_a_machine() -> None:
    found = category(Signs("ci-x", moments=days(10)))
    assert "It starts at the same minute every day." in found.reasons
    assert "same minute" not in " ".join(category(Signs("ci-x", moments=days(7))).reasons)
    assert "same minute" not in " ".join(
        category(Signs("ci-x", moments=days(10, minutes=7))).reasons
    )


def test_a_minute_around_midnight_is_the_same_minute() -> None:
    late = datetime(2026, 3, 2, 23, 58, tzinfo=UTC)
    moments = tuple(late + timedelta(days=n, minutes=n % 2 * 5) for n in range(0, 24, 2))
    moments += tuple(late + timedelta(days=n, minutes=-1435) for n in range(1, 24, 6))
    found = category(Signs("ci-x", moments=moments))
    assert "It starts at the same minute every day." in found.reasons


def test_working_days_at_working_hours_speak_for_a_person() -> None:
    found = category(Signs("mkrause", access_keys=1, user_agents=CLI, moments=workdays(12)))
    assert found.name is CategoryName.HUMAN_PROGRAMMATIC
    assert "It is used on working days, at working hours." in found.reasons


def test_users_beside_it_at_the_same_address_are_a_sign_of_their_kind() -> None:
    found = category(Signs("svc-orders", neighbours={"ci-cd": 5}, moments=days(9)))
    assert found.name is CategoryName.CI_CD
    assert found.confidence == "low"
    assert "5 of 5 others that call from the same address are CI/CD users." in found.reasons


@pytest.mark.parametrize("neighbours", [{"ci-cd": 2}, {"ci-cd": 3, "human-console": 3}])
def test_few_or_mixed_neighbours_say_nothing(neighbours: dict[str, int]) -> None:
    found = category(Signs("svc-orders", neighbours=neighbours))
    assert found.reasons == ("Nothing tells what it is for.",)


def test_addresses_inside_our_networks_are_a_hint_and_those_of_aws_are_none() -> None:
    inside = category(Signs("x1", addresses={"10.1.2.3": 4, "fd00::7": 1}))
    assert "inside a network of ours" in inside.reasons[0]
    for address in ("cloudformation.amazonaws.com", "203.0.113.7"):
        assert category(Signs("x1", addresses={address: 9})).reasons == (
            "Nothing tells what it is for.",
        )


def test_policies_that_deploy_or_only_watch_are_signs() -> None:
    arn = "arn:aws:iam::aws:policy/{}".format
    deploys = category(Signs("x-deploy", policies=(arn("AWSCloudFormationFullAccess"),)))
    assert "Policy AWSCloudFormationFullAccess deploys." in deploys.reasons
    watches = category(Signs("vendor-x", policies=(arn("SecurityAudit"),)))
    assert "Policy SecurityAudit only watches, as monitoring does." in watches.reasons


def test_an_ssh_key_is_a_persons() -> None:
    found = category(Signs("mkrause-cli", credentials=("ssh-key",), user_agents=CLI))
    assert found.name is CategoryName.HUMAN_PROGRAMMATIC


@pytest.mark.parametrize("name", ["tf-test", "old-deploy", "deploy-tmp"])
def test_a_provisional_name_is_never_sure(name: str) -> None:
    signs = Signs(name, path="/ci/", user_agents={"Jenkins": 9})
    assert category(signs).confidence == "low"


def test_what_speaks_against_it_is_told_where_it_is_close() -> None:
    found = category(Signs("build-insights", policies=("arn:aws:iam::aws:policy/SecurityAudit",)))
    assert found.confidence == "low"
    assert found.reasons[-1] == "But: Policy SecurityAudit only watches, as monitoring does."


@given(
    name=st.text(min_size=1, max_size=64),
    tags=st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3),
    agents=st.dictionaries(st.text(max_size=30), st.integers(0, 9), max_size=3),
    addresses=st.dictionaries(st.text(max_size=30), st.integers(0, 9), max_size=3),
    moments=st.lists(st.datetimes(timezones=st.just(UTC)), max_size=12),
)
def test_whatever_aws_tells_there_is_a_category_with_a_reason(
    name: str,
    tags: dict[str, str],
    agents: dict[str, int],
    addresses: dict[str, int],
    moments: list[datetime],
) -> None:
    signs = Signs(name, tags=tags, user_agents=agents, addresses=addresses, moments=tuple(moments))
    found = category(signs)
    assert found.reasons
    assert found.confidence in {"high", "medium", "low"}
