"""The credentials on a user's page: every kind, what is known of its use, and of what time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import Credential, IamUser, Person
from inventory.reads import reads_of
from migrations_app.user_page.held import UNTRACED, held
from tests import cast
from tests.migrations_app.browsing import address, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def page(person: Person, user: IamUser) -> str:
    return text_of(browser(person).get(address(user)))


def give(user: IamUser, kind: str, credential_id: str, **columns: Any) -> Credential:
    columns.setdefault("created_at", clock.now() - timedelta(days=400))
    columns.setdefault("status", "Active")
    return Credential.objects.create(user=user, kind=kind, credential_id=credential_id, **columns)


def test_each_kind_shows_with_its_service_and_when_aws_does_not_record_its_use(
    everybody: cast.Cast,
) -> None:
    user = cast.departure("deploy").user
    give(user, "access-key", "AKIAONE", last_used_at=clock.now(), last_used_service="s3")
    give(user, "ssh-key", "APKAONE")
    give(user, "signing-certificate", "CERTONE", status="Inactive")
    give(user, "service-specific", "ACCAONE", service="bedrock.amazonaws.com")
    give(user, "service-specific", "ACCATWO", service="newthing.amazonaws.com")
    text = page(everybody.jonas, user)
    for said in (
        "Access key 1",
        "SSH public key",
        "Signing certificate",
        "Bedrock, API key",
        "newthing.amazonaws.com",
        UNTRACED,
    ):
        assert said in text
    assert text.count("not recorded") == 4


def test_keys_are_numbered_and_old_active_ones_stand_out(everybody: cast.Cast) -> None:
    user = cast.departure("deploy").user
    for number in range(3):
        give(user, "access-key", f"AKIA{number}", status="Active" if number else "Expired")
    told = held(user, list(user.credentials.all()), reads_of(user.account_id), True, clock.now())
    keys = [row for row in told.rows if row.kind.startswith("Access key")]
    assert [row.kind for row in keys] == ["Access key 1", "Access key 2", "Access key 3"]
    assert [(row.status, row.old) for row in keys] == [
        ("Active", True),
        ("Active", True),
        ("Expired", False),
    ]
    assert not told.untraced


def test_an_expiry_is_told_before_and_after(everybody: cast.Cast) -> None:
    user = cast.departure("deploy").user
    for days in (-3, 30):
        at = clock.now() + timedelta(days=days)
        give(user, "service-specific", f"ACCA{days}", service="logs.amazonaws.com", expires_at=at)
    text = page(everybody.jonas, user)
    assert ">expired " in text
    assert ">expires " in text


def test_a_viewer_sees_the_kind_of_mfa_and_no_whole_serial_or_id(everybody: cast.Cast) -> None:
    serial = f"arn:aws:iam::{cast.ACCOUNT_ID}:mfa/deploy"
    user = cast.departure(
        cast.iam_user(
            "deploy",
            mfa=[
                {"serial": serial, "kind": "virtual"},
                {"serial": "GAHT12345678", "kind": "hardware"},
            ],
        )
    ).user
    give(user, "access-key", "AKIAIOSFODNN7EXAMPLE")
    for kind in ("App", "Hardware token"):
        assert kind in page(everybody.vera, user)
    for secret in (serial, "GAHT12345678", "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in page(everybody.vera, user)
        assert secret in page(everybody.jonas, user)


def test_a_sign_in_stays_shown_after_the_password_is_gone(everybody: cast.Cast) -> None:
    used_at = clock.now() - timedelta(days=12)
    user = cast.departure(cast.iam_user("gone.pw", password_last_used_at=used_at)).user
    (password,) = held(user, [], reads_of(user.account_id), True, clock.now()).rows
    assert (password.id, password.last_used_at, password.created_at) == ("none", used_at, None)
    assert "console sign-in" in page(everybody.vera, user)


def test_live_and_report_times_stand_side_by_side_with_what_differs(
    everybody: cast.Cast,
) -> None:
    now = clock.now()
    note = "It had MFA in the credential report of 6 Mar 13:55 UTC, and has none now."
    user = cast.departure(
        cast.iam_user(
            "deploy",
            coverage={
                "credentials_at": now.isoformat(),
                "report_at": (now - timedelta(hours=3)).isoformat(),
                "report_notes": [{"text": note, "explained": True}],
            },
        )
    ).user
    text = page(everybody.vera, user)
    assert "read live <time" in text
    assert ", credential report <time" in text
    assert note in text


def test_what_could_not_be_read_is_said_to_be_older(everybody: cast.Cast) -> None:
    gap = "Credentials: ListAccessKeys: Throttling: Rate exceeded <b>"
    user = cast.departure(cast.iam_user("deploy", coverage={"gaps": {"credentials": gap}})).user
    text = page(everybody.vera, user)
    assert "Not looked at in the last sync" in text
    assert "Rate exceeded &lt;b&gt;" in text
    assert "not read yet" in text


def test_a_key_is_cut_to_what_tells_it_apart_and_whole_for_who_may_copy_it(
    everybody: cast.Cast,
) -> None:
    user = cast.departure("deploy").user
    give(user, "access-key", "AKIAIOSFODNN7EXAMPLE")
    told = page(everybody.jonas, user)
    assert '<span aria-hidden="true">AKIA…MPLE</span>' in told
    assert '<span class="visually-hidden" id="credential-1">AKIAIOSFODNN7EXAMPLE</span>' in told
    assert 'aria-label="Copy the ID of Access key 1"' in told
    assert "AKIA…MPLE" in page(everybody.vera, user)


@pytest.mark.parametrize("mfa", [[], [{"serial": "GAHT12345678", "kind": "hardware"}]])
def test_the_row_of_an_mfa_device_has_a_cell_in_each_column(
    everybody: cast.Cast, mfa: list[dict[str, str]]
) -> None:
    user = cast.departure(cast.iam_user("deploy", mfa=mfa)).user
    row = page(everybody.jonas, user).split("MFA device")[1].split("</tr>")[0]
    assert row.count("<td") == 5
    assert "colspan" not in row
