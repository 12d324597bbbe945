"""A signed-in browser for page tests, and what its pages say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory.models import IamUser, Person

HTMX = {"HX-Request": "true"}


def browser(person: Person) -> Client:
    """A browser in which `person` is signed in."""
    client = Client()
    client.force_login(person)
    return client


def text_of(answer: Any) -> str:
    """What an answer says, streamed or not."""
    if answer.streaming:
        return b"".join(answer.streaming_content).decode()
    return str(answer.content.decode())


def address(user: IamUser, act: str = "") -> str:
    """The address of a user's page, or of one of its actions."""
    return f"/users/{user.account.account_id}/{user.user_id}/{act}"


@contextmanager
def at_most(queries: int) -> Iterator[None]:
    """A page may ask the database that often, however many rows it shows."""
    with CaptureQueriesContext(connection) as asked:
        yield
    assert len(asked) <= queries, f"{len(asked)} queries, at most {queries} expected"
