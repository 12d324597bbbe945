"""What one person says of a batch or a plan, sent again: by a double click, Back, a lost answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import pytest

from inventory import clock
from inventory.models import Person
from migrations_app.changes import batches, plans
from migrations_app.models import Comment, PlanComment
from tests import cast
from tests.migrations_app import batch_rows
from tests.migrations_app.at_once import both
from tests.migrations_app.browsing import browser

pytestmark = pytest.mark.django_db

Of = tuple[str, type[Comment] | type[PlanComment], ModuleType]


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def of_batch(everybody: cast.Cast) -> Of:
    batch = batch_rows.draft(everybody, cast.departure("quiet", "owner-assigned"))
    return f"/batches/{batch.number}/comment/", Comment, batches


def of_plan(everybody: cast.Cast) -> Of:
    plan = cast.plan(cast.departure("ci", "owner-assigned", everybody.payments))
    return f"/plans/{plan.pk}/comment/", PlanComment, plans


either = pytest.mark.parametrize("thing", [of_batch, of_plan])


def say(person: Person, path: str, text: str = "Why this one?") -> None:
    assert browser(person).post(path, {"text": text}).status_code == 302


@either
def test_the_same_word_twice_is_one_comment(
    everybody: cast.Cast, thing: Callable[[cast.Cast], Of]
) -> None:
    path, comments, _ = thing(everybody)
    for text in ("Why this one?", " Why this one? "):
        say(everybody.jonas, path, text)
    assert comments.objects.count() == 1


@either
def test_another_word_another_person_and_an_answer_in_between_are_others(
    everybody: cast.Cast, thing: Callable[[cast.Cast], Of]
) -> None:
    path, comments, _ = thing(everybody)
    say(everybody.jonas, path)
    say(everybody.jonas, path, "And this one?")
    say(everybody.mei, path, "And this one?")
    say(everybody.jonas, path, "And this one?")
    assert comments.objects.count() == 4


@either
def test_whoever_asks_again_later_is_heard(
    everybody: cast.Cast, thing: Callable[[cast.Cast], Of]
) -> None:
    path, comments, _ = thing(everybody)
    say(everybody.jonas, path)
    comments.objects.update(at=clock.now() - timedelta(minutes=9))
    say(everybody.jonas, path)
    assert comments.objects.count() == 1
    comments.objects.update(at=clock.now() - timedelta(minutes=10))
    say(everybody.jonas, path)
    assert comments.objects.count() == 2


def test_the_same_of_another_user_of_the_batch_is_another(everybody: cast.Cast) -> None:
    rows = [cast.departure(name, "owner-assigned") for name in ("one", "two")]
    batch = batch_rows.draft(everybody, *rows)
    for change in [*batch.changes.all(), None]:
        batches.comment(batch, everybody.jonas, "Why?", change=change)
    assert Comment.objects.count() == 3


@pytest.mark.django_db(transaction=True)
@either
def test_two_at_the_same_instant_are_one(
    thing: Callable[[cast.Cast], Of], monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = cast.cast()
    path, comments, verbs = thing(everybody)
    name = "Comment" if comments is Comment else "PlanComment"
    patched = getattr(verbs, name).objects
    both(monkeypatch, patched, "create", lambda: say(everybody.jonas, path))
    assert comments.objects.count() == 1
