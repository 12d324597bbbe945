"""Local accounts always have a second factor: whoever has none yet sets it up before anything else.

People of the sign-in provider bring theirs along; this asks nothing of them.
"""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.http import HttpRequest

from inventory.models import Person
from inventory.refusals import Refused

MISSING = "second_factor_missing"
# When it was set up in this session, and for how many seconds nothing is asked again after that.
SET_UP_AT = "second_factor_set_up_at"
FRESH = 300
# The page that was asked for meanwhile, to which the recovery codes lead on.
ONWARD = "second_factor_onward"
# Where somebody may go who still has to set it up.
PAGES = frozenset({"mfa_activate_totp", "account_logout", "account_reauthenticate"})


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Keeps what an authenticator app knows encrypted, and lets nobody take the last factor off."""

    def encrypt(self, text: str) -> str:
        """What the database keeps of a second factor's secret."""
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again; Refused where SECRET_KEY is another one since."""
        try:
            return _box().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise Refused(
                "Your second factor cannot be read since SECRET_KEY was changed. Ask an admin to "
                "reset it: manage.py second_factor USERNAME --reset."
            ) from error

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Never the app: an admin resets it by `manage.py second_factor`, who then sets it anew."""
        return bool(authenticator.type != Authenticator.Type.TOTP)


def _box() -> Fernet:
    key = hashlib.sha256(b"second factor:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def note_sign_in(request: HttpRequest, user: Person, **_: Any) -> None:
    """Mark the session of somebody who came in by a password alone."""
    methods = {record["method"] for record in get_authentication_records(request, user)}
    if "password" in methods and "mfa" not in methods:
        request.session[MISSING] = True


def note_set_up(request: HttpRequest, **_: Any) -> None:
    """It is set up now."""
    request.session.pop(MISSING, None)
    request.session[SET_UP_AT] = time.time()


def is_theirs(request: HttpRequest) -> None:
    """The issuer answers for this session's second factor."""
    request.session.pop(MISSING, None)


def is_being_set_up(request: HttpRequest) -> bool:
    """Whether the password was given just now, to set it up and to see the recovery codes."""
    return is_missing(request) or time.time() - request.session.get(SET_UP_AT, 0) < FRESH


def remember(request: HttpRequest) -> None:
    """Where to go once it is set up."""
    if request.method == "GET":
        request.session[ONWARD] = request.get_full_path()


def is_missing(request: HttpRequest) -> bool:
    """Whether this session may do nothing but set up its second factor."""
    return bool(request.session.get(MISSING))
