"""The same key with the same request is done once, whatever happened to the first answer."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from inventory import clock
from inventory.models import LedgerEntry
from migrations_app.api import once
from migrations_app.api.writing import text_of
from migrations_app.changes.sweep import forget_answers
from migrations_app.models import EmergencyStop, KeptAnswer
from tests import cast
from tests.migrations_app.api.programs import Answered, Program, program

STOP = {"reason": "look"}


@pytest.mark.django_db
class TestTheSameKey:
    def test_gives_the_same_answer_and_does_nothing_more(self) -> None:
        one = program(cast.cast().mei, "stop")
        first, second = (one.post("emergency-stop", STOP, "k") for _ in range(2))
        assert first.body == second.body
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        assert LedgerEntry.objects.filter(kind="stop.pulled").count() == 1

    def test_still_gives_it_when_the_answer_would_be_another_by_now(self) -> None:
        people = cast.cast()
        one, other = program(people.mei, "stop"), program(people.jonas, "stop")
        first = one.post("emergency-stop", STOP, "k")
        other.post("emergency-stop/lift", {"reason": "all is well"})
        assert one.post("emergency-stop", STOP, "k").body == first.body
        assert not EmergencyStop.objects.filter(lifted_at=None).exists()

    def test_with_another_body_is_refused(self) -> None:
        one = program(cast.cast().mei, "stop")
        one.post("emergency-stop", STOP, "k")
        answer = one.post("emergency-stop", {"reason": "something else"}, "k")
        assert (answer.status, answer.rule) == (422, "idempotency-key")

    def test_at_another_address_is_refused(self) -> None:
        one = program(cast.cast().mei, "stop")
        one.post("emergency-stop", STOP, "k")
        assert one.post("emergency-stop/lift", STOP, "k").rule == "idempotency-key"

    def test_of_another_person_is_another_key(self) -> None:
        people = cast.cast()
        program(people.mei, "stop").post("emergency-stop", STOP, "k")
        answer = program(people.jonas, "stop").post("emergency-stop", {"reason": "mine"}, "k")
        assert answer.status == 200

    def test_of_another_token_of_the_same_person_is_the_same_key(self) -> None:
        mei = cast.cast().mei
        first = program(mei, "stop").post("emergency-stop", STOP, "k")
        assert program(mei, "stop").post("emergency-stop", STOP, "k").body == first.body

    def test_is_free_again_after_a_refusal_for_nothing_was_done(self) -> None:
        people = cast.cast()
        one = program(people.jonas, "stop")
        assert one.post("emergency-stop/lift", STOP, "k").status == 409
        program(people.mei, "stop").post("emergency-stop", STOP)
        assert one.post("emergency-stop/lift", STOP, "k").status == 200


@pytest.mark.django_db
@pytest.mark.parametrize("key", [None, "", "x" * 101, "two words", "ä"])
def test_a_post_without_a_proper_key_is_refused(key: str | None) -> None:
    one = program(cast.cast().mei, "stop")
    headers = {"Authorization": f"Bearer {one.secret}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    answer = Client().post(
        "/api/v1/emergency-stop", STOP, content_type="application/json", headers=headers
    )
    assert answer.status_code == 422
    assert answer.json()["rule"] == "idempotency-key"
    assert not EmergencyStop.objects.exists()


@pytest.mark.django_db
def test_what_broke_half_way_left_neither_effect_nor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the verb and before the answer is kept: all of it is undone."""
    one = Program(program(cast.cast().mei, "stop").secret, Client(raise_request_exception=False))
    with monkeypatch.context() as patch:
        patch.setattr(once, "text_of", lambda answer: 1 / 0)
        assert one.post("emergency-stop", STOP, "k").status == 500
    assert not EmergencyStop.objects.exists()
    assert not KeptAnswer.objects.exists()
    assert one.post("emergency-stop", STOP, "k").status == 200


@pytest.mark.django_db
def test_an_answer_lost_after_the_commit_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Program(program(cast.cast().mei, "stop").secret, Client(raise_request_exception=False))
    with monkeypatch.context() as patch:
        patch.setattr(once, "sent", lambda text, status: 1 / 0)
        assert one.post("emergency-stop", STOP, "k").status == 500
    assert EmergencyStop.objects.count() == 1
    again = one.post("emergency-stop", STOP, "k")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert EmergencyStop.objects.count() == 1


@pytest.mark.django_db
def test_answers_are_kept_for_two_days() -> None:
    one = program(cast.cast().mei, "stop")
    one.post("emergency-stop", STOP, "k")
    KeptAnswer.objects.update(at=clock.now() - timedelta(hours=47))
    forget_answers()
    assert KeptAnswer.objects.count() == 1
    KeptAnswer.objects.update(at=clock.now() - timedelta(hours=49))
    forget_answers()
    assert not KeptAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_does_it_and_both_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = program(cast.cast().jonas, "operate")
    answers: list[Answered] = []
    inside, go_on = threading.Event(), threading.Event()
    really = text_of

    def slowly(answer: object) -> str:
        inside.set()
        assert go_on.wait(20)
        return really(answer)  # type: ignore[arg-type]  # whatever it was given

    monkeypatch.setattr(once, "text_of", slowly)

    def post() -> None:
        answers.append(Program(one.secret).post("syncs", {}, "k"))
        connection.close()

    first = threading.Thread(target=post)
    first.start()
    assert inside.wait(20)
    second = threading.Thread(target=post)
    second.start()
    waits_for_the_first()
    go_on.set()
    first.join(20)
    second.join(20)
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].body == answers[1].body
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 1


def waits_for_the_first() -> None:
    """Until PostgreSQL says that somebody waits for another transaction's end."""
    with connection.cursor() as cursor:
        for _ in range(20_000):
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event = 'transactionid'"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("The second request did not wait")


@pytest.mark.django_db(transaction=True)
def test_whoever_waited_too_long_is_told_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    people = cast.cast()
    one = program(people.jonas, "operate")
    monkeypatch.setattr(once, "PATIENCE_MS", 50)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import transaction

        with transaction.atomic():
            KeptAnswer.objects.create(person=people.jonas, key="k", request="x", at=clock.now())
            held.set()
            let_go.wait(20)
            transaction.set_rollback(True)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    answer = one.post("syncs", {}, "k")
    let_go.set()
    holder.join(20)
    assert (answer.status, answer.rule) == (409, "idempotency-key")
    assert answer.headers["Retry-After"] == "2"
    assert one.post("syncs", {}, "k").status == 202
