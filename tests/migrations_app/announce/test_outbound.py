"""One request, and what became of it: which failures may have arrived, and which cannot have."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from inventory import clock
from migrations_app.announce import outbound
from migrations_app.announce.message import TryLater, Undeliverable
from tests.migrations_app.announce.servers import RETRY_AFTER, Reply, Server, closed_port

SECRET = "/services/the-secret-path"


def post(url: str, **options: Any) -> outbound.Answer:
    return outbound.post_json(url, {"a": 1}, **options)


@pytest.mark.parametrize(
    ("fault", "uncertain"),
    [
        ("429", False),
        ("429 date", False),
        ("500", True),
        ("500 after", True),
        ("503", True),
        ("408", True),
        ("closed before", True),
        ("closed after", True),
        ("half", True),
        ("slow", True),
    ],
)
def test_what_may_have_arrived_is_said_to_be_uncertain(
    fault: str, uncertain: bool, anybody: Server
) -> None:
    anybody.faults = [fault]
    with pytest.raises(TryLater) as caught:
        post(anybody.url + SECRET, timeout=0.3)
    assert caught.value.uncertain is uncertain
    assert "127.0.0.1" in caught.value.why
    assert "secret" not in caught.value.why


def test_a_refused_connection_cannot_have_arrived() -> None:
    with pytest.raises(TryLater, match="cannot be reached") as caught:
        post(f"http://127.0.0.1:{closed_port()}{SECRET}")
    assert not caught.value.uncertain


def test_a_name_that_is_not_resolved_cannot_have_arrived() -> None:
    with pytest.raises(TryLater, match="cannot be resolved") as caught:
        post("https://nowhere.invalid/")
    assert not caught.value.uncertain


def test_a_name_that_only_a_proxy_knows_is_not_called_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(TryLater, match="Only a proxy knows"):
        post("https://nowhere.invalid/", direct=True)


def test_a_proxy_that_is_not_there_cannot_have_passed_it_on(
    anybody: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(TryLater, match="proxy") as caught:
        post(anybody.url)
    assert not caught.value.uncertain
    assert post(anybody.url, direct=True).status == 200
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert post(anybody.url).status == 200


@pytest.mark.parametrize("fault", ["429", "429 date", "503"])
def test_the_time_a_server_asks_to_wait_is_handed_on(fault: str, anybody: Server) -> None:
    anybody.faults = [fault]
    with pytest.raises(TryLater) as caught:
        post(anybody.url)
    assert caught.value.after is not None
    # A date has whole seconds, and some of them have passed.
    assert timedelta(seconds=RETRY_AFTER - 2) < caught.value.after <= timedelta(seconds=RETRY_AFTER)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta()),
        ("120", timedelta(minutes=2)),
        ("86400", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=1)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", timedelta()),
        ("Wed, 21 Oct 2915 07:28:00 -0000", timedelta(hours=1)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_no_server_makes_us_wait_longer_than_an_hour(value: str, wait: timedelta | None) -> None:
    assert outbound.wait_asked({"Retry-After": value}) == wait


def test_a_redirect_is_not_followed(anybody: Server) -> None:
    anybody.faults = ["302"]
    with pytest.raises(Undeliverable, match="redirect"):
        post(anybody.url)
    assert len(anybody.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 410])
def test_any_other_status_is_an_answer(status: int) -> None:
    server = Server(lambda _: Reply(status, b"" if status == 204 else b"said"))
    with server.running():
        answer = post(server.url)
    assert (answer.status, answer.host) == (status, "127.0.0.1")


def test_a_long_answer_is_read_to_the_limit_and_no_further() -> None:
    server = Server(lambda _: Reply(200, b"x" * 1_000_000))
    with server.running():
        assert len(post(server.url).body) == 64 * 1024


def test_an_answer_that_drips_holds_nobody_longer_than_the_time_out() -> None:
    with dripping() as url:
        before = clock.real_now()
        with pytest.raises(TryLater, match="in time") as caught:
            post(url, timeout=0.3)
    assert caught.value.uncertain
    assert clock.real_now() - before < timedelta(seconds=2)


def test_something_else_than_json_says_that_something_else_answers() -> None:
    server = Server(lambda _: Reply(200, b"<html>Sign in</html>"))
    with server.running(), pytest.raises(Undeliverable, match="not JSON"):
        post(server.url).json()


def test_credentials_of_the_home_directory_are_not_sent(
    anybody: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    post(anybody.url)
    assert "Authorization" not in anybody.requests[0].headers


def test_the_connection_goes_to_the_address_that_was_checked(
    anybody: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name means this machine when it is checked, and something else when it is called."""
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["hooks.corp.example"]
    really, asked = socket.getaddrinfo, list[str]()

    def rebinds(host: str, *args: Any, **named: Any) -> Any:
        if host == "hooks.corp.example":
            asked.append(host)
            return really("127.0.0.1" if len(asked) == 1 else "10.9.9.9", *args, **named)
        return really(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebinds)
    url = anybody.url.replace("127.0.0.1", "hooks.corp.example")
    assert post(url).status == 200
    assert len(asked) == 1
    assert anybody.requests[0].headers["Host"] == url.removeprefix("http://")


def test_a_host_with_a_dead_address_is_reached_at_its_next(
    anybody: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["hooks.corp.example"]
    really = socket.getaddrinfo

    def two(host: str, *args: Any, **named: Any) -> Any:
        if host != "hooks.corp.example":
            return really(host, *args, **named)
        return really("127.0.0.9", *args, **named) + really("127.0.0.1", *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert post(anybody.url.replace("127.0.0.1", "hooks.corp.example")).status == 200


@pytest.mark.parametrize(("name", "fits"), [("localhost", True), ("else.example", False)])
def test_the_certificate_is_checked_against_the_name_though_an_address_is_called(
    name: str, fits: bool, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["localhost"]
    server = Server(lambda _: Reply(200, b"{}"))
    pem = certificate_for(name, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    url = server.url.replace("http://127.0.0.1", "https://localhost")
    with server.running():
        if fits:
            assert post(url).status == 200
        else:
            with pytest.raises(Undeliverable, match="certificate of localhost"):
                post(url)


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends its answer a byte at a time, each before any patience for one ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        stop.set()
        thread.join()
        listener.close()
