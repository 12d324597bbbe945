"""One mail handed to one mail server, and what each of its answers means.

The server takes a mail when it answers the dot that ends it. Up to that dot a fault is certain:
nothing arrived. After it a lost answer tells nothing, so the next try may be a second mail.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, cast

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from migrations_app.announce.message import NotSetUp, TryLater, Undeliverable
from migrations_app.announce.plain import shortened, visible

_SCHEMES = {"smtp": "", "smtp+tls": "starttls", "smtps": "starttls", "smtp+ssl": "ssl"}
_PORTS = {"": 25, "starttls": 587, "ssl": 465}
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_NETWORK = (OSError, smtplib.SMTPServerDisconnected)


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server, as IAMCLEANUP_MAIL_URL names it. Waits are in seconds."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    security: str = ""
    wait: float = 20
    # Servers scan a mail before they answer its end; giving up too early makes a second mail.
    wait_for_the_end: float = 60
    # Up to the dot. The outbox lends a mail for longer, so no other worker sends it meanwhile.
    patience: float = 180

    @classmethod
    def from_url(cls, url: str) -> Server:
        """The server of a URL like smtp+tls://user:password@mail.example.com:587; or NotSetUp."""
        scheme = url.partition("://")[0].lower()
        if scheme not in _SCHEMES:
            raise NotSetUp(
                "IAMCLEANUP_MAIL_URL must begin with smtp+tls://, smtp+ssl:// or smtp://."
            )
        try:
            found = environ.Env.email_url_config(url)
            found["EMAIL_HOST"].encode("idna")
        except (ValueError, AttributeError, ImproperlyConfigured):
            # `from None`: the error holds the URL, and with it the password.
            raise NotSetUp("IAMCLEANUP_MAIL_URL names no host that can be read.") from None
        user, password = found["EMAIL_HOST_USER"] or "", found["EMAIL_HOST_PASSWORD"] or ""
        security = _SCHEMES[scheme]
        _check_sign_in(user, password, found["EMAIL_HOST"], security)
        port = found["EMAIL_PORT"] or _PORTS[security]
        return cls(found["EMAIL_HOST"], port, user, password, security)


def _check_sign_in(user: str, password: str, host: str, security: str) -> None:
    if bool(user) != bool(password):
        raise NotSetUp("IAMCLEANUP_MAIL_URL has a user without a password, or the reverse.")
    if not (user + password).isascii():
        raise NotSetUp("The user and password in IAMCLEANUP_MAIL_URL must be ASCII.")
    if user and not security and host not in _THIS_MACHINE:
        raise NotSetUp(
            "IAMCLEANUP_MAIL_URL would send the password unencrypted. Use smtp+tls:// or smtp+ssl://."
        )


class _Ending(smtplib.SMTP):
    """Remembers whether the dot that ends the mail went out."""

    ended = False
    wait_for_the_end: float = 60
    until: float = float("inf")

    def send(self, s: Any) -> None:
        if isinstance(s, bytes) and s.endswith(b"\r\n.\r\n"):
            super().send(s[:-3])
            if time.monotonic() > self.until:
                # Without its dot the mail is none, so it can surely be sent later.
                raise TimeoutError("it answers too slowly")
            self.ended = True
            if self.sock:
                self.sock.settimeout(self.wait_for_the_end)
            s = s[-3:]
        super().send(s)


class _EndingSSL(_Ending, smtplib.SMTP_SSL):
    pass


class _Backend(EmailBackend):
    """Django's way to a mail server, over a connection that remembers."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _EndingSSL if self.use_ssl else _Ending


def deliver(server: Server, mail: EmailMessage) -> None:
    """Hand over the mail; returns when the server said that it took it.

    TryLater for what time may heal, Undeliverable (with what to do) for what it will not.
    """
    until = time.monotonic() + server.patience
    backend = _Backend(
        host=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.security == "starttls",
        use_ssl=server.security == "ssl",
        timeout=server.wait,
    )
    try:
        _connect(backend, server)
        _hand_over(backend, server, mail, until)
    finally:
        # The mail is taken or not by now; how the server says good-bye changes nothing.
        with contextlib.suppress(*_NETWORK, smtplib.SMTPException):
            backend.close()


def _connect(backend: _Backend, server: Server) -> None:
    try:
        backend.open()
    except smtplib.SMTPNotSupportedError as error:
        if server.security == "starttls" and "STARTTLS" in str(error):
            raise Undeliverable(
                f"{server.host} offers no STARTTLS on port {server.port}, so nothing was sent. "
                "Switch it on there, or use smtp+ssl:// in IAMCLEANUP_MAIL_URL."
            ) from error
        raise Undeliverable(_sign_in_refused(server, str(error))) from error
    except smtplib.SMTPAuthenticationError as error:
        if _passing(error.smtp_code):
            raise TryLater(f"{server.host} cannot sign us in now: {_words(error)}") from error
        raise Undeliverable(_sign_in_refused(server, _words(error))) from error
    except smtplib.SMTPResponseException as error:
        _judge(error, f"{server.host} refuses us", "Ask whoever runs the mail server.")
    except ssl.SSLCertVerificationError as error:
        raise Undeliverable(
            f"The certificate of {server.host} is not trusted: {error.verify_message}. Correct the "
            "host in IAMCLEANUP_MAIL_URL, or give its authority with SSL_CERT_FILE."
        ) from error
    except _NETWORK as error:
        raise TryLater(f"{server.host}:{server.port} cannot be reached: {_fault(error)}") from error
    except smtplib.SMTPException as error:
        raise Undeliverable(_sign_in_refused(server, str(error))) from error


def _hand_over(backend: _Backend, server: Server, mail: EmailMessage, until: float) -> None:
    connection = cast("_Ending", backend.connection)
    connection.wait_for_the_end, connection.until = server.wait_for_the_end, until
    try:
        backend.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        ((address, (code, said)),) = error.recipients.items()
        answer = smtplib.SMTPResponseException(code, said)
        what_to_do = "Correct the address, or ask whoever runs the mail server."
        _judge(answer, f"{server.host} refuses the address {address}", what_to_do)
    except smtplib.SMTPSenderRefused as error:
        what_to_do = "Set IAMCLEANUP_MAIL_FROM to an address that it lets us send from."
        _judge(error, f"{server.host} refuses the sender {error.sender}", what_to_do)
    except smtplib.SMTPDataError as error:
        what_to_do = "Ask whoever runs the mail server which rule the mail broke."
        _judge(error, f"{server.host} refuses the mail", what_to_do)
    except _NETWORK as error:
        why = f"{server.host} broke off: {_fault(error)}"
        raise TryLater(why, uncertain=connection.ended) from error
    except smtplib.SMTPException as error:
        why = f"{server.host} answered what we cannot read: {_fault(error)}"
        raise TryLater(why, uncertain=connection.ended) from error


def _judge(error: smtplib.SMTPResponseException, what: str, what_to_do: str) -> None:
    """4xx and unreadable answers pass, 5xx stays. Always raises."""
    why = f"{what}: {_words(error)}"
    if 500 <= error.smtp_code < 600:
        raise Undeliverable(f"{why} {what_to_do}") from error
    raise TryLater(why, uncertain=not _passing(error.smtp_code)) from error


def _passing(code: int) -> bool:
    return 400 <= code < 500


def _sign_in_refused(server: Server, words: str) -> str:
    return (
        f"{server.host} refuses our sign-in: {shortened(visible(words), 200)} "
        "Check the user and password in IAMCLEANUP_MAIL_URL."
    )


def _words(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return shortened(visible(f"{error.smtp_code} {text}"), 200)


def _fault(error: Exception) -> str:
    return shortened(visible(str(error) or type(error).__name__), 200)
