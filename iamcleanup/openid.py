"""OpenID Connect, as far as it is needed: the code flow with PKCE against one configured issuer.

Written here and not taken from allauth, whose provider sends no nonce, does not check the
signature, and knows people by the name of the provider instead of its issuer. Nothing is cached: a
sign-in is rare, and a key or address that the issuer changed must count at once. Times are real
ones: tokens do not follow a moved clock.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlencode, urlsplit

import jwt
import requests
from django.conf import settings

from iamcleanup.play import is_loopback
from inventory.refusals import Refused
from migrations_app.sign_ins import Vouched

# Signatures that only the issuer can make; never `none`, never one made with a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
# Seconds, to connect and between two reads.
PATIENCE = 5
CLOCKS_DIFFER = 60
MOST_BYTES = 1_000_000


class IssuerDown(Refused):
    """The issuer does not answer, or not with what it must."""

    status = 503


class NotVouched(Refused):
    """The issuer answered, and nobody may come in with that; `why` is for the log."""

    status = 403
    usual_rule = "not-vouched"

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(reason)
        self.why = why


@dataclass(frozen=True, slots=True)
class Issuer:
    """What is configured of the issuer; `name` is the one people know it by."""

    url: str
    name: str
    client_id: str
    client_secret: str
    scopes: str
    groups_claim: str
    email_domains: frozenset[str]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the issuer says of itself at its well-known address."""

    issuer: str
    authorize: str
    token: str
    keys: str
    userinfo: str
    auth_methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What ties the answer to the browser that asked; it stays in that browser's session."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


def configured() -> Issuer | None:
    """The issuer of the settings; None where there is none."""
    if not settings.OIDC_ISSUER:
        return None
    return Issuer(
        url=settings.OIDC_ISSUER,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        client_secret=settings.OIDC_CLIENT_SECRET,
        scopes=settings.OIDC_SCOPES,
        groups_claim=settings.OIDC_GROUPS_CLAIM,
        email_domains=frozenset(domain.lower() for domain in settings.OIDC_EMAIL_DOMAINS),
    )


def authorize_url(issuer: Issuer, attempt: Attempt, back_to: str) -> str:
    """Where the browser goes to sign in. IssuerDown where its configuration cannot be read."""
    endpoint = discover(issuer).authorize
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": issuer.client_id,
        "redirect_uri": back_to,
        "scope": issuer.scopes,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


def vouched(issuer: Issuer, attempt: Attempt, answer: Mapping[str, str], back_to: str) -> Vouched:
    """Whom the issuer vouches for; `answer` is what it sent by the browser, `back_to` as asked.

    IssuerDown where it does not answer, NotVouched where anything is not as it must be.
    """
    if answer.get("error"):
        raise _refused_there(issuer, answer["error"])
    endpoints = discover(issuer)
    # RFC 9207: another issuer's answer must not be taken to this one.
    if answer.get("iss", endpoints.issuer) != endpoints.issuer or not answer.get("code"):
        raise _wrong(issuer, "the answer is of another issuer or holds no code")
    tokens = _exchange(issuer, endpoints, answer["code"], attempt.verifier, back_to)
    claims = _verified(issuer, endpoints, str(tokens.get("id_token", "")), attempt.nonce)
    claims = _with_userinfo(issuer, endpoints, claims, str(tokens.get("access_token", "")))
    email = claims.get("email")
    return Vouched(
        issuer=endpoints.issuer,
        issuer_name=issuer.name,
        subject=str(claims["sub"]),
        email=email.strip() if isinstance(email, str) else "",
        email_verified=_is_verified(issuer, claims),
        name=str(claims.get("name") or claims.get("preferred_username") or ""),
        groups=_groups(issuer, claims),
    )


def discover(issuer: Issuer) -> Endpoints:
    """The issuer's own configuration, read anew."""
    found = _json(issuer, f"{issuer.url.rstrip('/')}/.well-known/openid-configuration")
    named = str(found.get("issuer", ""))
    if named.rstrip("/") != issuer.url.rstrip("/"):
        raise _wrong(issuer, f"its configuration is that of {named}")
    return Endpoints(
        issuer=named,
        authorize=_address(issuer, found, "authorization_endpoint"),
        token=_address(issuer, found, "token_endpoint"),
        keys=_address(issuer, found, "jwks_uri"),
        userinfo=_address(issuer, found, "userinfo_endpoint", needed=False),
        auth_methods=tuple(found.get("token_endpoint_auth_methods_supported") or ()),
    )


def _address(issuer: Issuer, found: dict[str, Any], key: str, *, needed: bool = True) -> str:
    url = str(found.get(key) or "")
    parts = urlsplit(url)
    here = settings.PLAY and is_loopback(parts.hostname or "")
    if parts.scheme == "https" or (here and parts.scheme == "http") or not (needed or url):
        return url
    raise _wrong(issuer, f"its {key} is no https address")


def _exchange(
    issuer: Issuer, endpoints: Endpoints, code: str, verifier: str, back_to: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back_to,
        "code_verifier": verifier,
    }
    basic = None
    if not issuer.client_secret:
        form["client_id"] = issuer.client_id
    elif "client_secret_post" in endpoints.auth_methods and (
        "client_secret_basic" not in endpoints.auth_methods
    ):
        form |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    else:
        # RFC 6749, 2.3.1: both are form-encoded first.
        basic = (quote_plus(issuer.client_id), quote_plus(issuer.client_secret))
    return _json(issuer, endpoints.token, form=form, basic=basic)


def _verified(issuer: Issuer, endpoints: Endpoints, token: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token whose signature, issuer, audience, times and nonce are right."""
    try:
        header = jwt.get_unverified_header(token)
        key = _key(_json(issuer, endpoints.keys), header)
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            audience=issuer.client_id,
            issuer=endpoints.issuer,
            leeway=CLOCKS_DIFFER,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _wrong(issuer, f"its ID token is not valid: {error}") from error
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp", "" if len(audiences) > 1 else issuer.client_id)
    if party != issuer.client_id:
        raise _wrong(issuer, "its ID token was made for another application")
    if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise _wrong(issuer, "its ID token answers another sign-in")
    if not claims["sub"] or len(str(claims["sub"])) > 255:
        raise _wrong(issuer, "its ID token names nobody")
    return claims


def _key(found: dict[str, Any], header: dict[str, Any]) -> jwt.PyJWK:
    """The issuer's key with which a token of this header claims to be signed; ValueError if none.

    The algorithm is the key's own, so a token cannot choose a weaker one.
    """
    wanted = header.get("kid")
    for key in jwt.PyJWKSet.from_dict(found).keys:
        fits = key.key_id == wanted if wanted else True
        if fits and key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS:
            return key
    raise ValueError("no key of the issuer fits its signature")


def _with_userinfo(
    issuer: Issuer, endpoints: Endpoints, claims: dict[str, Any], access_token: str
) -> dict[str, Any]:
    """The claims, with what only the user info tells: some issuers keep the ID token thin."""
    whole = "email" in claims and issuer.groups_claim in claims
    if whole or not endpoints.userinfo or not access_token:
        return claims
    more = _json(issuer, endpoints.userinfo, bearer=access_token)
    if more.get("sub") != claims["sub"]:
        raise _wrong(issuer, "its user info is about somebody else")
    # What was signed wins, and whether an address is verified is told of that address only.
    if "email" in claims and more.get("email") != claims["email"]:
        more.pop("email_verified", None)
    return more | claims


def _is_verified(issuer: Issuer, claims: dict[str, Any]) -> bool:
    told = claims.get("email_verified")
    if told is None:
        domain = str(claims.get("email", "")).rpartition("@")[2].lower()
        return domain in issuer.email_domains
    # Cognito and others send the text.
    return told is True or told == "true"


def _groups(issuer: Issuer, claims: dict[str, Any]) -> frozenset[str]:
    """The groups it names; none where it names none. NotVouched where there were too many to send.

    Unknown is never none: roles must not be lost because a token was too small for them.
    """
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (
        isinstance(elsewhere, dict) and issuer.groups_claim in elsewhere
    ):
        raise NotVouched(
            f"{issuer.name} did not send your groups, because there are too many. Ask Security to "
            "let it send only those that IAM Cleanup needs.",
            "too many groups",
        )
    told = claims.get(issuer.groups_claim)
    if isinstance(told, str) and told[:1] + told[-1:] == "[]":
        # Cognito flattens what a SAML provider sends: one text, each value form-encoded.
        return frozenset(unquote_plus(group.strip()) for group in told[1:-1].split(","))
    groups = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    return frozenset(group for group in groups if isinstance(group, str))


def _json(
    issuer: Issuer,
    url: str,
    *,
    form: dict[str, str] | None = None,
    basic: tuple[str, str] | None = None,
    bearer: str = "",
) -> dict[str, Any]:
    """The JSON object at `url`. IssuerDown where there is none, NotVouched where it says no."""
    headers = {"Accept": "application/json"} | (
        {"Authorization": f"Bearer {bearer}"} if bearer else {}
    )
    try:
        with requests.request(
            "POST" if form else "GET",
            url,
            data=form,
            auth=basic,
            headers=headers,
            timeout=PATIENCE,
            # Nothing that carries a secret follows where an answer points.
            allow_redirects=False,
            stream=True,
        ) as answer:
            body = answer.raw.read(MOST_BYTES, decode_content=True)
            found = json.loads(body)
    except (requests.RequestException, OSError, ValueError) as error:
        raise _down(issuer) from error
    if answer.status_code in (400, 401, 403):
        said = found.get("error", answer.status_code) if isinstance(found, dict) else ""
        raise _wrong(issuer, f"{urlsplit(url).path} answered {said}")
    if answer.status_code != 200 or not isinstance(found, dict):
        raise _down(issuer)
    return found


def _down(issuer: Issuer) -> IssuerDown:
    way = ", or sign in with a local account" if settings.IAMCLEANUP_LOCAL_SIGN_IN else ""
    return IssuerDown(
        f"{issuer.name} does not answer. Try again in a minute{way}. Restoring still works by "
        "manage.py restore.",
        rule="issuer-down",
    )


def _wrong(issuer: Issuer, why: str) -> NotVouched:
    return NotVouched(
        f"{issuer.name} and IAM Cleanup do not agree, so nobody was signed in. Try once more; if "
        "it stays, tell Security: the log says why.",
        why,
    )


def _refused_there(issuer: Issuer, error: str) -> NotVouched:
    if error == "access_denied":
        return NotVouched(
            f"{issuer.name} did not let you in, or you cancelled. If you should have access, ask "
            "Security to assign you to IAM Cleanup there.",
            "access_denied",
        )
    return _wrong(issuer, f"it answered {error[:100]}")
