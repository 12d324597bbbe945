"""The signed webhook: verified as the documentation shows, and each answer as what to do."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from migrations_app.announce import webhook
from migrations_app.announce.message import Line, NotSetUp, Undeliverable
from tests.migrations_app.announce.sending import PAGE, deliver, message, users
from tests.migrations_app.announce.servers import Reply, Request, Server

ROOT = Path(__file__).resolve().parents[3]
PAGE_OF_DOCS = (ROOT / "docs/channels.md").read_text(encoding="utf-8")
SECTION = PAGE_OF_DOCS.partition("\n## Webhook\n")[2].partition("\n## ")[0]
NEW, OLD = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def documented_verify() -> Any:
    """`verify` of docs/channels.md, as a reader would copy it."""
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    return found["verify"]


class Receiver:
    """Takes what is signed with its secret, and each id once."""

    def __init__(self, secret: str) -> None:
        self.secret, self.verify = secret, documented_verify()
        self.arrived: list[str] = []
        self.bodies: dict[str, Any] = {}
        self.server = Server(self.take)

    def take(self, request: Request) -> Reply:
        if not self.verify(self.secret, request.headers, request.body):
            return Reply(401)
        key = request.headers["webhook-id"]
        self.arrived.append(key)
        self.bodies.setdefault(key, json.loads(request.body))
        return Reply(204)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    found = Receiver(NEW)
    settings.IAMCLEANUP_WEBHOOK_URL = f"{found.server.url}/the-secret-path"
    settings.IAMCLEANUP_WEBHOOK_SECRET = NEW
    with found.server.running():
        yield found


def sender() -> webhook.Webhook:
    return webhook.Webhook.from_environment()


@pytest.mark.parametrize("secret", [NEW, f"whsec_{NEW}", f"{OLD} whsec_{NEW}", f" {NEW}  {OLD} "])
def test_a_receiver_with_the_secret_verifies_it(
    secret: str, receiver: Receiver, settings: Settings
) -> None:
    settings.IAMCLEANUP_WEBHOOK_SECRET = secret
    receipt, _ = deliver(sender(), message(), "")
    assert receipt.facts["status"] == 204
    assert receiver.arrived == ["k1"]


def test_the_body_says_whom_it_is_for(receiver: Receiver) -> None:
    deliver(sender(), message(), "payments")
    assert receiver.bodies["k1"]["data"]["to"] == "payments"


def test_a_receiver_with_another_secret_refuses_it(receiver: Receiver, settings: Settings) -> None:
    settings.IAMCLEANUP_WEBHOOK_SECRET = OLD
    with pytest.raises(Undeliverable, match="wrong secret"):
        deliver(sender(), message(), "")
    assert receiver.arrived == []


@pytest.mark.parametrize("what", ["body", "webhook-id", "webhook-timestamp"])
def test_nothing_signed_can_be_changed_on_the_way(what: str, receiver: Receiver) -> None:
    deliver(sender(), message(), "")
    (sent,) = receiver.server.requests
    headers = dict(sent.headers)
    assert receiver.verify(NEW, headers, sent.body)
    if what == "body":
        assert not receiver.verify(NEW, headers, sent.body.replace(b"3 users", b"9 users"))
    else:
        changed = str(int(headers[what]) + 1) if what == "webhook-timestamp" else "k2"
        assert not receiver.verify(NEW, headers | {what: changed}, sent.body)


def test_an_old_request_is_not_believed(receiver: Receiver) -> None:
    one, moment, content = sender(), 1_600_000_000, b"{}"
    headers = {
        "webhook-id": "k1",
        "webhook-timestamp": str(moment),
        "webhook-signature": webhook.signature(one.secrets, "k1", moment, content),
    }
    assert not receiver.verify(NEW, headers, content)


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = webhook.signature(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_body_has_the_documented_fields_and_the_whole_list(receiver: Receiver) -> None:
    deliver(sender(), message(users=users(206), summary="s", closed=True), "")
    (documented,) = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
    expected, sent = json.loads(documented), receiver.bodies["k1"]
    assert list(sent) == list(expected)
    assert list(sent["data"]) == list(expected["data"])
    assert list(sent["data"]["users"][0]) == list(expected["data"]["users"][0])
    assert sent["type"] == "iam_cleanup.announce"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sent["timestamp"])
    assert [user["name"] for user in sent["data"]["users"]] == [u.name for u in users(206)]
    assert sent["data"]["url"] == PAGE
    assert sent["data"]["closed"] is True


def test_texts_are_plain_and_what_cannot_be_seen_is_written_out(receiver: Receiver) -> None:
    deliver(sender(), message(title="a\r\nb", users=(Line("x\u202ey", "prod"),)), "")
    data = receiver.bodies["k1"]["data"]
    assert data["title"] == "a b"
    assert data["users"][0]["name"] == "x[U+202E]y"


@pytest.mark.parametrize(
    ("status", "do"),
    [(410, "unset it"), (400, "Look there"), (401, "wrong secret"), (404, "Look there")],
)
def test_what_is_never_taken_says_what_to_do(status: int, do: str, receiver: Receiver) -> None:
    receiver.server.process = lambda _: Reply(status)
    with pytest.raises(Undeliverable, match=do) as caught:
        deliver(sender(), message(), "")
    assert "the-secret-path" not in caught.value.why


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_accepted(status: int, receiver: Receiver) -> None:
    receiver.server.process = lambda _: Reply(status)
    receipt, _ = deliver(sender(), message(), "")
    assert receipt.facts == {"status": status, "host": "127.0.0.1"}


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "not base64 at all!", f"{NEW} short"])
def test_nothing_is_sent_with_a_secret_that_is_none(
    secret: str, receiver: Receiver, settings: Settings
) -> None:
    settings.IAMCLEANUP_WEBHOOK_SECRET = secret
    with pytest.raises(NotSetUp, match="IAMCLEANUP_WEBHOOK_SECRET") as caught:
        sender()
    assert NEW not in caught.value.why


def test_without_an_address_it_says_so(settings: Settings) -> None:
    settings.IAMCLEANUP_WEBHOOK_URL = ""
    with pytest.raises(NotSetUp, match="IAMCLEANUP_WEBHOOK_URL"):
        sender()


def test_what_is_read_is_what_is_sent(receiver: Receiver) -> None:
    deliver(sender(), message(), "")
    read = json.loads(webhook.rendered(message()))
    assert read["data"] == receiver.bodies["k1"]["data"]
