"""`iamcleanup.yaml`: every mistake names its line, and every loosening is seen."""

from __future__ import annotations

from datetime import date

import pytest

from inventory.organization import (
    BadDocument,
    Declaration,
    difference,
    read,
    sandbox_refusal,
    warnings,
)

TODAY = date(2026, 6, 1)
BASE = """\
accounts:
  - id: "123456789012"
    name: production
    time_zone: Europe/Berlin
    actor_role: arn:aws:iam::123456789012:role/Actor
    external_id: env:EXTERNAL_ID
    protected:
      - {user: break-glass, kind: break-glass, reason: sealed}
      - {user: scanner, kind: exempt, reason: vendor, owner: payments, until: 2027-06-30}
break_glass: {account: "123456789012", user: break-glass, runbook: RB-7}
policy:
  soak: 14d
  disable_window: {days: [mon, tue], from: "09:00", to: "16:00"}
  freezes:
    - {from: 2026-12-18, to: 2027-01-04, reason: year end}
custodian: payments
teams:
  - key: payments
    lead: sara
    match: {tags: {team: [pay]}, names: ["^pay-"]}
people:
  - {username: sara, email: sara@acme.example, roles: [lead], teams: [payments]}
  - {username: mei, email: mei@acme.example, roles: [approver]}
  - {username: jonas, email: jonas@acme.example, roles: [engineer, approver]}
sign_in:
  group_roles:
    engineers: {roles: [engineer]}
"""


def edited(before: str, after: str) -> str:
    assert BASE.count(before) == 1, before
    return BASE.replace(before, after)


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadDocument) as raised:
        read(text)
    return list(raised.value.reasons)


def loosened(before: str, after: str) -> tuple[str, ...]:
    return difference(read(BASE), read(edited(before, after)), TODAY).loosens


def test_a_good_document_is_read() -> None:
    declared = read(BASE)
    assert declared.accounts[0].regions == ()
    assert declared.accounts[0].external_id == "env:EXTERNAL_ID"
    assert declared.policy["watch"] == "7d"
    assert declared.teams[0].name == "Payments"
    assert declared.teams[0].line == 18


def test_an_account_needs_no_more_than_id_and_name() -> None:
    declared = read('accounts: [{id: "123456789012", name: production}]')
    assert declared.accounts[0].write_rate == 10
    assert declared.policy["batch_size"] == 20


def test_the_break_glass_user_is_protected_even_if_its_account_forgets_it() -> None:
    text = edited("      - {user: break-glass, kind: break-glass, reason: sealed}\n", "")
    protected = read(text).accounts[0].protected
    assert [entry.kind for entry in protected if entry.user == "break-glass"] == ["break-glass"]


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("soak: 14d", "soka: 14d", 12, "“soka” is not known in the policy"),
        ("soak: 14d", "soak: 14", 12, "must be a text"),
        ("soak: 14d", "soak: fortnight", 12, "no duration"),
        ("soak: 14d", "soak: 5h", 12, "only a sandbox"),
        ("soak: 14d", "soak: 0d", 12, "only a sandbox"),
        ("soak: 14d", "soak: 14d\n  soak: 15d", 13, "stands twice, first in line 12"),
        ("soak: 14d", "batch_size: 21", 12, "from 1 to 20"),
        ("soak: 14d", "batch_size: 0", 12, "from 1 to 20"),
        ("soak: 14d", "delete_window: always", 12, "Only a sandbox"),
        ("soak: 14d", "by_category: {robots: {soak: 20d}}", 12, "“robots” is not known"),
        ("days: [mon, tue]", "days: [mon, moon]", 13, "“moon” is no day"),
        ('from: "09:00"', 'from: "9 am"', 13, "no time of day"),
        ("to: 2027-01-04", "to: 2026-01-04", 15, "ends before it starts"),
        ("to: 2027-01-04", "to: 2027-13-04", 15, "no date"),
        ('id: "123456789012"', "id: 123456789012", 2, "put it in quotes"),
        ('id: "123456789012"', 'id: "1234"', 2, "no account id"),
        ("Europe/Berlin", "Europe/Atlantis", 4, "no time zone"),
        ("Europe/Berlin", "../../etc/passwd", 4, "no time zone"),
        ("::123456789012:role", "::210987654321:role", 5, "is a role of 210987654321"),
        (
            "arn:aws:iam::123456789012:role/Actor",
            "arn:aws:iam::123456789012:user/x",
            5,
            "no ARN of an IAM role",
        ),
        ("kind: exempt", "kind: friend", 9, "no kind of protection"),
        ("owner: payments", "owner: nobody", 9, "no team “nobody”"),
        ("until: 2027-06-30", "until: soon", 9, "no date"),
        ("user: scanner", "user: break-GLASS", 9, "stands twice"),
        (
            'break_glass: {account: "123456789012"',
            'break_glass: {account: "210987654321"',
            10,
            "no account",
        ),
        ("custodian: payments", "custodian: nobody", 16, "no team “nobody”"),
        ("lead: sara", "lead: nobody", 18, "no person “nobody”"),
        ("lead: sara", "lead: sara\n    slak: x", 20, "“slak” is not known in a team"),
        ('["^pay-"]', '["^(pay-"]', 20, "no regular expression"),
        ("teams: [payments]", "teams: [nobody]", 22, "no team “nobody”"),
        ("roles: [lead]", "roles: [boss]", 22, "no role"),
        ("email: sara@acme.example", "email: sara", 22, "no e-mail address"),
        ("email: mei@acme.example", "email: SARA@acme.example", 23, "stands twice"),
        ("username: mei", "username: Sara", 23, "stands twice"),
        ("name: production", "name: production\n    sandbox: maybe", 4, "true or false"),
        ("name: production", "name: production\n    regions: [Frankfurt]", 4, "no Region"),
        ("name: production", "name: production\n    regions: []", 4, "at least one Region"),
        ("name: production", "name: production\n    write_rate: fast", 4, "whole number"),
        (
            "name: production",
            'name: production\n    dashboards: [{name: x, url: "javascript:alert(1)"}]',
            4,
            "no web address",
        ),
        (
            "name: production",
            "name: production\n    trail_archive: {s3: acme-cloudtrail}",
            4,
            "no S3 address like s3://bucket/prefix",
        ),
        (
            "name: production",
            "name: production\n    trail_archive: {s3: s3://acme/AWSLogs/210987654321/CloudTrail/}",
            4,
            "logs of 210987654321, not of 123456789012",
        ),
        (
            "name: production",
            "name: production\n    trail_archive: {s3: s3://acme/AWSLogs/o-acme}",
            4,
            "not with ACCOUNT/CloudTrail",
        ),
        (
            "name: production",
            'name: production\n    trail_archive: {lake: "arn:aws:cloudtrail:us-east-1:1:x"}',
            4,
            "no ARN of an event data store",
        ),
        ("name: production", "name: production\n    trail_archive: {}", 4, "s3 or lake, one of"),
        (
            "name: production",
            "name: production\n    trail_archive: {s3: s3://acme, lake: arn}",
            4,
            "s3 or lake, not both",
        ),
        ("name: production", "name: !!python/object/apply:os.system [x]", 3, "bears a tag"),
        ("name: production", 'name: "pro\\u202eduction"', 3, "(U+202E)"),
        ("{roles: [engineer]}", "{roles: [engineer], teams: [nobody]}", 27, "no team “nobody”"),
        ("engineers: {", f"{'g' * 256}: {{", 27, "255 characters at most"),
    ],
)
def test_a_mistake_names_its_line(before: str, after: str, line: int, says: str) -> None:
    found = mistakes(edited(before, after))
    assert any(reason.startswith(f"Line {line}: ") and says in reason for reason in found), found


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    text = edited("soak: 14d", "soka: 14d").replace("custodian: payments", "custodian: nobody")
    lines = [int(reason.split(":")[0].removeprefix("Line ")) for reason in mistakes(text)]
    assert lines == sorted(lines)
    assert {12, 16} <= set(lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("- accounts", 1),
        ("accounts: [", 1),
        ("accounts:\n  - id: *unknown", 2),
        ("accounts: []\n---\nmore: 1", 2),
        ("accounts:\n\n  - name: \x07", 3),
        ("[" * 5000, 1),
    ],
)
def test_what_is_no_such_document_names_a_line_too(text: str, line: int) -> None:
    assert mistakes(text)[0].startswith(f"Line {line}: ")


@pytest.mark.parametrize(
    ("endpoint", "allowed", "earnest", "refused"),
    [
        ("", [], False, True),
        ("http://127.0.0.1:5000", [], False, False),
        ("", ["123456789012"], False, False),
        ("", ["210987654321"], False, True),
        ("http://127.0.0.1:5000", ["123456789012"], True, True),
    ],
)
def test_a_sandbox_is_accepted_only_where_it_cannot_hurt(
    endpoint: str, allowed: list[str], earnest: bool, refused: bool
) -> None:
    refusal = sandbox_refusal(
        "123456789012", endpoint=endpoint, allowed=allowed, batched_for_real=earnest
    )
    assert bool(refusal) is refused


def test_a_refused_sandbox_names_its_line() -> None:
    text = edited("name: production", "name: production\n    sandbox: true")
    with pytest.raises(BadDocument, match="Line 4: not here"):
        read(text, refuse_sandbox=lambda _: "not here")


def test_a_sandbox_may_be_quick_and_always_open() -> None:
    text = edited(
        "name: production",
        "name: production\n    sandbox: true\n"
        "    policy: {watch: 20s, soak: 30s, notice: 0s, delete_window: always}",
    )
    assert read(text).accounts[0].policy["soak"] == "30s"


def test_an_account_in_earnest_cannot_borrow_play_from_the_organizations_policy() -> None:
    text = edited("soak: 14d", "soak: 30s").replace(
        "accounts:\n", 'accounts:\n  - {id: "210987654321", name: play, sandbox: true}\n'
    )
    assert any("only a sandbox" in reason for reason in mistakes(text))


def test_nothing_changes_when_nothing_differs() -> None:
    assert not difference(read(BASE), read(BASE.replace("14d", "336h")), TODAY)


def test_every_difference_is_said_in_a_sentence() -> None:
    after = edited("soak: 14d", "soak: 21d").replace("name: production", "name: prod")
    found = difference(read(BASE), read(after), TODAY)
    assert found.changes == (
        "Account prod: name production → prod",
        "Policy: soak 14d → 21d",
    )
    assert found.loosens == ()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("soak: 14d", "soak: 13d", "soak becomes shorter"),
        ("soak: 14d", "watch: 0d", "watch becomes shorter"),
        ("soak: 14d", "evidence_max_age: 48h", "evidence_max_age becomes longer"),
        ("days: [mon, tue]", "days: [mon, tue, wed]", "disable_window becomes wider"),
        ("days: [mon, tue]", "days: [mon, wed]", "disable_window becomes wider"),
        ('to: "16:00"', 'to: "16:01"', "disable_window becomes wider"),
        ("to: 2027-01-04", "to: 2027-01-03", "no longer frozen"),
        ("Europe/Berlin", "Asia/Tokyo", "windows move"),
        (
            "user: scanner, kind: exempt, reason: vendor, owner: payments",
            "user: other, kind: exempt, reason: vendor, owner: payments",
            "scanner loses its protection",
        ),
        ("until: 2027-06-30", "until: 2027-06-29", "ends earlier"),
        ("user: break-glass, runbook", "user: other, runbook", "no longer the organization's"),
        ("name: production", "name: production\n    sandbox: true", "becomes a sandbox"),
        ("roles: [lead]", "roles: [lead, admin]", "becomes admin"),
        ("roles: [lead]", "roles: [approver]", "becomes approver"),
        ("email: mei@acme.example", "email: m@evil.example", "e-mail address of mei"),
        (
            "engineers: {roles: [engineer]}",
            "engineers: {roles: [approver]}",
            "Everybody in the group",
        ),
    ],
)
def test_what_loosens_is_seen(before: str, after: str, says: str) -> None:
    assert any(says in sentence for sentence in loosened(before, after)), loosened(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("soak: 14d", "soak: 15d"),
        ("soak: 14d", "evidence_max_age: 12h"),
        ("soak: 14d", "batch_size: 5"),
        ("days: [mon, tue]", "days: [mon]"),
        ("to: 2027-01-04", "to: 2027-01-05"),
        ("until: 2027-06-30", "until: 2027-07-30"),
        ("roles: [engineer, approver]", "roles: [engineer]"),
        ("roles: [lead]", "roles: [engineer]"),
        ("reason: vendor", "reason: another reason"),
    ],
)
def test_what_tightens_or_only_differs_does_not_loosen(before: str, after: str) -> None:
    assert loosened(before, after) == ()


def test_taking_an_override_away_loosens_where_it_held() -> None:
    strict = read(edited("name: production", "name: production\n    policy: {soak: 30d}"))
    found = difference(strict, read(BASE), TODAY)
    assert found.loosens == ("soak becomes shorter: 30 days → 14 days. In production.",)


def test_a_freeze_that_is_past_may_be_taken_out() -> None:
    after = edited("    - {from: 2026-12-18, to: 2027-01-04, reason: year end}\n", "    []\n")
    assert difference(read(BASE), read(after), date(2027, 2, 1)).loosens == ()


def test_sentences_about_people_are_known_as_such() -> None:
    found = difference(read(BASE), read(edited("roles: [lead]", "roles: [admin]")), TODAY)
    assert set(found.changes) | set(found.loosens) <= found.personal


def test_one_approver_is_not_enough() -> None:
    text = edited("roles: [engineer, approver]", "roles: [engineer]")
    assert any("Fewer than two" in warning for warning in warnings(read(text)))
    assert not any("Fewer than two" in warning for warning in warnings(read(BASE)))


def test_a_missing_break_glass_user_and_a_team_nobody_can_tell_are_warned_of() -> None:
    warned = " ".join(warnings(Declaration()))
    assert "No break-glass user" in warned
    silent = edited("    lead: sara\n", "").replace("teams: [payments]}", "teams: []}")
    assert any("neither lead nor channel" in one for one in warnings(read(silent)))


def test_identity_center_is_read_in_a_declared_account() -> None:
    where = 'identity_center: {account: "%s", region: eu-central-1}\n'
    declared = read(BASE + where % "123456789012")
    assert declared.identity_center == {"account": "123456789012", "region": "eu-central-1"}
    [line] = mistakes(BASE + where % "999999999999")
    assert "There is no account 999999999999." in line
