"""The pages of plans: numbers and filters, who sees files, choices, ZIPs and what changed since."""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import IamUser, LedgerEntry, PolicyText
from inventory.templatetags.times import day_text
from migrations_app import changes
from migrations_app.changes import plans
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Departure, Plan, PlanAccess
from migrations_app.replacement import plan_drafts, plan_list
from tests import cast
from tests.migrations_app.browsing import HTMX, address, browser, text_of

pytestmark = pytest.mark.django_db
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def planned(
    everybody: cast.Cast, name: str = "deploy-prod", target: str = "github-oidc", **columns: Any
) -> Plan:
    """A plan for an administrator of Payments that is in use and calls ECS."""
    PolicyText.objects.get_or_create(
        account=everybody.account, arn=ADMIN, name="AdministratorAccess",
        defaults={"document": EVERYTHING},
    )  # fmt: skip
    user = cast.iam_user(
        name,
        verdict="active",
        privilege="admin",
        attached_policies=[ADMIN],
        tags={"repository": "acme/shop"},
        last_activity_at=clock.now() - timedelta(days=7, hours=1),
    )
    cast.activity(user, (clock.now() - timedelta(days=8)).date(), service="ecs",
                  action="UpdateService")  # fmt: skip
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments, answer="needed")
    return cast.plan(row, target, **columns)


def seen_in_use(plan: Plan, count: int = 3) -> Plan:
    now = clock.now()
    PlanAccess.objects.create(plan=plan, day=now.date(), count=count, first_at=now, last_at=now)
    plan.seen = {
        "role": "github-deploy-prod",
        "who": "repo:acme/shop:ref:refs/heads/main",
        "session": "run-881",
        "first_at": now.isoformat(),
        "last_at": now.isoformat(),
        "count": count,
    }
    plan.status, plan.tested_at = Plan.Status.TESTED, now
    plan.save()
    return plan


def unzipped(answer: Any) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as held:
        assert held.testzip() is None
        return {name: held.read(name).decode() for name in held.namelist()}


# ── The list ─────────────────────────────────────────────────────────────────────────────────────


def test_the_list_says_how_many_are_where_and_tiles_filter(everybody: cast.Cast) -> None:
    planned(everybody, "a")
    seen_in_use(planned(everybody, "b"))
    planned(everybody, "c", "eks", status=Plan.Status.CONFIRMED, confirmed_at=clock.now())
    planned(everybody, "d", "identity-center", held_reason="The group was re-created.")

    page = text_of(browser(everybody.vera).get("/plans/"))
    eks = text_of(browser(everybody.vera).get("/plans/?target=eks"))

    assert "4 users need a new way in" in page
    assert "1 confirmed, 1 tested, 1 in draft, 1 on hold." in page
    assert "The group was re-created." in page
    assert ">c</a>" in eks
    assert ">a</a>" not in eks


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=draft", {"a"}),
        ("status=tested", {"b"}),
        ("status=on-hold", {"d"}),
        ("q=B", {"b"}),
        ("team=platform", set()),
        ("team=payments&target=identity-center", {"d"}),
        ("target=nonsense&status=nonsense", {"a", "b", "d"}),
        ("after=0~3~zz~1", set()),
        ("after=x", {"a", "b", "d"}),
    ],
)
def test_filters_narrow_the_list(everybody: cast.Cast, query: str, names: set[str]) -> None:
    planned(everybody, "a")
    seen_in_use(planned(everybody, "b"))
    planned(everybody, "d", "identity-center", held_reason="re-created", status="confirmed")

    page = browser(everybody.vera).get(f"/plans/?{query}")

    assert {row.plan.departure.user.user_name for row in page.context["rows"]} == names


def test_a_row_shows_new_access_and_how_quiet_the_old_credentials_are(
    everybody: cast.Cast,
) -> None:
    plan = seen_in_use(planned(everybody))
    plan_drafts.refresh_figures(everybody.account)
    [row] = browser(everybody.vera).get("/plans/").context["rows"]
    assert (row.name, row.figures) == ("github-deploy-prod", "1 action, was Admin")
    assert sum(row.week) == plan.seen["count"]
    assert row.quiet.words == "7 of 14 d"


def test_who_could_become_admin_is_not_said_to_have_been_one(everybody: cast.Cast) -> None:
    plan = planned(everybody)
    plan.figures = {"used": 2}
    plan.departure.user.privilege = "can-become-admin"
    assert plan_list.figures(plan) == "2 actions, could become admin"


def test_a_draft_counts_no_quiet_days(everybody: cast.Cast) -> None:
    planned(everybody)
    [row] = browser(everybody.vera).get("/plans/").context["rows"]
    assert row.quiet is None


def test_the_list_asks_as_often_for_many_as_for_one(everybody: cast.Cast) -> None:
    client = browser(everybody.jonas)

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/plans/").status_code == 200
        return len(asked)

    seen_in_use(planned(everybody, "first"))
    statements()
    one = statements()
    for number in range(8):
        seen_in_use(planned(everybody, f"u{number}"))
    assert statements() == one <= 10


def test_numbers_of_plans_are_counted_anew_after_the_ledgers_next_entry(
    everybody: cast.Cast,
) -> None:
    first = planned(everybody, "first")
    planned(everybody, "second")

    def targets() -> dict[str, int]:
        found = plan_list.counted("", "")
        return {one.target: one.count for one in plan_list.tiles(found, plan_list.Filters())}

    before = targets()
    plans.choose_way(first, everybody.sara, "eks")

    assert before == {"github-oidc": 2}
    assert targets() == {"github-oidc": 1, "eks": 1}


# ── Who sees what ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("who", "sees"),
    [("sara", True), ("jonas", True), ("ada", True), ("priya", False), ("vera", False)],
)
def test_files_are_for_the_own_team_and_engineers(
    everybody: cast.Cast, who: str, *, sees: bool
) -> None:
    plan, client = planned(everybody), browser(getattr(everybody, who))
    page = text_of(client.get(f"/plans/{plan.pk}/"))
    assert ("ecs:UpdateService" in page) == sees
    assert (client.get(f"/plans/{plan.pk}/download/").status_code == 200) == sees


def test_a_lead_downloads_the_plans_of_the_own_teams_only(everybody: cast.Cast) -> None:
    planned(everybody, "mine")
    planned(everybody, "mine-too", "eks")
    theirs = planned(everybody, "theirs")
    Departure.objects.filter(pk=theirs.departure_id).update(owner=everybody.platform)

    files = unzipped(browser(everybody.sara).get("/plans/download/"))
    everything = unzipped(browser(everybody.jonas).get("/plans/download/"))

    assert not any("theirs" in name for name in files)
    assert any("theirs" in name for name in everything)
    assert "2 replacement plans" in files["README.md"]


def test_files_are_offered_only_to_whom_they_are_handed_out(everybody: cast.Cast) -> None:
    def offered(who: str, query: str = "") -> str:
        page = text_of(browser(getattr(everybody, who)).get(f"/plans/{query}"))
        answers = browser(getattr(everybody, who)).get(f"/plans/download/{query}")
        found = re.search(r'href="/plans/download/[^"]*">.*?</svg>([^<]+)</a>', page)
        assert bool(found) == (answers.status_code == 200)
        return found[1] if found else ""

    theirs = planned(everybody, "theirs")
    Departure.objects.filter(pk=theirs.departure_id).update(owner=everybody.platform)
    assert offered("sara") == ""
    assert offered("vera") == ""
    assert offered("priya") == "Files of your users"
    assert offered("jonas") == "Files of all"
    assert offered("jonas", "?q=theirs") == "Files of these"
    assert offered("jonas", "?q=nobody") == ""

    planned(everybody, "mine", "eks")
    assert offered("sara") == "Files of your users"
    assert offered("sara", "?target=github-oidc") == ""


def test_the_download_follows_the_filter(everybody: cast.Cast) -> None:
    planned(everybody, "pipeline")
    planned(everybody, "cluster", "eks")
    files = unzipped(browser(everybody.jonas).get("/plans/download/?target=eks"))
    assert any("cluster" in name for name in files)
    assert not any("pipeline" in name for name in files)


def test_nothing_to_download_is_said(everybody: cast.Cast) -> None:
    answer = browser(everybody.priya).get("/plans/download/")
    assert answer.status_code == 422
    assert "None of these plans" in text_of(answer)


def test_one_plan_is_a_zip_with_a_readme_under_a_harmless_name(everybody: cast.Cast) -> None:
    plan = planned(everybody, 'a"; b/../c\n.zip')
    answer = browser(everybody.jonas).get(f"/plans/{plan.pk}/download/")
    assert {"README.md", "policy-with-reasons.tf"} <= set(unzipped(answer))
    assert answer["Content-Disposition"] == 'attachment; filename="a-b-..-c-.zip.zip"'


def test_a_name_made_of_markup_stays_text(everybody: cast.Cast) -> None:
    plan = planned(everybody, "<script>alert(1)</script>")
    client = browser(everybody.jonas)
    for path in ("/plans/", f"/plans/{plan.pk}/"):
        assert "<script>alert" not in text_of(client.get(path))


# ── One plan ─────────────────────────────────────────────────────────────────────────────────────


def test_the_sentence_is_computed_from_what_was_seen(everybody: cast.Cast) -> None:
    plan = seen_in_use(planned(everybody), 318)
    page = text_of(browser(everybody.vera).get(f"/plans/{plan.pk}/"))
    assert "New access 318 times, old credentials quiet 7 of 14 days." in page
    assert "How to test" not in page


def test_the_users_page_waits_for_the_old_credentials_to_be_quiet(everybody: cast.Cast) -> None:
    plan = seen_in_use(planned(everybody))
    Plan.objects.update(status=Plan.Status.CONFIRMED, confirmed_at=clock.now())
    user = plan.departure.user

    page = browser(everybody.vera).get(f"/users/{user.account.account_id}/{user.user_id}/")

    assert user.last_activity_at is not None
    quiet_at = user.last_activity_at + timedelta(days=14)
    assert page.context["plan_page"].quiet.over_at == quiet_at
    assert "old credentials quiet 7 of 14 days." in text_of(page)
    assert min(one.at for one in page.context["coming"] if one.at) >= quiet_at


def test_looking_at_a_plan_and_downloading_it_changes_nothing(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.jonas)
    before = Plan.objects.values().get(pk=plan.pk)
    for path in (
        "/plans/",
        f"/plans/{plan.pk}/",
        f"/plans/{plan.pk}/download/",
        "/plans/download/",
    ):
        client.get(path)
    assert Plan.objects.values().get(pk=plan.pk) == before


def test_choices_are_kept_and_the_files_follow_them(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.sara)
    data = {
        "repository": "acme/shop",
        "branches": "main, release/1.x",
        "environments": "prod, Europe West",
    }

    answer = client.post(f"/plans/{plan.pk}/choose/", data)

    assert answer["Location"] == f"/plans/{plan.pk}/"
    files = unzipped(client.get(f"/plans/{plan.pk}/download/"))
    for subject in (
        "ref:refs/heads/main",
        "ref:refs/heads/release/1.x",
        "environment:prod",
        "environment:Europe West",
    ):
        assert f"repo:acme/shop:{subject}" in files["trust-policy.json"]
    assert LedgerEntry.objects.filter(kind="plan.chosen").count() == 1
    client.post(f"/plans/{plan.pk}/choose/", data)
    assert LedgerEntry.objects.filter(kind="plan.chosen").count() == 1


def test_a_workflow_pasted_into_a_browser_gives_a_diff_that_fits_its_file(
    everybody: cast.Cast,
) -> None:
    lines = [
        "on: push", "jobs:", "  deploy:", "    runs-on: x", "    steps:",
        "      - uses: aws-actions/configure-aws-credentials@v4", "        with:",
        "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}",
        "          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}",
        "          aws-region: eu-west-1", "",
    ]  # fmt: skip
    plan, client = planned(everybody), browser(everybody.sara)
    data = {"repository": "acme/shop", "branches": "main", "workflow": "\r\n".join(lines)}
    assert client.post(f"/plans/{plan.pk}/choose/", data).status_code == 302
    files = unzipped(client.get(f"/plans/{plan.pk}/download/"))
    assert "+          role-to-assume: " in files["workflows.diff"]
    assert not [name for name, text in files.items() if "\r" in text]
    # Keeping the same again is no change.
    again = client.get(f"/plans/{plan.pk}/").context["form"]["workflow"].value()
    assert again == "\n".join(lines)


@pytest.mark.parametrize(
    ("target", "data", "words"),
    [
        ("github-oidc", {"repository": "shop"}, "Write owner/name."),
        ("github-oidc", {"repository": "acme/shop\n"}, ""),
        ("github-oidc", {"branches": "ma*in"}, "No such branch can be."),
        ("github-oidc", {"owner_id": "12a"}, "are numbers"),
        ("github-oidc", {"workflow_path": "../../etc/passwd"}, ".github/workflows/"),
        ("eks", {"namespace": "Pay Roll"}, "No such namespace"),
        ("eks", {"issuer": "http://x"}, "begins with https"),
        ("instance-profile", {"instances": "i-0123456789abcdef0; rm"}, "An instance"),
        ("cross-account-role", {"vendor_account": "123"}, "12 digits"),
        ("identity-center", {"permission_set": "x" * 33}, "at most 32"),
        ("secrets-manager", {"reason": "old", "until": "2001-01-01"}, "in the future"),
        ("secrets-manager", {}, "Say until when."),
        ("other", {"place": "moon"}, "moon"),
    ],
)
def test_what_could_not_stand_in_aws_is_refused_at_its_field(
    everybody: cast.Cast, target: str, data: dict[str, str], words: str
) -> None:
    plan = planned(everybody, target=target)
    answer = browser(everybody.sara).post(f"/plans/{plan.pk}/choose/", data)
    if words:
        assert answer.status_code == 422
        assert words in text_of(answer)
        plan.refresh_from_db()
        assert plan.choices == {}
    else:
        assert answer.status_code == 302


@pytest.mark.parametrize("target", ["github-oidc", "identity-center", "other"])
def test_whoever_knows_its_address_gets_the_block_that_lets_go_of_a_user(
    everybody: cast.Cast, target: str
) -> None:
    plan, client = planned(everybody, target=target), browser(everybody.sara)
    address = f"/plans/{plan.pk}/"
    assert "Its address in Terraform" not in text_of(client.get(address))
    sign = {"kind": "declared", "name": "Terraform", "blocks": True}
    IamUser.objects.update(references=[sign])
    assert "Its address in Terraform" in text_of(client.get(address))
    files = unzipped(client.get(f"{address}download/"))
    assert "terraform state list | grep aws_iam_user" in files["TERRAFORM-LETS-GO.md"]
    assert "removed.tf" not in files

    data = {"terraform_address": "module.ci.aws_iam_user.deploy"}
    assert client.post(f"{address}choose/", data).status_code == 302
    files = unzipped(client.get(f"{address}download/"))
    assert "from = module.ci.aws_iam_user.deploy" in files["removed.tf"]
    assert "destroy = false" in files["removed.tf"]
    assert "terraform state rm module.ci.aws_iam_user.deploy" in files["TERRAFORM-LETS-GO.md"]

    # One of many cannot stand in a block: the state command is told instead.
    many = {"terraform_address": 'module.ci["a"].aws_iam_user.all["deploy-bot"]'}
    client.post(f"{address}choose/", many)
    files = unzipped(client.get(f"{address}download/"))
    assert "removed.tf" not in files
    assert "terraform state rm 'module.ci" in files["TERRAFORM-LETS-GO.md"]
    for wrong in ("aws_iam_role.x", "aws_iam_user.x; rm -rf /", 'aws_iam_user.x["${y}"]'):
        answer = client.post(f"{address}choose/", {"terraform_address": wrong})
        assert answer.status_code == 422


def test_an_external_id_is_drawn_once_and_kept(everybody: cast.Cast) -> None:
    plan, client = planned(everybody, target="cross-account-role"), browser(everybody.sara)
    client.post(f"/plans/{plan.pk}/choose/", {"vendor_account": "999988887777"})
    plan.refresh_from_db()
    first = plan.choices["external_id"]
    client.post(f"/plans/{plan.pk}/choose/", {"vendor_account": "999988887776"})
    plan.refresh_from_db()
    assert len(first) >= 24
    assert plan.choices == {"vendor_account": "999988887776", "external_id": first}


def test_another_way_begins_as_a_draft_without_the_choices_before(everybody: cast.Cast) -> None:
    plan = seen_in_use(planned(everybody, choices={"repository": "acme/shop"}))
    browser(everybody.sara).post(f"/plans/{plan.pk}/way/", {"target": "eks"})
    plan.refresh_from_db()
    assert (plan.target, plan.choices, plan.status) == ("eks", {}, Plan.Status.DRAFT)
    assert (plan.seen, plan.tested_at) == ({}, None)
    refused = browser(everybody.sara).post(f"/plans/{plan.pk}/way/", {"target": "moon"})
    assert refused.status_code == 422


def test_the_way_that_is_chosen_is_not_offered_as_another(everybody: cast.Cast) -> None:
    plan = planned(everybody, target="eks")
    page = browser(everybody.sara).get(f"/plans/{plan.pk}/").content.decode()
    assert '<option value="github-oidc">' in page
    assert '<option value="eks"' not in page


def test_what_changed_is_shown_against_the_version_kept_last(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.sara)
    client.post(f"/plans/{plan.pk}/keep/")
    plan.refresh_from_db()
    assert len(plan.generated_digest) == 64
    assert "Nothing changed." in text_of(client.get(f"/plans/{plan.pk}/"))

    cast.activity(plan.departure.user, clock.now().date(), service="sqs", action="CreateQueue")

    page = text_of(client.get(f"/plans/{plan.pk}/"))
    assert "Nothing changed." not in page
    assert "sqs:CreateQueue" in page


def test_a_date_alone_is_no_change(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.sara)
    client.post(f"/plans/{plan.pk}/keep/")
    Plan.objects.update(generated_at=clock.now() - timedelta(days=30))
    kept = Plan.objects.get(pk=plan.pk)
    [again] = plan_drafts.made(
        Plan.objects.select_related("departure__user__account", "departure__owner"),
        kept.generated_at,
    )
    Plan.objects.update(generated_files={one.path: one.text for one in again.draft.files})
    assert "Nothing changed." in text_of(client.get(f"/plans/{plan.pk}/"))


# ── A key that stays ─────────────────────────────────────────────────────────────────────────────


def test_a_key_stays_only_when_a_second_engineer_agrees(everybody: cast.Cast) -> None:
    plan = planned(everybody, target="secrets-manager")
    until = (clock.now() + timedelta(days=200)).date()
    jonas, mei = browser(everybody.jonas), browser(everybody.mei)
    agree = f"/plans/{plan.pk}/agree/"
    assert "say why, and until when." in text_of(jonas.get(f"/plans/{plan.pk}/"))

    assert mei.post(agree).status_code == 422
    jonas.post(f"/plans/{plan.pk}/choose/", {"reason": "vendor", "until": until.isoformat()})
    assert jonas.post(agree).status_code == 403
    assert browser(everybody.sara).post(agree).status_code == 403
    address = f"/plans/{plan.pk}/"
    assert "once a second engineer agrees." in text_of(mei.get(address))
    assert "Jonas Weber asks that the key stays until" in text_of(mei.get(address))
    mei.post(agree)
    told = text_of(mei.get(address))
    # People are called by their names, in the files too.
    assert "by Jonas Weber" in told
    assert "by Mei Tanaka" in told
    assert "Asked by Jonas Weber, agreed by Mei Tanaka." in told
    assert not re.search(r"\b(jonas|mei)\b", told)
    assert "Its key stays and rotates, until" in told
    assert "old credentials quiet" not in told.lower()

    row = Departure.objects.get(pk=plan.departure_id)
    assert (row.protection, row.protection_until) == (Protection.EXEMPT, until)
    plan.refresh_from_db()
    assert plan.choices["approved_by"] == "mei"
    again = mei.post(agree)
    assert (again.status_code, "Mei Tanaka agreed already." in text_of(again)) == (422, True)
    # It is counted as such, and stands in the list.
    vera = browser(everybody.vera)
    page = vera.get("/plans/")
    assert [one.plan.pk for one in page.context["rows"]] == [plan.pk]
    assert page.context["numbers"] == {"exempt": 1}
    assert [tile.parts[-1] for tile in page.context["tiles"]] == [("protected", "exempt", 1)]
    assert "1 exempt with a key that rotates" in text_of(page)
    assert "agreed by Mei Tanaka" in text_of(page)
    assert [*vera.get("/plans/?status=exempt").context["rows"]]
    assert not [*vera.get("/plans/?status=draft").context["rows"]]


def test_when_its_day_has_passed_somebody_waits_for_it_again(everybody: cast.Cast) -> None:
    day = (clock.now() - timedelta(days=1)).date()
    told = {"reason": "a", "until": day.isoformat(), "asked_by": "jonas", "approved_by": "mei"}
    plan = planned(everybody, target="secrets-manager", choices=told)
    Departure.objects.filter(pk=plan.departure_id).update(
        protection=Protection.EXEMPT, protection_until=day
    )
    assert changes.end_exemptions() == 1
    page = browser(everybody.jonas).get("/plans/")
    assert page.context["numbers"] == {"draft": 1}
    assert f"exception ended {day_text(day, clock.now(), weekday=False)}" in text_of(page)
    words = text_of(browser(everybody.jonas).get(f"/plans/{plan.pk}/"))
    assert "Until when? The date has to lie ahead." in words
    assert "Its key was to stay until" in words
    later = {"reason": "a", "until": "2099-01-01"}
    browser(everybody.jonas).post(f"/plans/{plan.pk}/choose/", later)
    assert browser(everybody.mei).post(f"/plans/{plan.pk}/agree/").status_code == 302
    row = Departure.objects.get(pk=plan.departure_id)
    assert (row.protection, str(row.protection_until)) == (Protection.EXEMPT, "2099-01-01")


def test_a_new_reason_needs_a_new_agreement(everybody: cast.Cast) -> None:
    told = {"reason": "a", "until": "2099-01-01", "asked_by": "jonas", "approved_by": "mei"}
    plan = planned(everybody, target="secrets-manager", choices=told)
    data = {"reason": "b", "until": "2099-01-01"}
    browser(everybody.jonas).post(f"/plans/{plan.pk}/choose/", data)
    plan.refresh_from_db()
    assert "approved_by" not in plan.choices


def test_a_plan_on_hold_is_not_confirmed(everybody: cast.Cast) -> None:
    plan = planned(everybody, held_reason="The group was re-created.")
    user = plan.departure.user
    client = browser(everybody.sara)
    assert "confirm-plan/" not in text_of(client.get(f"/plans/{plan.pk}/"))
    answer = client.post(f"/users/{user.account.account_id}/{user.user_id}/confirm-plan/", {})
    assert answer.status_code == 422
    plan.refresh_from_db()
    assert plan.status == Plan.Status.DRAFT


@pytest.mark.parametrize(
    ("state", "answer", "offered"),
    [
        (State.OWNER_ASSIGNED, "needed", True),
        (State.OWNER_ASSIGNED, "can-go", False),
        (State.DISABLED, "needed", False),
        (State.SOAKING, "", False),
        (State.DELETED, "", False),
    ],
)
def test_the_owners_word_is_asked_for_only_while_somebody_waits_for_it(
    everybody: cast.Cast, state: State, answer: str, offered: bool
) -> None:
    row = cast.departure("ci-old", state, everybody.payments, answer=answer)
    plan, client = cast.plan(row), browser(everybody.sara)
    user_page = f"/users/{row.user.account.account_id}/{row.user.user_id}/"
    for page in (f"/plans/{plan.pk}/", user_page):
        assert ("confirm-plan/" in text_of(client.get(page))) is offered, page


def test_the_plan_of_a_deleted_user_is_a_record_and_takes_no_choice(everybody: cast.Cast) -> None:
    plan = cast.plan(cast.departure("gone", State.DELETED, everybody.payments))
    client = browser(everybody.sara)
    assert "/choose/" not in text_of(client.get(f"/plans/{plan.pk}/"))
    assert client.post(f"/plans/{plan.pk}/choose/", {"repository": "a/b"}).status_code == 422


# ── The panel of the user's page ─────────────────────────────────────────────────────────────────


def test_the_users_page_asks_for_the_files_that_are_read_first(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.sara)
    client.post(f"/plans/{plan.pk}/choose/", {"repository": "acme/shop", "branches": "main"})

    panel = f'id="plan-panel" hx-get="/plans/{plan.pk}/" hx-trigger="revealed"'
    assert panel in text_of(client.get(address(plan.departure.user)))
    shown = text_of(client.get(f"/plans/{plan.pk}/", headers=HTMX))

    assert [title for title in TABS if title in shown] == list(TABS)
    assert 'resource "aws_iam_role"' in html.unescape(shown)
    assert "<html" not in shown
    back = text_of(client.get(f"/plans/{plan.pk}/?file=back", headers=HTMX))
    assert 'aria-label="HOW-TO-ROLL-BACK.md"' in back
    assert re.search(r'file=back"[^>]* aria-current="true" data-focus', back)


TABS = ("Terraform", "Workflow", "Policy, 1 action", "How to roll back")


@pytest.mark.parametrize("who", ["priya", "vera"])
def test_the_panel_is_for_whom_the_files_are(everybody: cast.Cast, who: str) -> None:
    plan, client = planned(everybody), browser(getattr(everybody, who))

    assert "plan-panel" not in text_of(client.get(address(plan.departure.user)))
    assert client.get(f"/plans/{plan.pk}/", headers=HTMX).status_code == 403


def test_each_file_is_copied_and_downloaded_by_itself(everybody: cast.Cast) -> None:
    plan, client = planned(everybody), browser(everybody.jonas)
    client.post(f"/plans/{plan.pk}/choose/", {"repository": "acme/shop", "branches": "main"})
    page = html.unescape(text_of(client.get(f"/plans/{plan.pk}/")))
    paths = re.findall(rf'href="/plans/{plan.pk}/download/\?file=([^"]+)"', page)

    assert {"main.tf", "policy.json"} <= set(paths)
    for path in paths:
        answer = client.get(f"/plans/{plan.pk}/download/", {"file": path})
        assert answer["Content-Disposition"] == f'attachment; filename="{path.split("/")[-1]}"'
        assert text_of(answer) in page
    unknown = client.get(f"/plans/{plan.pk}/download/?file=../settings.py")
    assert unknown.status_code == 404
    foreign = browser(everybody.priya).get(f"/plans/{plan.pk}/download/?file=main.tf")
    assert foreign.status_code == 403


def test_whoever_sees_the_files_comments_on_the_plan(everybody: cast.Cast) -> None:
    plan = planned(everybody)
    lead, engineer = browser(everybody.sara), browser(everybody.jonas)
    where = f"/plans/{plan.pk}/"

    answer = lead.post(f"{where}comment/", {"text": " <b>Runs</b> on Fridays only. "})

    assert answer["Location"] == f"{where}#comments"
    assert "&lt;b&gt;Runs&lt;/b&gt; on Fridays only." in text_of(engineer.get(where))
    assert "Sara Lindqvist" in text_of(engineer.get(where))
    assert lead.post(f"{where}comment/", {"text": " "}).status_code == 422
    for outsider in (everybody.priya, everybody.vera):
        assert "on Fridays only" not in text_of(browser(outsider).get(where))
        assert browser(outsider).post(f"{where}comment/", {"text": "x"}).status_code == 403
    assert plan.comments.count() == 1


def test_what_filters_the_plans_does_not_stand_in_the_search(everybody: cast.Cast) -> None:
    page = text_of(browser(everybody.jonas).get("/plans/?q=lately"))
    assert page.count('value="lately"') == 1
