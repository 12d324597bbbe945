"""`organization apply`: idempotent, all or nothing, and loosening only by two people."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from inventory.models import Account, LedgerEntry, Organization, Person, Role, Team
from inventory.organization import BadDocument
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.declared import declare
from migrations_app.lifecycle import State
from migrations_app.models import Batch, PendingDeclaration
from tests import cast

pytestmark = pytest.mark.django_db

BASE = """\
accounts:
  - id: "123456789012"
    name: production
    external_id: env:PRODUCTION_EXTERNAL_ID
    protected:
      - {user: scanner, kind: exempt, reason: vendor, owner: payments, until: 2036-06-30}
break_glass: {account: "123456789012", user: break-glass}
policy: {soak: 14d}
custodian: security
teams:
  - {key: payments, lead: sara}
  - {key: security, lead: jonas}
people:
  - {username: sara, name: Sara, email: sara@acme.example, roles: [lead], teams: [payments]}
  - {username: jonas, name: Jonas Weber, email: jonas@acme.example, roles: [engineer, approver]}
  - {username: mei, name: Mei Tanaka, email: mei@acme.example, roles: [engineer, approver]}
  - {username: vera, email: vera@acme.example, roles: [viewer]}
  - {username: ada, email: ada@acme.example, roles: [admin]}
"""


def edited(*pairs: tuple[str, str]) -> str:
    text = BASE
    for before, after in pairs:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


LOOSER = edited(("soak: 14d", "soak: 7d"))


@pytest.fixture
def _applied() -> None:
    declare.apply(BASE)


def person(username: str) -> Person:
    return Person.objects.get(username=username)


def soak() -> str:
    return str(Organization.get().policy["soak"])


def test_the_first_apply_on_an_empty_database_is_direct() -> None:
    outcome = declare.apply(BASE)
    assert outcome.applied
    assert person("ada").roles == [Role.ADMIN]
    assert Team.objects.get(key="payments").lead == person("sara")
    assert Account.objects.get().external_id == "env:PRODUCTION_EXTERNAL_ID"
    assert [*Account.objects.get().protected_entries.values_list("user_name", flat=True)] == [
        "scanner",
        "break-glass",
    ]


def test_nobody_gets_a_password_by_being_declared() -> None:
    declare.apply(BASE)
    assert not person("ada").has_usable_password()


@pytest.mark.usefixtures("_applied")
def test_the_second_apply_finds_nothing_to_change() -> None:
    before = LedgerEntry.objects.count()
    outcome = declare.apply(BASE)
    assert outcome.lines() == ["Nothing to change."]
    assert LedgerEntry.objects.count() == before


@pytest.mark.usefixtures("_applied")
def test_a_new_comment_moves_the_lines_and_changes_nothing_else() -> None:
    declare.apply("# a comment\n" + BASE)
    assert Organization.get().document.startswith("# a comment")
    assert LedgerEntry.objects.filter(kind="organization.applied").count() == 1


def test_a_dry_run_says_everything_and_changes_nothing() -> None:
    outcome = declare.apply(BASE, dry_run=True)
    assert "Account production (123456789012): added" in outcome.difference.changes
    assert not Account.objects.exists()
    assert not Organization.objects.exists()


def test_a_broken_file_names_its_lines_and_changes_nothing() -> None:
    with pytest.raises(BadDocument, match="Line 8"):
        declare.apply(BASE.replace("soak", "soka"))
    assert not Account.objects.exists()


@pytest.mark.usefixtures("_applied")
def test_the_ledger_names_no_person() -> None:
    declare.apply(edited(("roles: [viewer]", "roles: [engineer]"), ("lead: sara", "lead: mei")))
    written = json.dumps([*LedgerEntry.objects.values_list("data", flat=True)])
    for name in ("sara", "Sara", "vera", "mei", "Mei"):
        assert name not in written


@pytest.mark.usefixtures("_applied")
def test_what_tightens_applies_at_once() -> None:
    assert declare.apply(edited(("soak: 14d", "soak: 21d"))).applied
    assert soak() == "21d"


@pytest.mark.usefixtures("_applied")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("soak: 14d", "soak: 7d"),
        ("soak: 14d", "watch: 0d"),
        ("user: scanner", "user: other"),
        ("roles: [viewer]", "roles: [approver]"),
        ("roles: [viewer]", "roles: [admin]"),
        ("user: break-glass}", "user: somebody}"),
    ],
)
def test_what_loosens_waits_and_nothing_of_the_file_is_in_force(before: str, after: str) -> None:
    outcome = declare.apply(edited((before, after), ("name: production", "name: prod")))
    assert not outcome.applied
    assert declare.waiting() == outcome.pending
    assert Account.objects.get().name == "production"


@pytest.mark.usefixtures("_applied")
def test_another_approver_confirms_and_it_applies() -> None:
    pending = declare.apply(LOOSER, person("jonas")).pending
    assert pending is not None
    declare.confirm(pending, person("mei"))
    assert soak() == "7d"
    assert declare.waiting() is None


@pytest.mark.usefixtures("_applied")
def test_an_admin_confirms_too() -> None:
    pending = declare.apply(LOOSER, person("jonas")).pending
    assert pending is not None
    declare.confirm(pending, person("ada"))
    assert soak() == "7d"


@pytest.mark.usefixtures("_applied")
@pytest.mark.parametrize("username", ["jonas", "sara", "vera"])
def test_neither_the_asker_nor_somebody_without_the_role_confirms(username: str) -> None:
    pending = declare.apply(LOOSER, person("jonas")).pending
    assert pending is not None
    with pytest.raises(NotAllowed):
        declare.confirm(pending, person(username))
    assert soak() == "14d"


@pytest.mark.usefixtures("_applied")
def test_who_asked_at_the_shell_does_not_confirm_in_the_browser() -> None:
    pending = declare.apply(LOOSER, asked_by="ada").pending
    assert pending is not None
    with pytest.raises(NotAllowed):
        declare.confirm(pending, person("ada"))


@pytest.mark.usefixtures("_applied")
def test_a_rejected_declaration_stays_out_and_cannot_be_confirmed_any_more() -> None:
    pending = declare.apply(LOOSER, person("jonas")).pending
    assert pending is not None
    declare.reject(pending, person("mei"))
    with pytest.raises(Stale):
        declare.confirm(pending, person("ada"))
    assert soak() == "14d"


@pytest.mark.usefixtures("_applied")
def test_a_later_apply_replaces_what_waits() -> None:
    first = declare.apply(LOOSER, person("jonas")).pending
    declare.apply(edited(("soak: 14d", "soak: 21d")))
    assert first is not None
    with pytest.raises(Stale):
        declare.confirm(first, person("mei"))
    assert soak() == "21d"


@pytest.mark.usefixtures("_applied")
def test_the_same_file_applied_twice_waits_once() -> None:
    first, second = (declare.apply(LOOSER, person("jonas")).pending for _ in range(2))
    assert first == second
    assert PendingDeclaration.objects.count() == 1


@pytest.mark.usefixtures("_applied")
def test_confirming_more_than_was_shown_is_refused() -> None:
    pending = declare.apply(LOOSER, person("jonas")).pending
    assert pending is not None
    organization = Organization.get()
    organization.policy = {**organization.policy, "watch": "30d"}
    organization.save()
    with pytest.raises(Stale, match="changed meanwhile"):
        declare.confirm(pending, person("mei"))


@pytest.mark.usefixtures("_applied")
def test_an_account_that_had_a_batch_in_earnest_never_becomes_a_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "AWS_ENDPOINT_URL", "http://127.0.0.1:5000")
    Account.objects.update(batched_for_real=True)
    with pytest.raises(BadDocument, match="never become a sandbox"):
        declare.apply(edited(("name: production", "name: production\n    sandbox: true")))


@pytest.mark.usefixtures("_applied")
def test_a_sandbox_without_a_simulator_is_refused() -> None:
    with pytest.raises(BadDocument, match="AWS_ENDPOINT_URL"):
        declare.apply(edited(("name: production", "name: production\n    sandbox: true")))


PAYMENTS = "  - {key: payments, lead: sara}\n"
SARA = "teams: [payments]}"


def without_payments(instead: str = "") -> str:
    return edited((PAYMENTS, instead), (SARA, "teams: []}"), ("owner: payments", "owner: security"))


@pytest.mark.usefixtures("_applied")
def test_a_team_that_owns_users_does_not_leave_without_a_successor() -> None:
    cast.departure("deploy-prod", State.OWNER_ASSIGNED, Team.objects.get(key="payments"))
    with pytest.raises(Refused, match="owns 1 users"):
        declare.apply(without_payments())
    assert Team.objects.get(key="payments").active


@pytest.mark.usefixtures("_applied")
def test_a_successor_takes_over_the_users_of_a_leaving_team() -> None:
    owned = cast.departure("deploy-prod", State.OWNER_ASSIGNED, Team.objects.get(key="payments"))
    text = without_payments("  - {key: payments, successor: security}\n")
    assert declare.apply(text).applied
    owned.refresh_from_db()
    assert owned.owner == Team.objects.get(key="security")
    assert not Team.objects.get(key="payments").active
    assert declare.apply(text).lines() == ["Nothing to change."]


@pytest.mark.usefixtures("_applied")
def test_a_team_that_owns_nobody_leaves_quietly() -> None:
    assert declare.apply(without_payments()).applied
    assert not Team.objects.get(key="payments").active


MEI = (
    "  - {username: mei, name: Mei Tanaka, email: mei@acme.example, roles: [engineer, approver]}\n"
)


@pytest.mark.usefixtures("_applied")
def test_a_person_with_open_requests_does_not_leave_without_a_successor() -> None:
    cast.batch(Account.objects.get(), person("mei"))
    with pytest.raises(Refused, match="1 open requests"):
        declare.apply(edited((MEI, "")))
    assert person("mei").is_active


@pytest.mark.usefixtures("_applied")
def test_a_successor_takes_over_open_requests() -> None:
    batch = cast.batch(Account.objects.get(), person("mei"))
    declare.apply(edited((MEI, "  - {username: mei, successor: jonas}\n")))
    batch.refresh_from_db()
    assert batch.composed_by == person("jonas")
    assert not person("mei").is_active


@pytest.mark.usefixtures("_applied")
def test_only_an_engineer_takes_over_requests() -> None:
    cast.batch(Account.objects.get(), person("mei"))
    with pytest.raises(Refused, match="must be an engineer"):
        declare.apply(edited((MEI, "  - {username: mei, successor: vera}\n")))


@pytest.mark.usefixtures("_applied")
def test_whoever_leaves_loses_every_role_and_the_row_stays() -> None:
    declare.apply(edited((MEI, "")))
    assert (person("mei").is_active, person("mei").roles) == (False, [])


@pytest.mark.usefixtures("_applied")
def test_an_account_with_users_switched_off_does_not_leave() -> None:
    cast.departure("deploy-prod", State.SOAKING)
    text = BASE.replace('"123456789012"', '"210987654321"')
    with pytest.raises(Refused, match="1 users switched off"):
        declare.apply(text)


@pytest.mark.usefixtures("_applied")
def test_e_mail_addresses_can_change_hands() -> None:
    text = edited(
        ("email: vera@acme.example", "email: x@acme.example"),
        ("email: sara@acme.example", "email: vera@acme.example"),
    )
    assert declare.apply(text).applied
    assert person("sara").email == "vera@acme.example"


def test_a_declared_user_is_protected_as_soon_as_it_is_seen() -> None:
    departure = cast.departure("Break-Glass")
    declare.apply(BASE)
    departure.refresh_from_db()
    assert departure.protection == "break-glass"


def test_a_confirmed_removal_ends_the_protection() -> None:
    departure = cast.departure("scanner")
    declare.apply(BASE)
    pending = declare.apply(edited(("user: scanner", "user: other")), person("jonas")).pending
    assert pending is not None
    declare.confirm(pending, person("mei"))
    departure.refresh_from_db()
    assert departure.protection == ""


def test_a_longer_protection_reaches_the_user() -> None:
    departure = cast.departure("scanner")
    declare.apply(BASE)
    declare.apply(edited(("until: 2036-06-30", "until: 2037-06-30")))
    departure.refresh_from_db()
    assert str(departure.protection_until) == "2037-06-30"


def test_applying_anew_says_that_a_name_means_who_bears_it_now() -> None:
    cast.departure("scanner")
    declare.apply(BASE)
    account = Account.objects.get()
    old = account.users.get()
    old.user_name = "renamed"
    old.save()
    new = cast.departure("scanner")
    declare.apply(BASE)
    entry = account.protected_entries.get(user_name="scanner")
    assert entry.bound_user_id == new.user.user_id


def command(text: str, tmp_path: Path, *options: str) -> str:
    file = tmp_path / "iamcleanup.yaml"
    file.write_text(text)
    out = io.StringIO()
    call_command("organization", "apply", str(file), *options, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_shows_the_diff_and_applies(tmp_path: Path) -> None:
    assert "Applied." in command(BASE, tmp_path)
    assert command(BASE, tmp_path).startswith("Nothing to change.")


def test_the_command_warns_when_fewer_than_two_can_approve(tmp_path: Path) -> None:
    assert "Fewer than two" in command(BASE.replace(MEI, ""), tmp_path)


def test_the_command_fails_on_a_broken_file_and_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Nothing was changed.\n  Line 8"):
        command(BASE.replace("soak", "soka"), tmp_path)


def test_the_command_fails_on_a_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="Cannot read"):
        call_command("organization", "apply", "/nonexistent.yaml")


@pytest.mark.usefixtures("_applied")
def test_the_command_says_that_a_second_person_is_needed(tmp_path: Path) -> None:
    said = command(LOOSER, tmp_path, "--as", "jonas")
    assert "another approver or admin has to confirm" in said
    assert PendingDeclaration.objects.get().asked_by_person == person("jonas")


def test_a_batch_is_still_asked_by_the_one_who_left_once_it_is_approved() -> None:
    declare.apply(BASE)
    batch = cast.batch(
        Account.objects.get(),
        person("mei"),
        asked_by=person("mei"),
        approved_by=person("jonas"),
        approved_digest="d" * 64,
        status=Batch.Status.APPROVED,
    )
    declare.apply(edited((MEI, "  - {username: mei, successor: jonas}\n")))
    batch.refresh_from_db()
    assert batch.asked_by == person("mei")
