"""A mail server on this machine: strict about the protocol, and broken in the way it is told.

Each connection takes one fault from a list, so that a test says what the first try, the second
and so on run into. It announces no 8BITMIME and no SMTPUTF8, and refuses what would need them.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

USER, PASSWORD = "cleanup", "correct horse"


@dataclass
class Taken:
    """One mail the server took: its envelope and its bytes."""

    sender: str
    recipients: list[str]
    data: bytes
    encrypted: bool

    @property
    def mail(self) -> EmailMessage:
        mail = email.message_from_bytes(self.data, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        return mail

    def part(self, kind: str) -> str:
        """The decoded text of the `plain` or `html` part."""
        found = self.mail.get_body((kind,))
        assert found is not None
        return str(found.get_content())


@dataclass
class State:
    faults: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    sign_in: bool = False
    # Set when the test is over, so that a silent server lets go.
    over: threading.Event = field(default_factory=threading.Event)


class Closed(Exception):
    """The server hangs up here."""


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.state = self.server.state
        self.state.connections += 1
        self.fault = self.state.faults.pop(0) if self.state.faults else ""
        self.encrypted = False
        self.signed_in = not self.state.sign_in
        self.sender, self.recipients = "", list[str]()

    def handle(self) -> None:
        with contextlib.suppress(Closed, OSError):
            self.at("greeting")
            self.say("220 mail.example.com ready")
            while line := self.line():
                verb, _, rest = line.partition(" ")
                self.obey(verb.upper(), rest)

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def at(self, place: str) -> bool:
        """Break here if this connection's fault says so; True when an answer was given instead."""
        where, _, what = self.fault.partition(": ")
        if where != place:
            return False
        if what == "close":
            raise Closed
        if what == "slow":
            self.state.over.wait(0.6)
            return False
        if what == "silent":
            self.state.over.wait(10)
            raise Closed
        self.say(what)
        if what.startswith("421"):
            raise Closed
        return True

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def line(self) -> str:
        raw = self.rfile.readline(1001)
        if not raw:
            raise Closed
        assert raw.endswith(b"\r\n"), raw
        assert len(raw) <= 512, raw
        return raw[:-2].decode("ascii")

    def obey(self, verb: str, rest: str) -> None:
        if verb == "QUIT":
            self.at("quit")
            self.say("221 bye")
            raise Closed
        if verb == "RSET":
            self.sender, self.recipients = "", []
            self.say("250 ok")
            return
        steps = {"EHLO": self.ehlo, "STARTTLS": self.starttls, "AUTH": self.auth}
        steps |= {"MAIL": self.mail, "RCPT": self.rcpt, "DATA": self.data}
        if verb not in steps:
            self.say("502 not here")
        elif not self.at(verb.lower()):
            steps[verb](rest)

    def ehlo(self, _: str) -> None:
        offers = ["mail.example.com"]
        if self.state.tls and not self.encrypted:
            offers.append("STARTTLS")
        if self.state.sign_in:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            self.say(f"250-{offer}")
        self.say(f"250 {offers[-1]}")

    def starttls(self, _: str) -> None:
        assert self.state.tls
        self.say("220 go ahead")
        self.wfile.flush()
        self.request = self.state.tls.wrap_socket(self.request, server_side=True)
        self.rfile = self.request.makefile("rb", -1)
        self.wfile = _Raw(self.request)  # type: ignore[assignment]
        self.encrypted = True

    def auth(self, rest: str) -> None:
        kind, _, given = rest.partition(" ")
        assert kind == "PLAIN"
        if base64.b64decode(given).decode() == f"\0{USER}\0{PASSWORD}":
            self.signed_in = True
            self.say("235 welcome")
        else:
            self.say("535 5.7.8 wrong password")

    def mail(self, rest: str) -> None:
        found = re.fullmatch(r"FROM:<([^<>\s]+@[^<>\s]+)>(?: SIZE=\d+)?", rest, re.IGNORECASE)
        if not self.signed_in:
            self.say("530 5.7.0 sign in first")
        elif not found:
            self.say("501 5.5.4 what sender?")
        else:
            self.sender = found[1]
            self.say("250 ok")

    def rcpt(self, rest: str) -> None:
        found = re.fullmatch(r"TO:<([^<>\s]+@[^<>\s]+)>", rest, re.IGNORECASE)
        if not found:
            self.say("501 5.5.4 what recipient?")
        else:
            self.recipients.append(found[1])
            self.say("250 ok")

    def data(self, _: str) -> None:
        self.say("354 end with a dot")
        body = self.body()
        self.at("before the end")
        if self.fault.startswith("end: ") and self.fault[5:6].isdigit():
            self.at("end")
            return
        self.state.taken.append(Taken(self.sender, self.recipients, body, self.encrypted))
        self.at("end")
        self.say("250 2.0.0 taken")

    def body(self) -> bytes:
        """The lines up to the dot; strict as a server without 8BITMIME may be."""
        lines: list[bytes] = []
        while True:
            if self.fault == "before the end: close" and len(lines) > 3:
                raise Closed
            raw = self.rfile.readline(1001)
            if not raw:
                raise Closed
            if raw == b".\r\n":
                return b"".join(lines)
            assert raw.endswith(b"\r\n"), raw
            assert b"\r" not in raw[:-2], raw
            assert len(raw) <= 1000, raw
            assert raw.isascii(), raw
            lines.append(raw[1:] if raw.startswith(b".") else raw)


class _Raw:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.closed = False

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, state: State, *, encrypted: bool) -> None:
        self.state = state
        self.encrypted = encrypted
        self.wrong: list[BaseException] = []
        super().__init__(("127.0.0.1", 0), _Session)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self.encrypted:
            assert self.state.tls
            connection.settimeout(5)
            connection = self.state.tls.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if isinstance(error, AssertionError):
            self.wrong.append(error)


@dataclass
class SmtpServer:
    """What a test holds: where the server listens, its state, and what broke the protocol."""

    state: State
    server: _Server

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def taken(self) -> list[Taken]:
        return self.state.taken


@contextlib.contextmanager
def running(
    *faults: str, tls: ssl.SSLContext | None = None, encrypted: bool = False, sign_in: bool = False
) -> Iterator[SmtpServer]:
    """A mail server for a `with` block. A fault is "<place>: <answer, close, slow or silent>"."""
    state = State(list(faults), tls=tls, sign_in=sign_in)
    with _Server(state, encrypted=encrypted) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield SmtpServer(state, server)
        finally:
            state.over.set()
            server.shutdown()
            thread.join()
    assert server.wrong == []


def certificate(folder: Any) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for localhost and the file of the authority to trust for it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, str(public)
