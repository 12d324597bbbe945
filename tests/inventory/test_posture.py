"""Each item of the benchmark: when it is met, when it is not, and when nobody can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory.posture import (
    BY_KEY,
    MOST_NAMED,
    RULES,
    Facts,
    Instances,
    Item,
    KeyFacts,
    PasswordPolicy,
    RootFacts,
    Status,
    TrailFacts,
    UserFacts,
    allows_everything,
    judge,
)

NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)
YEARS_AGO = NOW - timedelta(days=900)
PASSED, FAILED, UNSEEN = Status.PASSED, Status.FAILED, Status.NOT_LOOKED_AT


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def user(**facts: Any) -> UserFacts:
    facts.setdefault("user_id", "AIDA1")
    facts.setdefault("created_at", YEARS_AGO)
    facts.setdefault("full_admin", False)
    return UserFacts(**facts)


def key(made: float, used: float | None = None) -> KeyFacts:
    return KeyFacts(days_ago(made), None if used is None else days_ago(used))


def item(name: str, **facts: Any) -> Item:
    facts.setdefault("users", ())
    return next(one for one in judge(Facts(**facts), NOW) if one.key == name)


def status(name: str, **facts: Any) -> Status:
    return item(name, **facts).status


def test_every_rule_is_judged_once_and_in_order() -> None:
    assert [one.key for one in judge(Facts(users=()), NOW)] == [rule.key for rule in RULES]
    assert len(BY_KEY) == len(RULES)
    assert len({rule.number for rule in RULES}) == len(RULES)


def test_nothing_read_passes_nothing_about_the_account() -> None:
    read_nothing = user(credentials_read=False, policies_read=False, full_admin=None)
    assert {one.status for one in judge(Facts(users=(read_nothing,)), NOW)} == {UNSEEN}


def test_why_nobody_looked_stands_beside_the_item_and_no_other() -> None:
    gaps = {"trail": "DescribeTrails: AccessDenied", "user-mfa": "Credentials: AccessDenied"}
    found = {one.key: one for one in judge(Facts(users=()), NOW, gaps)}
    assert found["trail"].why == "DescribeTrails: AccessDenied"
    assert found["user-mfa"].status is PASSED
    assert found["user-mfa"].why == ""


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"has_console_password": True}, FAILED),
        ({"has_console_password": True, "has_mfa": True}, PASSED),
        ({"has_console_password": False}, PASSED),
    ],
)
def test_mfa_is_asked_of_whoever_has_a_console_password(
    facts: dict[str, Any], expected: Status
) -> None:
    assert status("user-mfa", users=[user(**facts)]) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"active_keys": (key(900, used=44),)}, PASSED),
        ({"active_keys": (key(900, used=45),)}, FAILED),
        ({"active_keys": (key(44),)}, PASSED),
        ({"active_keys": (key(45),)}, FAILED),
        ({"active_keys": (key(900, used=1), key(900, used=400))}, FAILED),
        ({"has_console_password": True, "password_last_used_at": days_ago(44)}, PASSED),
        ({"has_console_password": True, "password_last_used_at": days_ago(46)}, FAILED),
        ({"has_console_password": True, "password_last_changed_at": days_ago(3)}, PASSED),
        ({"has_console_password": True}, FAILED),
        ({"password_last_used_at": days_ago(400)}, PASSED),
    ],
)
def test_a_credential_is_unused_after_45_days(facts: dict[str, Any], expected: Status) -> None:
    assert status("unused-45", users=[user(**facts)]) is expected


@pytest.mark.parametrize(
    ("keys", "one_key", "age"),
    [
        ((), PASSED, PASSED),
        ((key(90),), PASSED, PASSED),
        ((key(90.1),), PASSED, FAILED),
        ((key(1), key(2)), FAILED, PASSED),
    ],
)
def test_keys_are_few_and_young(keys: tuple[KeyFacts, ...], one_key: Status, age: Status) -> None:
    users = [user(active_keys=keys)]
    assert (status("one-key", users=users), status("key-age", users=users)) == (one_key, age)


def test_direct_policies_and_full_admin_are_counted_of_everybody() -> None:
    users = [user(direct_policies=True, full_admin=True), user(user_id="AIDA2")]
    for name in ("groups-only", "no-full-admin"):
        found = item(name, users=users)
        assert (found.status, found.count, found.total, found.users) == (FAILED, 1, 2, ("AIDA1",))


def test_one_who_fails_settles_it_though_others_could_not_be_read() -> None:
    users = [user(active_keys=(key(200),)), user(credentials_read=False)]
    found = item("key-age", users=users)
    assert (found.status, found.count, found.unread) == (FAILED, 1, 1)


def test_nobody_who_fails_settles_nothing_while_others_could_not_be_read() -> None:
    assert status("key-age", users=[user(), user(credentials_read=False)]) is UNSEEN


def test_a_user_whose_policies_are_not_known_yet_is_no_pass() -> None:
    assert status("no-full-admin", users=[user(full_admin=None)]) is UNSEEN


def test_a_protected_user_is_counted_and_marked() -> None:
    found = item("user-mfa", users=[user(has_console_password=True, protected=True)])
    assert (found.status, found.count, found.protected) == (FAILED, 1, 1)


def test_a_day_names_so_many_and_counts_all() -> None:
    users = [user(user_id=f"AIDA{number}", direct_policies=True) for number in range(5000)]
    found = item("groups-only", users=users)
    assert (found.count, len(found.users)) == (5000, MOST_NAMED)


@pytest.mark.parametrize(
    ("root", "keys", "mfa", "hardware"),
    [
        (RootFacts(), UNSEEN, UNSEEN, UNSEEN),
        (RootFacts(active_keys=1, has_mfa=False), FAILED, FAILED, FAILED),
        (RootFacts(0, True, True), PASSED, PASSED, FAILED),
        (RootFacts(0, True, False), PASSED, PASSED, PASSED),
        (RootFacts(0, True, None), PASSED, PASSED, UNSEEN),
        # An organization removed the credentials of root.
        (RootFacts(0, False, None, has_password=False), PASSED, PASSED, PASSED),
    ],
)
def test_root_has_no_keys_and_hardware_mfa(
    root: RootFacts, keys: Status, mfa: Status, hardware: Status
) -> None:
    found = {one.key: one.status for one in judge(Facts(users=(), root=root), NOW)}
    assert found["root-keys"] is keys
    assert found["root-mfa"] is mfa
    assert found["root-hardware-mfa"] is hardware


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (RootFacts(), UNSEEN),
        (RootFacts(use_known=True), PASSED),
        (RootFacts(use_known=True, last_used_at=days_ago(46)), PASSED),
        (RootFacts(use_known=True, last_used_at=days_ago(2)), FAILED),
    ],
)
def test_root_is_not_used(root: RootFacts, expected: Status) -> None:
    assert status("root-unused", root=root) is expected


@pytest.mark.parametrize(
    ("policy", "length", "reuse"),
    [
        (None, UNSEEN, UNSEEN),
        (PasswordPolicy(), FAILED, FAILED),
        (PasswordPolicy(14, 24), PASSED, PASSED),
        (PasswordPolicy(13, 23), FAILED, FAILED),
    ],
)
def test_the_password_policy(policy: PasswordPolicy | None, length: Status, reuse: Status) -> None:
    assert status("password-length", passwords=policy) is length
    assert status("password-reuse", passwords=policy) is reuse


@pytest.mark.parametrize(
    ("trails", "recorded", "validated"),
    [
        (None, UNSEEN, UNSEEN),
        ((), FAILED, FAILED),
        ((TrailFacts("t", True, True, True, True),), PASSED, PASSED),
        ((TrailFacts("t", False, True, True, True),), FAILED, PASSED),
        ((TrailFacts("t", True, False, True, False),), FAILED, FAILED),
        ((TrailFacts("t", True, True, False, True),), FAILED, PASSED),
        ((TrailFacts("t", True, True, None, True),), UNSEEN, PASSED),
        (
            (TrailFacts("t", True, None, None, True), TrailFacts("u", True, True, True, False)),
            PASSED,
            FAILED,
        ),
    ],
)
def test_a_trail_records_every_region(
    trails: tuple[TrailFacts, ...] | None, recorded: Status, validated: Status
) -> None:
    assert status("trail", trails=trails) is recorded
    assert status("trail-validation", trails=trails) is validated


def test_instances_have_roles() -> None:
    assert status("instance-roles") is UNSEEN
    assert status("instance-roles", instances=Instances(0, 0)) is PASSED
    found = item("instance-roles", instances=Instances(7, 2))
    assert (found.status, found.count, found.total) == (FAILED, 2, 7)


@pytest.mark.parametrize(
    ("password", "seen", "read", "expected"),
    [
        (True, days_ago(1), True, FAILED),
        (False, days_ago(1), True, PASSED),
        (False, days_ago(31), True, FAILED),
        (False, None, True, FAILED),
        (False, None, False, UNSEEN),
    ],
)
def test_people_come_in_through_federation(
    password: bool, seen: datetime | None, read: bool, expected: Status
) -> None:
    users = [user(has_console_password=password, has_mfa=True)]
    found = status("federation", users=users, federated_sign_in_at=seen, sign_ins_read=read)
    assert found is expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Allow", "Action": "*", "Resource": "*"}, True),
        ({"Effect": "Allow", "Action": ["s3:*", "*:*"], "Resource": ["*"]}, True),
        ({"Effect": "Allow", "Action": "iam:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::x"}, False),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, False),
    ],
)
def test_everything_means_every_action_on_every_resource(
    statement: dict[str, Any], expected: bool
) -> None:
    assert allows_everything({"Statement": statement}) is expected
    assert allows_everything({"Statement": [{"Effect": "Deny"}, statement]}) is expected


@pytest.mark.parametrize("document", [None, "{", [], {}, {"Statement": ["x", None]}])
def test_no_document_keeps_the_others_from_being_judged(document: object) -> None:
    assert allows_everything(document) is False
