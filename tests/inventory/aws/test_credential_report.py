"""The report is read by its header; what cannot be read is told, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory.aws.credential_report import Report, parse
from inventory.aws.failure import AwsFailure

GENERATED = datetime(2025, 3, 6, 13, 55, tzinfo=UTC)
HEADER = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,"
    "access_key_1_last_used_region,access_key_1_last_used_service"
)
ROOT = (
    "<root_account>,arn:aws:iam::123456789012:root,2020-01-01T00:00:00+00:00,not_supported,"
    "2024-01-01T00:00:00Z,not_supported,true,false,N/A,N/A,N/A,N/A"
)
ARN = "arn:aws:iam::123456789012:user/sara"
SARA = (
    f"sara,{ARN},2021-01-01T00:00:00Z,TRUE,no_information,2021-01-01T00:00:00Z,"
    "False,true,2021-01-01T00:00:00+00:00,2025-02-27T15:51:00Z,N/A,s3"
)


def report(*lines: str) -> Report:
    return parse("\n".join(lines).encode(), GENERATED)


def test_root_stands_apart_and_is_no_user() -> None:
    found = report(HEADER, ROOT, SARA)
    assert list(found.users) == [ARN]
    assert found.root is not None
    assert found.root.mfa_active


def test_truth_and_times_are_read_in_every_spelling() -> None:
    sara = report(HEADER, SARA).users[ARN]
    assert sara.password_enabled
    assert not sara.mfa_active
    assert sara.password_last_used_at is None
    assert sara.password_last_changed_at == datetime(2021, 1, 1, tzinfo=UTC)


def test_no_region_is_not_no_use() -> None:
    key = report(HEADER, SARA).users[ARN].keys[0]
    assert key.region == ""
    assert key.last_used_at == datetime(2025, 2, 27, 15, 51, tzinfo=UTC)


def test_an_unknown_column_changes_nothing() -> None:
    found = report(f"new_thing,{HEADER}", f"17,{SARA}")
    assert found.users == report(HEADER, SARA).users


def test_a_missing_column_is_not_known_rather_than_wrong() -> None:
    found = parse(
        f"user,arn,user_creation_time,password_enabled\nsara,{ARN},N/A,true".encode(), GENERATED
    )
    assert found.users[ARN].password_enabled
    assert found.users[ARN].keys[1].last_used_at is None


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    content = b"\xef\xbb\xbf" + "\r\n".join((HEADER, ROOT, SARA)).encode()
    assert parse(content, GENERATED) == report(HEADER, ROOT, SARA)


def test_certificates_and_further_credentials_are_kept() -> None:
    more = ",cert_1_active,cert_1_last_rotated,cert_2_active,additional_credentials_info"
    sara = report(f"{HEADER}{more}", f"{SARA},true,2022-01-01T00:00:00Z,false,1").users[ARN]
    assert [one.active for one in sara.certificates] == [True, False]
    assert sara.certificates[0].rotated_at == datetime(2022, 1, 1, tzinfo=UTC)
    assert sara.more == "1"
    assert report(HEADER, SARA).users[ARN].more == ""


def test_what_the_report_does_not_say_is_not_said_to_be_false() -> None:
    found = report(HEADER, ROOT, SARA)
    assert found.root is not None
    assert found.root.password_enabled is None
    assert found.users[ARN].keys[1].active is None


def test_a_row_counts_only_for_the_user_that_was_made_at_its_time() -> None:
    found = report(HEADER, SARA)
    made_at = datetime(2021, 1, 1, tzinfo=UTC)
    assert found.of(ARN, made_at) is not None
    assert found.of(ARN, made_at.replace(day=2)) is None


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("sara", "arn:aws:iam::123456789012:root"),
        ("<root_account>", ARN),
        ("sara", "arn:aws:iam::123456789012:user/tom"),
        ("sara", "arn:aws:iam::123456789012:role/sara"),
        ("sara", "2021-01-01T00:00:00Z"),
    ],
)
def test_a_name_that_does_not_fit_its_arn_means_that_cells_have_moved(name: str, arn: str) -> None:
    with pytest.raises(AwsFailure, match="bears the ARN"):
        report(HEADER, SARA.replace(f"sara,{ARN}", f"{name},{arn}"))


def test_users_of_every_partition_are_read() -> None:
    for partition in ("aws-cn", "aws-us-gov", "aws-iso"):
        arn = ARN.replace("arn:aws:", f"arn:{partition}:")
        assert list(report(HEADER, SARA.replace(ARN, arn)).users) == [arn]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Service Unavailable</html>",
        f"{HEADER}\nsara,{ARN}".encode(),
        f"{HEADER}\n{SARA.replace('2025-02-27T15:51:00Z', 'yesterday')}".encode(),
        b"\xff\xfe\x00",
        f"{HEADER}\n{SARA},one,too,many".encode(),
        f"{HEADER}\n{SARA.replace('2025-02-27T15:51:00Z', '2025-02-27T15:51:00')}".encode(),
        f"{HEADER}\n{SARA.replace('False', 'perhaps')}".encode(),
        f"{HEADER},arn\n{SARA},{ARN}".encode(),
        f'{HEADER}\n"{SARA}'.encode(),
    ],
)
def test_a_malformed_report_is_a_clear_failure(content: bytes) -> None:
    with pytest.raises(AwsFailure, match="The credential report cannot be read") as refused:
        parse(content, GENERATED)
    assert refused.value.code == "MalformedReport"
