"""One call at a time, under the journal's eyes: what is sent again, what is believed, what ends it.

AWS is a script of answers here; the same engine runs against the simulated account elsewhere.
"""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ReadTimeoutError

from inventory.aws.failure import AwsFailure
from migrations_app import aws
from migrations_app.aws import Answer, NotTheSameUser, PlannedCall
from tests.migrations_app.scripted import GONE, LOST, NAME, OK, Still, refused, user, writing
from tests.migrations_app.test_aws_plan import ADA, DENY

KEY = PlannedCall("access keys", "DeleteAccessKey", {"AccessKeyId": "AKIA1"}, "AKIA1", final=True)
DELETE_USER = PlannedCall("user", "DeleteUser", {"UserName": NAME}, ADA.arn, final=True)
ATTACH = PlannedCall("fence", "AttachUserPolicy", {"PolicyArn": DENY}, "AWSDenyAll")
DETACH = PlannedCall("fence", "DetachUserPolicy", {"PolicyArn": DENY}, "AWSDenyAll")


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Still:
    still = Still()
    monkeypatch.setattr(aws, "time", still)
    return still


# ── The order of one send ────────────────────────────────────────────────────────────────────────


def test_identity_then_the_journal_then_aws(still: Still) -> None:
    writer, scripted = writing()
    answer = writer.send(KEY)
    assert answer == Answer("ok", "", "", "r-1", 200)
    assert scripted.said == [
        "wait",
        "get_user",
        "looked GetUser ada: same AIDAADA",
        "before 1",
        "delete_access_key",
        "after 71 ok",
    ]
    assert scripted.sent[-1] == ("delete_access_key", {"AccessKeyId": "AKIA1"})
    assert scripted.told == [answer]


def test_a_restore_is_first_at_the_limiter(still: Still) -> None:
    writer, scripted = writing(first=True)
    writer.send(KEY)
    assert scripted.said[0] == "first"


def test_an_answer_of_which_nothing_else_is_known_is_an_outcome_alone() -> None:
    assert astuple(Answer("unknown")) == ("unknown", "", "", "", 0)


def test_an_answer_without_a_request_id_is_one_all_the_same(still: Still) -> None:
    writer, _ = writing(delete_access_key={"ResponseMetadata": {"HTTPStatusCode": 200}})
    assert writer.send(KEY).request_id == ""


def test_a_closed_gate_lets_nothing_be_written_down_or_sent(still: Still) -> None:
    writer, scripted = writing()
    scripted.closed = True
    with pytest.raises(RuntimeError, match="emergency stop"):
        writer.send(KEY)
    assert scripted.said == ["wait", "get_user", "looked GetUser ada: same AIDAADA"]


# ── Identity ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "looks"), [(0.0, 1), (10.0, 1), (10.001, 2)])
def test_a_look_at_the_identity_holds_ten_seconds(still: Still, seconds: float, looks: int) -> None:
    writer, scripted = writing()
    writer.send(KEY)
    still.now += seconds
    writer.send(KEY)
    assert scripted.said.count("get_user") == looks


def test_before_delete_user_the_identity_is_looked_at_however_fresh_it_is(still: Still) -> None:
    writer, scripted = writing()
    writer.same_user()
    writer.send(DELETE_USER)
    assert scripted.said.count("get_user") == 2


def test_another_user_under_the_name_receives_nothing(still: Still) -> None:
    writer, scripted = writing(get_user=user("AIDAOTHER"))
    with pytest.raises(NotTheSameUser) as caught:
        writer.send(KEY)
    failed = caught.value
    assert (failed.code, failed.operation) == ("NamesakeFound", "GetUser")
    assert failed.message == "ada is another user now: AIDAOTHER, not AIDAADA."
    assert scripted.said == ["wait", "get_user", "looked GetUser ada: another user: AIDAOTHER"]


def test_a_user_that_is_gone_is_said_to_be_gone(still: Still) -> None:
    writer, scripted = writing(get_user=GONE)
    with pytest.raises(NotTheSameUser) as caught:
        writer.send(KEY)
    failed = caught.value
    assert (failed.code, failed.operation) == ("NoSuchUser", "GetUser")
    assert failed.message == "ada is not there any more."
    assert scripted.said == ["wait", "get_user", "looked GetUser ada: NoSuchEntity"]


def test_an_identity_that_did_not_hold_is_looked_at_again(still: Still) -> None:
    writer, _ = writing(get_user=[user("AIDAOTHER"), user()])
    with pytest.raises(NotTheSameUser):
        writer.send(KEY)
    assert writer.send(KEY).outcome == "ok"


# ── What is sent again ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (refused("Throttling"), "retry", "Throttling"),
        (refused("EntityTemporarilyUnmodifiable", 409), "retry", "EntityTemporarilyUnmodifiable"),
        (refused("LimitExceeded", 409, "Too many at once."), "retry", "LimitExceeded"),
        (refused("Throttling", 499), "retry", "Throttling"),
        (refused("ServiceFailure", 500), "unknown", "ServiceFailure"),
        (refused("Odd", 503), "unknown", "Odd"),
        (LOST, "unknown", "Connection"),
        (ReadTimeoutError(endpoint_url="https://iam.amazonaws.com"), "unknown", "Connection"),
    ],
)
def test_what_may_pass_is_sent_again_and_journalled_again(
    still: Still, fault: Exception, outcome: str, code: str
) -> None:
    writer, scripted = writing(delete_access_key=[fault, OK])
    assert writer.send(KEY).outcome == "ok"
    assert [(one.outcome, one.code) for one in scripted.told] == [(outcome, code), ("ok", "")]
    assert scripted.said[3:] == [
        "before 1",
        "delete_access_key",
        f"after 71 {outcome}",
        "wait",
        "before 2",
        "delete_access_key",
        "after 72 ok",
    ]
    assert still.slept == [0.2]


@pytest.mark.parametrize(
    "fault",
    [
        refused("AccessDenied", 403),
        refused("InvalidInput"),
        refused("LimitExceeded", 409, "Cannot exceed Quota for PoliciesPerUser: 10"),
    ],
)
def test_what_will_not_pass_is_sent_once_and_told_in_awss_words(
    still: Still, fault: ClientError
) -> None:
    writer, scripted = writing(delete_access_key=fault)
    with pytest.raises(AwsFailure) as caught:
        writer.send(KEY)
    error = fault.response["Error"]
    (told,) = scripted.told
    assert (caught.value.code, caught.value.operation) == (error["Code"], "DeleteAccessKey")
    assert (told.outcome, told.code, told.message) == ("refused", error["Code"], error["Message"])
    assert (told.request_id, told.http_status) == (
        "r-no",
        fault.response["ResponseMetadata"]["HTTPStatusCode"],
    )
    assert still.slept == []


def test_sends_are_spaced_wider_and_wider_and_end_within_the_deadline(still: Still) -> None:
    writer, scripted = writing(delete_access_key=refused("Throttling"))
    began = still.now
    with pytest.raises(AwsFailure, match="Throttling"):
        writer.send(KEY)
    assert still.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(scripted.told) == 8
    assert still.now - began <= 20.0


@pytest.mark.parametrize(("took", "sends"), [(19.8, 2), (19.801, 1)])
def test_whatever_would_be_sent_past_the_deadline_is_not(
    still: Still, took: float, sends: int
) -> None:
    still.now = 0.0
    writer, scripted = writing(delete_access_key=refused("Throttling"))
    really = scripted.before

    def before(call: PlannedCall, attempt: int) -> int:
        still.now += took if attempt == 1 else 0.0
        return really(call, attempt)

    scripted.before = before  # type: ignore[method-assign]
    with pytest.raises(AwsFailure, match="Throttling"):
        writer.send(KEY)
    assert len(scripted.told) == sends


def test_the_identity_is_looked_at_again_only_after_a_longer_wait(still: Still) -> None:
    throttled = refused("Throttling")
    writer, scripted = writing(delete_access_key=[*[throttled] * 2, OK])
    writer.send(KEY)
    assert scripted.said.count("get_user") == 1
    writer, scripted = writing(delete_access_key=[*[throttled] * 3, OK])
    writer.send(KEY)
    assert scripted.said.count("get_user") == 2


# ── Already gone ─────────────────────────────────────────────────────────────────────────────────


def test_a_part_that_is_gone_is_success_if_its_user_is_still_the_same(still: Still) -> None:
    writer, scripted = writing(delete_access_key=GONE)
    answer = writer.send(KEY)
    assert (answer.outcome, answer.code, answer.request_id) == (
        "already-gone",
        "NoSuchEntity",
        "r-no",
    )
    assert scripted.said.count("get_user") == 2
    assert scripted.said[-1] == "after 71 already-gone"


def test_a_part_of_a_user_that_is_gone_is_no_success(still: Still) -> None:
    writer, _ = writing(get_user=[user(), GONE], delete_access_key=GONE)
    with pytest.raises(NotTheSameUser, match="not there any more"):
        writer.send(KEY)


def test_a_user_that_is_gone_at_its_own_delete_is_success(still: Still) -> None:
    writer, scripted = writing(delete_user=GONE)
    assert writer.send(DELETE_USER).outcome == "already-gone"
    assert scripted.said.count("get_user") == 1


@pytest.mark.parametrize(
    ("call", "method"),
    [
        (ATTACH, "attach_user_policy"),
        (
            replace(ATTACH, operation="PutUserPermissionsBoundary"),
            "put_user_permissions_boundary",
        ),
    ],
)
def test_a_fence_that_finds_nobody_is_a_failure(
    still: Still, call: PlannedCall, method: str
) -> None:
    writer, scripted = writing(answers={method: GONE})
    with pytest.raises(AwsFailure, match="NoSuchEntity"):
        writer.send(call)
    assert [one.outcome for one in scripted.told] == ["refused"]


def test_a_fence_that_is_off_already_is_success(still: Still) -> None:
    writer, _ = writing(detach_user_policy=GONE)
    assert writer.send(DETACH).outcome == "already-gone"


def test_a_delete_whose_answer_was_lost_may_be_why_nobody_is_there(still: Still) -> None:
    writer, scripted = writing(get_user=[user(), GONE], delete_user=LOST)
    answer = writer.send(DELETE_USER)
    assert (answer.outcome, answer.code) == ("already-gone", "NoSuchEntity")
    assert answer.message == "ada is not there any more."
    assert [one.outcome for one in scripted.told] == ["unknown"]


def test_nobody_there_before_the_first_delete_is_no_success(still: Still) -> None:
    writer, _ = writing(get_user=GONE)
    with pytest.raises(NotTheSameUser):
        writer.send(DELETE_USER)


def test_somebody_else_there_after_a_lost_delete_is_no_success(still: Still) -> None:
    writer, _ = writing(get_user=[user(), user("AIDAOTHER")], delete_user=LOST)
    with pytest.raises(NotTheSameUser, match="another user"):
        writer.send(DELETE_USER)


def test_nobody_there_at_a_second_send_of_something_else_is_no_success(still: Still) -> None:
    throttled = refused("Throttling")
    writer, _ = writing(get_user=[user(), GONE], delete_access_key=throttled)
    with pytest.raises(NotTheSameUser, match="not there any more"):
        writer.send(KEY)


DEVICE = "arn:aws:iam::123456789012:mfa/ada"
DELETE_MFA = PlannedCall("MFA devices", "DeleteVirtualMFADevice", {"SerialNumber": DEVICE}, DEVICE)


def devices(*serials: str) -> dict[str, object]:
    return {"VirtualMFADevices": [{"SerialNumber": one} for one in serials], "IsTruncated": False}


@pytest.mark.parametrize("left", [(), ("arn:aws:iam::123456789012:mfa/bob",)])
def test_a_virtual_device_is_gone_when_no_listing_shows_it(
    still: Still, left: tuple[str, ...]
) -> None:
    writer, scripted = writing(
        delete_virtual_mfa_device=GONE, list_virtual_mfa_devices=devices(*left)
    )
    assert writer.send(DELETE_MFA).outcome == "already-gone"
    assert scripted.said.count("get_user") == 1


def test_a_virtual_device_that_is_still_listed_is_not_gone(still: Still) -> None:
    writer, scripted = writing(
        delete_virtual_mfa_device=GONE, list_virtual_mfa_devices=devices(DEVICE)
    )
    with pytest.raises(AwsFailure, match="NoSuchEntity"):
        writer.send(DELETE_MFA)
    assert [one.outcome for one in scripted.told] == ["refused"]


def test_the_line_has_its_answer_also_where_looking_again_failed(still: Still) -> None:
    writer, scripted = writing(get_user=[user(), GONE], delete_access_key=GONE)
    with pytest.raises(NotTheSameUser):
        writer.send(KEY)
    assert [(one.outcome, one.code) for one in scripted.told] == [("refused", "NoSuchEntity")]


# ── A table of steps ─────────────────────────────────────────────────────────────────────────────

QUOTA = refused("LimitExceeded", 409, "Cannot exceed quota for PoliciesPerUser: 10")


def test_steps_are_sent_in_order(still: Still) -> None:
    writer, scripted = writing()
    writer.run((*aws.FENCE, *aws.SHUT), ADA)
    calls = [method for method, _ in scripted.sent if method != "get_user"]
    planned = [one.operation for one in aws.plan((*aws.FENCE, *aws.SHUT), ADA)]
    assert calls == [xform_name(operation) for operation in planned]


def test_what_we_made_is_what_a_restore_undoes(still: Still) -> None:
    writer, scripted = writing()
    held = replace(ADA, attached_policies=(DENY,))
    writer.run(aws.RESTORE, held, aws.Made(policy_fence=True))
    assert scripted.sent[-1] == ("detach_user_policy", {"UserName": NAME, "PolicyArn": DENY})
    sent = len(scripted.sent)
    writer.run(aws.RESTORE, held)
    assert len(scripted.sent) == sent


def test_a_quota_that_was_reached_meanwhile_makes_the_fence_a_boundary(still: Still) -> None:
    writer, scripted = writing(attach_user_policy=QUOTA)
    writer.run(aws.FENCE, ADA)
    assert scripted.sent[-1] == (
        "put_user_permissions_boundary",
        {"UserName": NAME, "PermissionsBoundary": DENY},
    )


@pytest.mark.parametrize(
    ("steps", "method", "fault"),
    [
        (aws.FENCE, "attach_user_policy", refused("AccessDenied", 403)),
        (aws.SHUT, "update_access_key", QUOTA),
    ],
)
def test_no_other_refusal_leads_to_a_boundary(
    still: Still, steps: tuple[aws.Step, ...], method: str, fault: ClientError
) -> None:
    writer, scripted = writing(answers={method: fault})
    with pytest.raises(AwsFailure, match=fault.response["Error"]["Code"]):
        writer.run(steps, ADA)
    assert scripted.sent[-1][0] == method
