"""An OpenID issuer on this machine, over HTTP, with keys of its own: what Okta is to the product.

It checks what a real one checks: the redirect address, the client's secret, PKCE, and that a code
is used once. A test spoils what it sends by `change` (the ID token's claims), `headers`, `key`,
`configuration`, `userinfo` and `broken`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_django import Settings

CLIENT_ID = "iam cleanup:web"
CLIENT_SECRET = "a secret with +/% signs"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A signing key; making one takes a while, so all tests share it."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(name: str) -> bytes:
    return key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Issuer:
    """What the issuer knows and how it misbehaves; `asked` holds each request to it."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    headers: dict[str, Any] = field(default_factory=lambda: {"kid": "one"})
    key: str = "one"
    algorithm: str = "RS256"
    configuration: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    # Shown to a browser before it is sent back, as a real issuer shows its sign-in form.
    asks: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def knows(self, subject: str, email: str, *groups: str, **more: Any) -> None:
        """Whoever signs in next is this person."""
        self.claims = {
            "sub": subject,
            "email": email,
            "email_verified": True,
            "name": more.pop("name", email.partition("@")[0].title()),
            "groups": list(groups),
        } | more

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **({"userinfo_endpoint": f"{self.url}/userinfo"} if self.userinfo else {}),
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        } | self.configuration

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key("one").public_key()))
        return {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """The address the browser is sent back to."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        begun = self.codes.pop(form.get("code", ""), None)
        if begun is None or form.get("redirect_uri") != begun["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        basic = f"{quote(CLIENT_ID, safe='').replace('%20', '+')}:"
        basic += quote(CLIENT_SECRET, safe="").replace("%20", "+")
        if authorization != f"Basic {base64.b64encode(basic.encode()).decode()}":
            return 401, {"error": "invalid_client"}
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != begun["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
        } | self.claims
        secrets: dict[str, Any] = {"HS256": b"a shared secret of thirty-two bytes", "none": None}
        token = jwt.encode(
            self.change(claims),
            secrets[self.algorithm] if self.algorithm in secrets else pem(self.key),
            algorithm=self.algorithm,
            headers=self.headers,
        )
        return 200, {"id_token": token, "access_token": "opaque", "token_type": "Bearer"}


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        path, asked = self._asked(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            self._json(200, self.issuer.document())
        elif path == "/keys":
            self._json(200, self.issuer.keys())
        elif path == "/userinfo":
            self._json(200, self.issuer.userinfo or {})
        elif path == "/authorize" and self.issuer.asks and "sure" not in asked:
            self._page(asked)
        elif path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.issuer.authorize(asked))
            self.end_headers()
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        _, form = self._asked(body)
        self._json(*self.issuer.exchange(form, self.headers.get("Authorization", "")))

    def _asked(self, query: str) -> tuple[str, dict[str, str]]:
        path = urlsplit(self.path).path
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        self.issuer.asked.append((path, asked))
        return path, asked

    def _json(self, status: int, found: dict[str, Any]) -> None:
        status, body = self.issuer.broken.get(
            urlsplit(self.path).path, (status, json.dumps(found).encode())
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def _page(self, asked: dict[str, str]) -> None:
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        page = f"""<!doctype html><html lang="en"><title>Okta</title>
            <link rel="icon" href="data:,"><main><h1>Okta</h1>
            <form action="/authorize">{fields}<button name="sure" value="yes">I am
            {html.escape(self.issuer.claims["name"])}</button></form></main></html>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def okta(settings: Settings) -> Iterator[Issuer]:
    """A running issuer that the settings name."""
    issuer = Issuer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"issuer": issuer}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    settings.OIDC_ISSUER, settings.OIDC_NAME = issuer.url, "Okta"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    yield issuer
    server.shutdown()
    server.server_close()
