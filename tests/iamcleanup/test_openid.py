"""Sign-in by OpenID Connect against a real issuer over HTTP: what it takes, and what it refuses."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from pytest_django import Settings

from iamcleanup import openid
from inventory import clock
from inventory.models import Identity, LedgerEntry, Organization, Person, Role
from migrations_app import tokens
from migrations_app.changes import approval
from tests import cast
from tests.issuer import Issuer

pytestmark = pytest.mark.django_db
DISAGREE = "do not agree, so nobody was signed in"


@pytest.fixture
def everybody() -> cast.Cast:
    everybody = cast.cast()
    Organization.objects.update(
        sign_in={
            "group_roles": {
                "engineers": {"roles": ["engineer", "approver"], "teams": []},
                "payments-leads": {"roles": ["lead"], "teams": ["payments"]},
            }
        }
    )
    return everybody


def begin(client: Client, onward: str = "") -> str:
    """Start at the sign-in page; the address the browser is led to."""
    page = client.post("/sign-in/openid/", {"next": onward}).content.decode()
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page)
    assert found, page
    return found[1].replace("&amp;", "&")


def come_back(client: Client, led_to: str) -> Any:
    """What a browser does at the issuer, and back: the answer of the product."""
    answer = requests.get(led_to, allow_redirects=False, timeout=5)
    back = urlsplit(answer.headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def sign_in(client: Client, onward: str = "") -> Any:
    return come_back(client, begin(client, onward))


def who(client: Client) -> str:
    """The username of whoever is signed in; empty for nobody."""
    pk = client.session.get("_auth_user_id")
    return Person.objects.get(pk=pk).username if pk else ""


def refused(answer: Any) -> str:
    """Why the sign-in page lets nobody in."""
    page = answer.content.decode()
    assert "Sign in" in page
    found = re.search(r'role="alert">.*?<div class="grow">(.*?)</div>', page, re.DOTALL)
    assert found, page
    return found[1]


# --- Who comes in -----------------------------------------------------------------------------


def test_a_declared_person_is_joined_by_verified_e_mail_and_goes_where_the_link_pointed(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "Sara@acme.example")
    answer = sign_in(client, "/claim/payments/?open=1")
    assert (answer.status_code, answer["Location"]) == (302, "/claim/payments/?open=1")
    assert who(client) == "sara"
    identity = Identity.objects.get()
    assert (identity.person, identity.issuer, identity.subject) == (
        everybody.sara,
        okta.url,
        "00u1",
    )
    assert Person.objects.get(pk=everybody.sara.pk).roles == [Role.LEAD]


def test_the_second_sign_in_knows_the_person_by_subject_whatever_the_address_is_now(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "sara@acme.example")
    sign_in(client)
    client.post("/sign-out/")
    okta.knows("00u1", "sara.new-name@acme.example")
    sign_in(client)
    assert who(client) == "sara"
    assert (Identity.objects.count(), Person.objects.count()) == (1, 6)


def test_the_browser_is_led_on_with_pkce_state_and_nonce(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    asked = parse_qs(urlsplit(begin(client)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://testserver/sign-in/openid/back/"]
    assert asked["scope"] == ["openid email profile"]
    secrets = [asked[name][0] for name in ("state", "nonce", "code_challenge")]
    assert len(set(secrets)) == 3
    assert all(len(one) >= 43 for one in secrets)


@pytest.mark.parametrize(
    "onward", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"]
)
def test_the_way_back_never_leads_to_another_site(
    client: Client, okta: Issuer, everybody: cast.Cast, onward: str
) -> None:
    okta.knows("00u1", "sara@acme.example")
    assert sign_in(client, onward)["Location"] == "/"


def test_groups_give_roles_and_the_teams_they_lead_beside_the_file(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u5", "vera@acme.example", "engineers", "payments-leads", "everybody")
    sign_in(client)
    vera = Person.objects.get(username="vera")
    assert vera.roles == ["approver", "engineer", "lead", "viewer"]
    assert vera.granted_roles == ["approver", "engineer", "lead"]
    assert vera.groups == ["engineers", "payments-leads"]
    assert vera.leads_team(everybody.payments)
    assert not vera.leads_team(everybody.platform)


def test_somebody_whom_only_a_group_brings_becomes_a_person(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u9", "lee@acme.example", "payments-leads", name="Lee <b>Park</b>")
    sign_in(client)
    lee = Person.objects.get(username="lee@acme.example")
    assert (lee.name, lee.roles, lee.declared) == ("Lee <b>Park</b>", ["lead"], False)
    assert lee.leads_team(everybody.payments)
    assert "Lee &lt;b&gt;Park" in client.get("/settings/tokens/").content.decode()


@pytest.mark.parametrize("email", ["lee@acme.example", "vera@acme.example"])
def test_somebody_in_no_group_and_without_a_role_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast, email: str
) -> None:
    Person.objects.filter(username="vera").update(roles=[])
    okta.knows("00u9", email, "everybody")
    answer = sign_in(client, "/soak/")
    assert answer.status_code == 403
    assert refused(answer) == "Okta says you are not in a group that may use this. Ask Security."
    assert 'name="next" value="/soak/"' in answer.content.decode()
    assert who(client) == ""


def test_a_lost_group_takes_roles_tokens_and_approvals_along_at_once(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u9", "lee@acme.example", "engineers")
    sign_in(client)
    lee = Person.objects.get(username="lee@acme.example")
    _, secret = tokens.make(lee, "script", ["operate"], made_by=lee)
    batch = cast.batch(everybody.account, everybody.jonas, approved_by=lee)
    assert tokens.usable(secret)
    assert approval.approver_still_may(batch)
    okta.knows("00u9", "lee@acme.example")
    assert sign_in(Client()).status_code == 403
    batch.refresh_from_db()
    assert Person.objects.get(pk=lee.pk).roles == []
    assert tokens.usable(secret) is None
    assert not approval.approver_still_may(batch)
    entry = LedgerEntry.objects.filter(kind="person.roles").latest("seq")
    assert entry.data["lost"] == ["approver", "engineer"]
    # The session that was open already may do nothing any more.
    assert client.get("/users/").status_code == 403


# --- Who does not -----------------------------------------------------------------------------


@pytest.mark.parametrize("told", [False, "false", None, 1, "yes"])
def test_an_address_that_is_not_verified_joins_nobody(
    client: Client, okta: Issuer, everybody: cast.Cast, told: object
) -> None:
    okta.knows("evil", "ada@acme.example", "engineers", email_verified=told)
    answer = sign_in(client)
    assert refused(answer) == (
        "Okta has not verified ada@acme.example. Verify it there, then sign in again."
    )
    assert not Identity.objects.exists()
    assert who(client) == ""


def test_a_trusted_domain_needs_no_word_about_the_address_but_believes_a_no(
    client: Client, okta: Issuer, everybody: cast.Cast, settings: Settings
) -> None:
    settings.OIDC_EMAIL_DOMAINS = ["ACME.example"]
    okta.knows("00u1", "sara@acme.example", email_verified=False)
    assert sign_in(client).status_code == 403
    del okta.claims["email_verified"]
    sign_in(client)
    assert who(client) == "sara"


@pytest.mark.parametrize(
    "email", ["", "sara", f"{'s' * 60}@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}"]
)
def test_no_address_at_all_says_what_to_ask_for(
    client: Client, okta: Issuer, everybody: cast.Cast, email: str
) -> None:
    okta.knows("00u1", email, "engineers")
    assert "let it send the e-mail claim" in refused(sign_in(client))


def test_an_address_that_was_given_to_somebody_else_takes_over_nothing(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "ada@acme.example")
    sign_in(client)
    client.post("/sign-out/")
    okta.knows("00u2", "ada@acme.example")
    assert "used to know ada@acme.example as somebody else" in refused(sign_in(client))
    assert who(client) == ""


def test_letters_that_only_a_database_takes_for_the_same_take_over_nothing(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    Person.objects.filter(username="ada").update(email="ali@acme.example")
    okta.knows("evil", "al\u0131@acme.example")
    assert sign_in(client).status_code == 403
    assert who(client) == ""


def test_a_person_who_is_switched_off_stays_out(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "jonas@acme.example", "engineers")
    sign_in(client)
    Person.objects.filter(username="jonas").update(is_active=False)
    assert client.get("/users/").status_code == 302
    answer = sign_in(Client())
    assert refused(answer) == "This account is switched off. Ask Security."


def test_the_same_subject_of_another_issuer_is_somebody_else(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    Identity.objects.create(
        person=everybody.ada,
        issuer="https://old.example",
        subject="00u1",
        email="ada@acme.example",
        joined_at=clock.now(),
        last_at=clock.now(),
    )
    okta.knows("00u1", "vera@acme.example")
    sign_in(client)
    assert who(client) == "vera"


# --- Tokens that are not what they should be -----------------------------------------------------


def spoiled(**claims: Any) -> Any:
    return lambda good: {
        name: value for name, value in (good | claims).items() if value is not None
    }


WRONG = {
    "another nonce": spoiled(nonce="other"),
    "no nonce": spoiled(nonce=None),
    "another audience": spoiled(aud="another"),
    "made for another party": spoiled(aud=["another", "iam cleanup:web"], azp="another"),
    "two audiences and no party": spoiled(aud=["another", "iam cleanup:web"]),
    "another issuer": spoiled(iss="https://evil.example"),
    "expired": spoiled(exp=1),
    "not made yet": spoiled(iat=4_000_000_000),
    "no end": spoiled(exp=None),
    "no subject": spoiled(sub=None),
    "an empty subject": spoiled(sub=""),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_token_with_a_wrong_claim_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast, change: Any
) -> None:
    okta.knows("00u1", "sara@acme.example")
    okta.change = change
    answer = sign_in(client)
    assert answer.status_code == 403
    assert DISAGREE in refused(answer)
    assert who(client) == ""


@pytest.mark.parametrize(
    "signed",
    [
        ("RS256", "two", "one"),
        ("RS256", "one", "other"),
        ("HS256", "one", "one"),
        ("none", "", "one"),
    ],
)
def test_a_token_that_the_issuer_did_not_sign_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast, signed: tuple[str, str, str]
) -> None:
    okta.knows("00u1", "sara@acme.example")
    okta.algorithm, okta.key, kid = signed
    okta.headers = {"kid": kid}
    assert DISAGREE in refused(sign_in(client))
    assert who(client) == ""


def test_groups_that_were_too_many_to_send_are_not_taken_for_none(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u9", "lee@acme.example", "engineers")
    sign_in(client)
    for marker in ({"_claim_names": {"groups": "src1"}}, {"hasgroups": True}):
        okta.knows("00u9", "lee@acme.example", **marker)
        del okta.claims["groups"]
        assert "because there are too many" in refused(sign_in(Client()))
    assert Person.objects.get(username="lee@acme.example").roles == ["approver", "engineer"]


# --- A thin token ---------------------------------------------------------------------------------


def test_what_the_token_leaves_out_is_asked_of_the_user_info(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.claims = {"sub": "00u9"}
    okta.userinfo = {
        "sub": "00u9",
        "email": "lee@acme.example",
        "email_verified": True,
        "groups": "engineers",
    }
    sign_in(client)
    assert Person.objects.get(username="lee@acme.example").groups == ["engineers"]


def test_groups_that_cognito_flattened_into_one_text_are_read(
    client: Client, okta: Issuer, everybody: cast.Cast, settings: Settings
) -> None:
    settings.OIDC_GROUPS_CLAIM = "custom:groups"
    okta.knows("00u5", "vera@acme.example", **{"custom:groups": "[engineers, payments%2Dleads]"})
    sign_in(client)
    assert Person.objects.get(username="vera").groups == ["engineers", "payments-leads"]


def test_user_info_about_somebody_else_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.claims = {"sub": "00u9"}
    okta.userinfo = {"sub": "00u1", "email": "ada@acme.example", "email_verified": True}
    assert DISAGREE in refused(sign_in(client))


def test_another_address_of_the_user_info_verifies_nothing(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.claims = {"sub": "00u9", "email": "ada@acme.example"}
    okta.userinfo = {"sub": "00u9", "email": "evil@acme.example", "email_verified": True}
    assert "has not verified ada@acme.example" in refused(sign_in(client))


# --- The way there and back -----------------------------------------------------------------------


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "sara@acme.example")
    stolen = begin(Client())
    begin(client)
    answer = come_back(client, stolen)
    assert "Start again here" in refused(answer)
    assert who(client) == ""


def test_an_answer_counts_once_and_not_after_ten_minutes(
    client: Client, okta: Issuer, everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    okta.knows("00u1", "sara@acme.example")
    led_to = begin(client)
    come_back(client, led_to)
    client.post("/sign-out/")
    assert "Start again here" in refused(come_back(client, led_to))
    led_to = begin(client)
    monkeypatch.setattr("iamcleanup.sign_in_pages.HOLDS", -1)
    assert "Start again here" in refused(come_back(client, led_to))


def test_two_windows_may_be_on_their_way_at_once(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "sara@acme.example")
    first, second = begin(client, "/users/"), begin(client, "/soak/")
    assert come_back(client, first)["Location"] == "/users/"
    assert come_back(client, second)["Location"] == "/soak/"


def test_a_code_that_was_begun_by_another_browser_fails_the_issuers_own_check(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    okta.knows("00u1", "sara@acme.example")
    mine, theirs = (parse_qs(urlsplit(begin(one)).query) for one in (client, Client()))
    code = okta.authorize({name: values[0] for name, values in theirs.items()})
    answer = client.get(
        "/sign-in/openid/back/",
        {"code": parse_qs(urlsplit(code).query)["code"][0], "state": mine["state"][0]},
    )
    assert DISAGREE in refused(answer)


def test_an_answer_of_another_issuer_is_not_taken_to_this_one(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    answer = client.get(
        "/sign-in/openid/back/", {"code": "x", "state": state, "iss": "https://evil.example"}
    )
    assert DISAGREE in refused(answer)
    assert not [path for path, _ in okta.asked if path == "/token"]


def test_the_code_that_signs_somebody_in_is_no_line_of_a_log(
    client: Client, okta: Issuer, everybody: cast.Cast, caplog: pytest.LogCaptureFixture
) -> None:
    okta.knows("00u1", "sara@acme.example")
    caplog.set_level("INFO")
    sign_in(client)
    assert "GET /sign-in/openid/back/" in caplog.text
    assert "code-0" not in caplog.text


def test_who_cancels_or_is_not_assigned_there_reads_what_to_do(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    answer = client.get("/sign-in/openid/back/", {"error": "access_denied", "state": state})
    assert "ask Security to assign you to IAM Cleanup there" in refused(answer)


@pytest.mark.parametrize(
    ("path", "broken"),
    [
        ("/.well-known/openid-configuration", (503, b"{}")),
        ("/.well-known/openid-configuration", (200, b"<html>down</html>")),
        ("/token", (500, b"{}")),
        ("/keys", (302, b"{}")),
    ],
)
def test_an_issuer_that_is_down_says_so_and_shows_the_other_way(
    client: Client, okta: Issuer, everybody: cast.Cast, path: str, broken: tuple[int, bytes]
) -> None:
    okta.knows("00u1", "sara@acme.example")
    led_to = begin(client)
    okta.broken[path] = broken
    answer = come_back(client, led_to)
    assert answer.status_code == 503
    assert refused(answer).startswith(
        "Okta does not answer. Try again in a minute, or sign in with a local account."
    )


def test_an_issuer_that_is_gone_is_said_before_anybody_is_sent_there(
    client: Client, okta: Issuer, everybody: cast.Cast, settings: Settings
) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:1"
    answer = client.post("/sign-in/openid/", {"next": "/soak/"})
    assert answer.status_code == 503
    assert "Okta does not answer" in refused(answer)
    assert 'name="next" value="/soak/"' in answer.content.decode()


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": ""},
    ],
)
def test_a_configuration_that_leads_elsewhere_is_refused(
    client: Client, okta: Issuer, everybody: cast.Cast, configuration: dict[str, str]
) -> None:
    okta.configuration = configuration
    answer = client.post("/sign-in/openid/")
    assert DISAGREE in refused(answer)


def test_a_wrong_client_secret_is_no_sign_in(
    client: Client, okta: Issuer, everybody: cast.Cast, settings: Settings
) -> None:
    settings.OIDC_CLIENT_SECRET = "old"
    okta.knows("00u1", "sara@acme.example")
    assert DISAGREE in refused(sign_in(client))


# --- The page ---------------------------------------------------------------------------------


def test_the_policy_for_forms_stays_at_ourselves_on_the_way_to_the_issuer(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    answer = client.post("/sign-in/openid/")
    assert answer.status_code == 200
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    assert okta.url not in answer["Content-Security-Policy"]


def test_local_accounts_can_be_switched_off(
    client: Client, okta: Issuer, everybody: cast.Cast, settings: Settings
) -> None:
    settings.IAMCLEANUP_LOCAL_SIGN_IN = False
    page = client.get("/sign-in/").content.decode()
    assert "Continue with Okta" in page
    assert "Password" not in page
    assert client.post("/sign-in/", {"login": "sara", "password": "x"}).status_code == 403


def test_without_an_issuer_there_is_no_way_to_one(client: Client, everybody: cast.Cast) -> None:
    assert openid.configured() is None
    assert "Continue with" not in client.get("/sign-in/").content.decode()
    assert client.post("/sign-in/openid/").status_code == 404
    assert client.get("/sign-in/openid/back/?state=x").status_code == 404


def test_a_session_that_has_ended_says_so(
    client: Client, okta: Issuer, everybody: cast.Cast
) -> None:
    client.force_login(everybody.sara)
    client.session.flush()
    page = client.get("/sign-in/?next=/soak/").content.decode()
    assert "Sign in again" in page
    assert "You come back to where you were." in page
