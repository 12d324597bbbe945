"""The signature of an evidence pack: Ed25519, so the same bytes always give the same signature.

The private key comes from the environment of the worker that builds packs, never from the database.
An auditor pins the public key by its fingerprint: the SHA-256 of its DER form, in hex.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_DER = serialization.Encoding.DER
_PEM = serialization.Encoding.PEM
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS8 = serialization.PrivateFormat.PKCS8
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class BadKey(ValueError):
    """What should be a key is none; says so without a word of what it held."""


def private_key(text: str) -> Ed25519PrivateKey:
    """The key of a PEM file, or of its base64 on one line as an environment holds it; BadKey."""
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_private_key(text.encode(), None)
        else:
            der = base64.b64decode("".join(text.split()), validate=True)
            key = serialization.load_der_private_key(der, None)
    except (ValueError, TypeError, binascii.Error) as error:
        # Not its words: they may quote a part of the key.
        raise BadKey(f"The signing key cannot be read ({type(error).__name__}). {_HOW}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"The signing key is of another kind than Ed25519. {_HOW}")
    return key


_HOW = "Make one with: openssl genpkey -algorithm ed25519"


def new_private_key() -> str:
    """A new key as PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption()).decode()


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public half as PEM, to be given to whoever checks."""
    return key.public_key().public_bytes(_PEM, _PUBLIC).decode()


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The key of a PEM file; BadKey."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise BadKey(f"That is no public key in PEM form ({type(error).__name__}).") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadKey("That public key is of another kind than Ed25519.")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's DER form, in hex: `openssl pkey -pubin -outform DER | sha256sum`."""
    return hashlib.sha256(key.public_bytes(_DER, _PUBLIC)).hexdigest()


def is_fingerprint(text: str) -> bool:
    """Whether this is a fingerprint, and not the name of a file."""
    return _FINGERPRINT.fullmatch(text) is not None


def holds(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` over `signed` was made with this key's private half."""
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
