"""An engineer's word on what a user is for: asked with a note, kept over syncs, taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock, refresh
from inventory.models import IamUser, LedgerEntry, Organization
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from tests import cast
from tests.migrations_app.browsing import address, browser, text_of
from tests.migrations_app.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def row(everybody: cast.Cast) -> Departure:
    user = cast.iam_user("nightly-copy", category="mystery", category_confidence="low")
    return cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)


def test_the_form_changes_the_category_and_the_page_says_who_knows(
    everybody: cast.Cast, row: Departure
) -> None:
    jonas = browser(everybody.jonas)
    sent = {"category": "ci-cd", "reason": "Runs in Jenkins", "seen": "mystery"}
    answer = jonas.post(address(row.user, "category/"), sent, follow=True)

    row.user.refresh_from_db()
    assert (row.user.category_override, row.user.category_note) == ("ci-cd", "Runs in Jenkins")
    text = text_of(answer)
    assert "nightly-copy is CI/CD now. Syncs keep it so." in text
    assert "said by people" in text
    assert "said it is ci-cd: Runs in Jenkins" in text


def test_the_form_shows_what_the_evidence_says_before_anything_is_changed(
    everybody: cast.Cast, row: Departure
) -> None:
    row.user.category_reasons = ["Only a hint: <b>night</b>"]
    row.user.save()
    text = text_of(browser(everybody.jonas).get(address(row.user, "category/")))
    assert "Only a hint: &lt;b&gt;night&lt;/b&gt;" in text
    assert "Undo the change" not in text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"category": "ci-cd"}, "Say how you know"),
        ({"category": "robot", "reason": "x"}, "Choose one of the five categories."),
        ({"reason": "x"}, "Choose one of the five categories."),
        ({"category": "ci-cd", "reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_bad_input_answers_422_with_the_form_and_changes_nothing(
    everybody: cast.Cast, row: Departure, sent: dict[str, str], said: str
) -> None:
    answer = browser(everybody.jonas).post(address(row.user, "category/"), sent)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert "<form" in text_of(answer)
    row.user.refresh_from_db()
    assert row.user.category_override == ""


def test_an_undo_gives_back_what_the_evidence_says(everybody: cast.Cast, row: Departure) -> None:
    refresh.override_category(row.user, "ci-cd", "Runs in Jenkins", everybody.jonas)
    jonas = browser(everybody.jonas)
    assert "Undo the change" in text_of(jonas.get(address(row.user, "category/")))

    jonas.post(address(row.user, "category/clear/"), {"seen": "ci-cd"})

    row.user.refresh_from_db()
    assert (row.user.category_override, row.user.category_note) == ("", "")
    kinds = LedgerEntry.objects.order_by("seq").values_list("kind", "data")
    assert [(kind, data["before"]) for kind, data in kinds] == [
        ("category.changed", "mystery"),
        ("category.cleared", "ci-cd"),
    ]


def test_the_next_judgement_keeps_the_override_and_shows_the_evidence_beside_it(
    everybody: cast.Cast, row: Departure
) -> None:
    refresh.override_category(row.user, "third-party", "Their contract", everybody.jonas)
    refresh.judge(IamUser.objects.all())
    row.user.refresh_from_db()
    assert (row.user.shown_category, row.user.category) == ("third-party", "mystery")


def test_the_policy_of_the_category_follows_the_override(
    everybody: cast.Cast, row: Departure
) -> None:
    Organization.objects.update(policy={"by_category": {"third-party": {"dormant_after": "400d"}}})
    cast.access_key(row.user, last_used_at=clock.now() - timedelta(days=200))
    refresh.judge([row.user])
    row.user.refresh_from_db()
    assert row.user.verdict != "active"

    refresh.override_category(row.user, "third-party", "Their contract", everybody.jonas)

    row.user.refresh_from_db()
    assert row.user.verdict == "active"


def test_whoever_saw_another_category_is_told_to_look_again(
    everybody: cast.Cast, row: Departure
) -> None:
    refresh.override_category(row.user, "third-party", "Their contract", everybody.mei)
    with pytest.raises(Stale, match=f"changed meanwhile by {everybody.mei}"):
        refresh.override_category(row.user, "ci-cd", "x", everybody.jonas, seen="human-console")
    answer = browser(everybody.jonas).post(
        address(row.user, "category/"),
        {"category": "ci-cd", "reason": "x", "seen": "human-console"},
    )
    assert answer.status_code == 409


def test_only_an_engineer_changes_a_category(everybody: cast.Cast, row: Departure) -> None:
    for person in (everybody.vera, everybody.sara, everybody.ada):
        with pytest.raises(NotAllowed):
            refresh.override_category(row.user, "ci-cd", "x", person)
        with pytest.raises(NotAllowed):
            refresh.clear_category(row.user, person)


def test_a_deleted_user_and_one_nobody_corrected_are_refused(
    everybody: cast.Cast, row: Departure
) -> None:
    with pytest.raises(Refused, match="Nobody changed"):
        refresh.clear_category(row.user, everybody.jonas)
    row.user.gone_at = row.user.judged_at
    row.user.save()
    with pytest.raises(Refused, match="was deleted"):
        refresh.override_category(row.user, "ci-cd", "x", everybody.jonas)


def test_the_approver_is_shown_who_changed_the_category_and_what_that_shortens(
    stage: Stage,
) -> None:
    by_category = {"ci-cd": {"soak": "7d"}, "mystery": {"soak": "30d"}}
    organization = Organization.get()
    organization.policy = organization.policy | {"by_category": by_category}
    organization.save()
    departure = stage.user("nightly-copy")
    refresh.override_category(departure.user, "ci-cd", "Runs in Jenkins", stage.people.jonas)

    (change,) = stage.draft("disable", [departure]).changes.all()
    (told,) = [one["text"] for one in change.warnings if one["code"] == "category"]
    assert told == (
        "Category changed from Mystery to CI/CD by Jonas Weber"
        " (soak 7 days instead of 30 days): Runs in Jenkins"
    )


def test_a_category_that_the_evidence_says_too_is_no_warning(stage: Stage) -> None:
    departure = stage.user(category="ci-cd", category_override="ci-cd", category_note="Sure")
    (change,) = stage.draft("disable", [departure]).changes.all()
    assert "category" not in [one["code"] for one in change.warnings]
