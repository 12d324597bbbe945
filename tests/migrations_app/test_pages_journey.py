"""A user's whole way out through the pages, with the real engine on the simulated account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.test import Client

from migrations_app.changes import batches
from migrations_app.changes.sweep import start_if_due
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Notice
from tests import cast
from tests.migrations_app.browsing import HTMX

if TYPE_CHECKING:
    # Django is not set up yet when the fixtures beside this file are read.
    from inventory.models import Person
    from tests.migrations_app.stage import Stage


class Browser:
    """One person's browser, which follows redirects as browsers do."""

    def __init__(self, person: Person) -> None:
        self.client = Client()
        self.client.force_login(person)

    def see(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.content.decode()
        return str(answer.content.decode())

    def do(self, path: str, **sent: Any) -> str:
        answer = self.client.post(path, sent, follow=True)
        assert answer.status_code == 200, answer.content.decode()
        return str(answer.content.decode())


def composed(engineer: Browser, departure: Departure, **sent: str) -> Batch:
    """Composed and looked at by a worker, then asked for."""
    sent = {"account": cast.ACCOUNT_ID, "users": departure.user.user_id, **sent}
    engineer.do("/batches/new/", **sent)
    batch = Batch.objects.order_by("-number")[0]
    batches.dry_run(batch.pk)
    text = engineer.see(f"/batches/{batch.number}/")
    assert "Dry run against the live account" in text
    assert ("undo: DetachUserPolicy" in text) == (sent["move"] == "disable")
    engineer.do(f"/batches/{batch.number}/ask/", message="Tell us if you miss it.")
    return batch


def told(stage: Stage, batch: Batch) -> None:
    """The lead opens the notice, signed in."""
    notice = Notice.objects.get(batch=batch, kind="announce", team=stage.people.payments)
    assert "Tell us if you miss it." in Browser(stage.people.sara).see(f"/inbox/{notice.pk}/")


def approved(approver: Browser, batch: Batch, **sent: str) -> str:
    """Everything viewed and approved."""
    path = f"/batches/{batch.number}/"
    for change in batch.changes.all():
        approver.do(f"{path}viewed/", change=change.pk)
    batch.refresh_from_db()
    sent = {"digest": batch.digest, "override-lock-out": "drilled yesterday", **sent}
    return approver.do(f"{path}approve/", **sent)


def ran(stage: Stage, batch: Batch) -> Batch:
    """The sweep starts it and the write worker does it."""
    batch.refresh_from_db()
    assert start_if_due(batch)
    batch.refresh_from_db()
    return stage.work(batch)


def test_a_user_is_fenced_by_two_people_and_brought_back_by_its_lead(stage: Stage) -> None:
    departure = stage.user("ci-pay-old")
    engineer, approver = Browser(stage.people.jonas), Browser(stage.people.mei)
    batch = composed(engineer, departure, move="disable")
    path = f"/batches/{batch.number}/"
    assert "You asked for this batch, so somebody else approves it." in engineer.see(path)

    waiting = approved(approver, batch)
    assert "A lead of Payments has not opened the message yet." in waiting
    told(stage, batch)
    ran(stage, batch)

    live = engineer.see(path)
    assert "1 of 1" in live
    assert "read back: fenced by policy" in live
    assert "AttachUserPolicy AWSDenyAll" in live
    assert engineer.client.get(f"{path}undo.sh").content.startswith(b"#!/bin/sh")
    assert "1 watched, 0 soaking." in engineer.see("/soak/")

    lead = Browser(stage.people.sara)
    address = f"/users/{cast.ACCOUNT_ID}/{departure.user.user_id}/restore/"
    assert "The deny is taken off." in lead.see(address)
    asked = lead.do(address, reason="the monthly report")
    assert "Restoring" in asked
    [mark] = re.findall(r'restore/(\?mark=[^"]+)" hx-trigger="every 2s"', asked)
    assert lead.client.get(f"{address}{mark}", headers=HTMX).status_code == 204
    stage.work_restore(Change.objects.get(move="restore"))
    assert lead.client.get(f"{address}{mark}", headers=HTMX).status_code == 286
    assert "Restored, " in lead.see(address)
    assert "Nobody is off" in lead.see("/soak/")
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED


def test_a_shut_user_is_deleted_with_typed_words(stage: Stage) -> None:
    departure = stage.user("ci-pay-old")
    stage.ready_to_delete(departure)
    engineer, approver = Browser(stage.people.jonas), Browser(stage.people.mei)
    board = engineer.see("/soak/")
    assert "Ready to delete" in board
    assert f"/batches/new/?account={cast.ACCOUNT_ID}&amp;move=delete" in board

    batch = composed(engineer, departure, move="delete")
    told(stage, batch)
    path = f"/batches/{batch.number}/"
    review = approver.see(path)
    assert "DeleteAccessKey" in review
    assert "AWSDenyAll, the fence" in review
    approved(approver, batch, words="delete 1 user")
    ran(stage, batch)

    live = approver.see(path)
    assert "deleted, proved by AWS" in live
    assert "GetUser, NoSuchEntity" in live
    departure.refresh_from_db()
    assert departure.state == State.DELETED
    assert "There is nothing to restore" in engineer.see(
        f"/users/{cast.ACCOUNT_ID}/{departure.user.user_id}/restore/"
    )
