"""The credential report: its states, its age, its rows."""

from __future__ import annotations

import csv
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from tests.demo.cast import WEDNESDAY, Clock, client, code


def report(iam: Any) -> dict[str, dict[str, str]]:
    """A finished report, by user."""
    while iam.generate_credential_report()["State"] != "COMPLETE":
        pass
    text = iam.get_credential_report()["Content"].decode()
    return {row["user"]: row for row in csv.DictReader(text.splitlines())}


def test_the_states_come_in_order(simulator: Simulator) -> None:
    iam = client("iam")
    with pytest.raises(ClientError) as refusal:
        iam.get_credential_report()
    assert code(refusal.value) == "ReportNotPresent"
    assert iam.generate_credential_report()["State"] == "STARTED"
    with pytest.raises(ClientError) as refusal:
        iam.get_credential_report()
    assert code(refusal.value) == "ReportInProgress"
    assert iam.generate_credential_report()["State"] == "COMPLETE"


def test_a_report_is_kept_for_four_hours_and_then_expires(
    simulator: Simulator, clock: Clock
) -> None:
    iam = client("iam")
    assert report(iam)["tom.baker"]["password_enabled"] == "true"
    iam.delete_login_profile(UserName="tom.baker")
    clock.move(hours=3, minutes=59)
    assert report(iam)["tom.baker"]["password_enabled"] == "true"
    clock.move(minutes=1)
    with pytest.raises(ClientError) as refusal:
        iam.get_credential_report()
    assert code(refusal.value) == "ReportExpired"
    assert report(iam)["tom.baker"]["password_enabled"] == "false"


def test_root_is_the_first_row_and_every_user_has_one(simulator: Simulator) -> None:
    rows = report(client("iam"))
    assert next(iter(rows)) == "<root_account>"
    assert len(rows) == 207


def test_absence_has_three_spellings(simulator: Simulator) -> None:
    rows = report(client("iam"))
    assert rows["<root_account>"]["password_last_changed"] == "not_supported"
    assert rows["lena.koch"]["password_last_used"] == "N/A"
    assert rows["nora.berg"]["password_last_used"] == "no_information"


def test_an_s3_only_key_shows_its_use_without_a_region(simulator: Simulator) -> None:
    row = report(client("iam"))["lena.koch"]
    assert row["access_key_1_last_used_region"] == "N/A"
    assert row["access_key_1_last_used_service"] == "s3"
    recent = (WEDNESDAY - timedelta(days=2)).isoformat()
    assert row["access_key_1_last_used_date"] > recent


def test_a_third_key_is_only_a_number(simulator: Simulator) -> None:
    assert report(client("iam"))["carl.three"]["additional_credentials_info"] == "1"
