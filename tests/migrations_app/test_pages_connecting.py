"""The pages on which an admin connects an account, and on which anybody sees how it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.state import Account as AwsAccount
from inventory import clock
from inventory.models import AccessTest, Account, Connection, Person, Role, Sync
from migrations_app import connecting
from migrations_app.models import Notice
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of
from tests.migrations_app.prospect import PRODUCT, STAGING, WANTED, WITH_CHANGES, connected, passed

pytestmark = pytest.mark.django_db

TYPED = {
    "account_id": "2109 8765 4321",
    "name": "staging",
    "time_zone": "Europe/Berlin",
    "regions": "us-east-1, eu-west-1",
    "role_prefix": "IamCleanup",
    "changes": "",
}
NEW = "/settings/connect/"
PAGE = f"/settings/connect/{STAGING}/"
TEST = f"/settings/accounts/{STAGING}/test/"


def test_without_an_account_the_overview_says_how_to_begin(db: None) -> None:
    ada, vera = cast.person("ada", "", [Role.ADMIN]), cast.person("vera", "", [Role.VIEWER])
    said = "Read-only. The first sync takes about 3 minutes for 200 users and changes nothing."
    page = text_of(browser(ada).get("/"))
    assert said in page
    assert f'href="{NEW}"' in page
    page = text_of(browser(vera).get("/"))
    assert said in page
    assert NEW not in page


def test_what_is_typed_leads_to_the_roles_of_that_account(staging: AwsAccount, ada: Person) -> None:
    answer = browser(ada).post(NEW, TYPED)
    assert answer.status_code == 302
    assert answer["Location"] == PAGE
    row = Connection.objects.get()
    assert (row.account_id, row.regions) == (STAGING, ["eu-west-1", "us-east-1"])
    page = text_of(browser(ada).get(PAGE))
    assert row.external_id in page
    assert PRODUCT in page
    assert "AWS::IAM::Role" in page
    assert "aws_iam_role" in page
    assert "DeleterRole" not in page


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("account_id", "12345", "12 digits"),
        ("account_id", "١٢٣٤٥٦٧٨٩٠١٢", "12 digits"),
        ("name", "", "what people call"),
        ("name", "stag\u202eing", "turns the writing round (U+202E)"),
        ("time_zone", "Mars/Olympus", "is no time zone"),
        ("time_zone", "../../etc/passwd", "is no time zone"),
        ("regions", "us-east-1 <b>", "is no Region"),
        ("role_prefix", "Iam Cleanup", "letters, digits"),
    ],
)
def test_what_does_not_hold_is_named_at_its_field(
    staging: AwsAccount, ada: Person, field: str, typed: str, said: str
) -> None:
    answer = browser(ada).post(NEW, {**TYPED, field: typed})
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert "<b>" not in text_of(answer).replace("<b>Read-only", "").replace("<b>Prepare", "")
    assert not Connection.objects.exists()


def test_an_account_that_is_connected_already_is_refused_with_what_to_do(
    staging: AwsAccount, ada: Person
) -> None:
    answer = browser(ada).post(NEW, {**TYPED, "account_id": cast.ACCOUNT_ID, "name": "again"})
    assert answer.status_code == 422
    assert "is connected already" in text_of(answer)


def test_a_hostile_name_is_text_on_the_page_and_in_the_files(
    staging: AwsAccount, ada: Person
) -> None:
    name = '<script>alert(1)</script>${file("x")}'
    browser(ada).post(NEW, {**TYPED, "name": name})
    page = text_of(browser(ada).get(PAGE))
    assert "<script>alert(1)" not in page
    terraform = text_of(browser(ada).get(f"{PAGE}files/iam-cleanup.tf"))
    assert terraform.count("${file(") == terraform.count("# Roles of IAM Cleanup") == 1


def test_the_files_are_downloaded_and_others_are_not_there(
    staging: AwsAccount, ada: Person
) -> None:
    connecting.prepare(WANTED, ada)
    answer = browser(ada).get(f"{PAGE}files/cloudformation.json")
    assert answer["Content-Disposition"].endswith(f'"{STAGING}-cloudformation.json"')
    assert answer.json()["AWSTemplateFormatVersion"] == "2010-09-09"
    assert browser(ada).get(f"{PAGE}files/passwd").status_code == 404


def test_while_nobody_can_say_who_the_workers_are_there_is_no_file(ada: Person) -> None:
    connecting.prepare(WANTED, ada)
    page = browser(ada).get(PAGE)
    assert "Start the read worker" in text_of(page)
    assert browser(ada).get(f"{PAGE}files/iam-cleanup.tf").status_code == 404


def test_a_test_is_polled_to_its_end(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    asked = browser(ada).post(TEST)
    assert asked["Location"] == f"{PAGE}#access"
    page = text_of(browser(ada).get(PAGE))
    assert 'hx-trigger="every 2s"' in page
    assert "The test is not over yet." in page
    part = browser(ada).get(TEST, headers=HTMX)
    assert part.status_code == 200
    assert "iam:GetLoginProfile" in text_of(part)
    assert "<h1" not in text_of(part)
    passed(row, ada)
    over = browser(ada).get(TEST, headers=HTMX)
    assert (over.status_code, over["HX-Refresh"]) == (286, "true")
    page = text_of(browser(ada).get(PAGE))
    assert "Test again" in page
    assert "every 2s" not in page


def test_what_is_missing_stands_there_with_the_words_of_aws_and_what_to_do(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    test = passed(row, ada)
    test.checks[3].update(status="failed", said="<i>no</i>", advice="Update the stack.")
    test.save()
    page = text_of(browser(ada).get(PAGE))
    assert "&lt;i&gt;no&lt;/i&gt;" in page
    assert "Update the stack." in page
    assert f"{PAGE}start/" not in page
    assert "lacks something" in page


def test_a_test_that_passed_and_is_old_is_to_be_made_again(
    staging: AwsAccount, ada: Person
) -> None:
    row = connecting.prepare(WANTED, ada)
    test = passed(row, ada)
    test.checks[-1].update(status="untried", said="There is no EKS cluster.")
    test.finished_at = clock.now() - timedelta(days=6)
    test.save()
    page = text_of(browser(ada).get(PAGE))
    assert "Test it again before connecting." in page
    assert "6 days ago" in page
    assert "lacks something" not in page
    assert f"{len(test.checks) - 1} as they should be, 1 could not be tried" in page


def test_a_test_that_nobody_took_says_that_it_waits(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WANTED, ada)
    test = connecting.ask_test(row.account(), ada)
    assert "Waits for a worker." in text_of(browser(ada).get(PAGE))
    test.status = "running"
    test.save()
    assert "Waits for a worker." not in text_of(browser(ada).get(PAGE))


def test_connecting_leads_to_the_first_sync_and_its_asker_is_told_of_the_end(
    staging: AwsAccount, ada: Person
) -> None:
    passed(connecting.prepare(WANTED, ada), ada)
    answer = browser(ada).post(f"{PAGE}start/")
    assert answer["Location"] == f"/syncs/{STAGING}/"
    page = text_of(browser(ada).get(answer["Location"]))
    assert "We tell you when it is done." in page
    assert "Waits for a read worker" in page
    ended("failed", "AssumeRole: AccessDenied: not authorized")
    ended("whole", "")
    titles = Notice.objects.filter(person=ada).values_list("title", flat=True)
    assert set(titles) == {"staging could not be read", "staging was read for the first time"}
    ended("whole", "")
    assert Notice.objects.filter(person=ada).count() == 2


def ended(status: str, error: str) -> None:
    """A sync that the admin asked for ends so."""
    from inventory import refresh
    from inventory.refresh.run import claim

    account, ada = Account.objects.get(account_id=STAGING), Person.objects.get(username="ada")
    run = claim(refresh.ask_sync(account, ada).pk)
    assert run is not None
    run.end(Sync.Status(status), error)


def test_nobody_is_promised_what_they_did_not_ask_for(
    staging: AwsAccount, everybody: cast.Cast
) -> None:
    connected(staging, everybody.ada)
    page = text_of(browser(everybody.vera).get(f"/syncs/{STAGING}/"))
    assert "You can leave this page." in page
    assert "We tell you" not in page


def test_a_connected_account_shows_the_lines_that_declare_it(
    staging: AwsAccount, ada: Person
) -> None:
    connected(staging, ada, WITH_CHANGES)
    page = text_of(browser(ada).get(PAGE))
    assert "IamCleanupDeleter" in page
    assert "- id: &quot;210987654321&quot;" in page
    page = text_of(browser(ada).get(f"/settings/accounts/{STAGING}/"))
    assert "It is read, and nothing more." in page
    assert "connected in the browser by Ada Berg" in page


def test_an_account_is_disconnected_in_the_browser(staging: AwsAccount, ada: Person) -> None:
    connected(staging, ada)
    browser(ada).post(f"/settings/accounts/{STAGING}/disconnect/")
    assert not Account.objects.get(account_id=STAGING).active
    assert "staging" in text_of(browser(ada).get(NEW))


# --- The list ---------------------------------------------------------------------------------


def row_of(page: str, name: str) -> str:
    """The line of one account in the list."""
    found = [one for one in page.split("<tr>") if f">{name}" in one and 'scope="row"' in one]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def with_roles(everybody: cast.Cast) -> Account:
    """`production` with its roles, read an hour ago."""
    account = everybody.account
    role = f"arn:aws:iam::{account.account_id}:role/IamCleanup"
    account.reader_role, account.actor_role = f"{role}Reader", f"{role}Actor"
    account.deleter_role, account.external_id = f"{role}Deleter", "ic-1"
    account.save()
    at = clock.now() - timedelta(hours=1)
    Sync.objects.create(
        account=account, asked_at=at, started_at=at, finished_at=at, status="whole", steps=[]
    )
    return account


def test_the_list_says_whether_each_role_works(with_roles: Account, ada: Person) -> None:
    jonas = Person.objects.get(username="jonas")
    page = browser(jonas).get("/settings/accounts/")
    assert "Not tested" in row_of(text_of(page), "production")
    test = connecting.ask_test(with_roles, ada)
    for check in test.checks:
        check["status"] = "done"
    test.status, test.finished_at = AccessTest.Status.DONE, clock.now()
    test.save()
    shown = row_of(text_of(browser(jonas).get("/settings/accounts/")), "production")
    assert shown.count("Works") == 2
    assert "Open" in shown
    last: Any = test.checks[-1]
    last.update(status="failed", said="AssumeRole: AccessDenied: no (request 1)")
    test.save()
    shown = row_of(text_of(browser(jonas).get("/settings/accounts/")), "production")
    assert "AccessDenied" in shown
    assert "Fix" in shown


def test_the_last_syncs_of_an_account_are_the_last_ones(with_roles: Account, ada: Person) -> None:
    for number in range(12):
        at = clock.now() - timedelta(days=number)
        Sync.objects.create(
            account=with_roles, asked_at=at, status="failed", error=f"no. {number}."
        )
    page = text_of(browser(ada).get(f"/settings/accounts/{with_roles.account_id}/"))
    assert page.index("no. 0.") < page.index("no. 1.")
    assert "no. 11." not in page


def test_a_failed_sync_shows_the_code_of_aws_and_since_when(with_roles: Account) -> None:
    Sync.objects.create(
        account=with_roles,
        asked_at=clock.now(),
        finished_at=clock.now(),
        status="failed",
        error="AssumeRole: AccessDenied: not authorized",
    )
    jonas = Person.objects.get(username="jonas")
    shown = row_of(text_of(browser(jonas).get("/settings/accounts/")), "production")
    assert "AccessDenied" in shown
    assert "failed " in shown
    assert "last read whole" in shown
    assert "Connect account" not in text_of(browser(jonas).get("/settings/accounts/"))


def test_the_list_asks_no_more_for_many_accounts(with_roles: Account, ada: Person) -> None:
    client = browser(ada)
    client.get("/settings/accounts/")
    for number in range(30):
        cast.account(f"{number:012d}", f"account-{number}")
    with at_most(16):
        client.get("/settings/accounts/")
