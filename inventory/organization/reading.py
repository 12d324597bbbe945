"""The shape of `iamcleanup.yaml`: which keys there are, what each may hold, what refers to what."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from inventory.log_address import log_address
from inventory.models.people import Role
from inventory.names import wrong_name
from inventory.organization.document import BadDocument, Section, root
from inventory.organization.policy_section import account_policy, organization_policy
from inventory.organization.values import (
    BreakGlass,
    Declaration,
    DeclaredAccount,
    DeclaredPerson,
    DeclaredProtection,
    DeclaredTeam,
)
from inventory.policy import parse_duration

ACCOUNT_ID = r"\d{12}"
USER_NAME = r"[\w+=,.@-]{1,64}"
KEY = r"[a-z0-9][a-z0-9_-]{0,49}"
USERNAME = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,149}"
REGION = r"[a-z]{2}(-[a-z]+)+-\d"
ROLE_ARN = r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]{1,576}"
# STS: 2 to 1,224 characters; a value from the environment is written env:NAME.
EXTERNAL_ID = r"env:[A-Za-z_][A-Za-z0-9_]*|(?!env:)[\w+=,.@:/-]{2,1224}"
STORE_ARN = r"arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:eventdatastore/[0-9a-f-]{36}"
LONGEST_GROUP = 255
URL = r"https?://[^\s<>\"]+"


def sandbox_refusal(
    account_id: str, *, endpoint: str, allowed: Collection[str], batched_for_real: bool
) -> str:
    """Why this account may not be a sandbox (rule 20), or nothing.

    `endpoint` is AWS_ENDPOINT_URL, `allowed` are the ids of IAMCLEANUP_SANDBOX_ACCOUNTS.
    """
    if batched_for_real:
        return f"{account_id} had a batch in earnest, so it can never become a sandbox."
    if not endpoint and account_id not in allowed:
        return (
            f"{account_id} may be a sandbox only if AWS_ENDPOINT_URL is set or "
            "IAMCLEANUP_SANDBOX_ACCOUNTS names it."
        )
    return ""


def _always_allowed(_: str) -> str:
    return ""


def read(text: str, *, refuse_sandbox: Callable[[str], str] = _always_allowed) -> Declaration:
    """The declaration that `text` holds; BadDocument with every mistake and its line.

    `refuse_sandbox` says why an account id may not be a sandbox; nothing when it may.
    """
    document = root(text)
    accounts = tuple(
        _account(section, refuse_sandbox) for section in document.sections("accounts", "an account")
    )
    if not accounts and not document.has("accounts"):
        document.wrong(
            document.line_of("accounts"),
            "At least one account is needed; “accounts: []” where the first is connected in the"
            " browser.",
        )
    play = bool(accounts) and all(account.sandbox for account in accounts)
    teams = tuple(_team(section) for section in document.sections("teams", "a team"))
    people = tuple(_person(section) for section in document.sections("people", "a person"))
    policy, policy_lines = organization_policy(document, play)
    group_roles, group_lines = _group_roles(
        document, {team.key for team in teams if not team.successor}
    )
    declared = Declaration(
        accounts=accounts,
        break_glass=_break_glass(document),
        identity_center=_identity_center(document),
        policy=policy,
        custodian=document.text("custodian"),
        teams=teams,
        people=people,
        group_roles=group_roles,
        policy_lines=policy_lines,
        group_lines=group_lines,
    )
    document.close()
    _check_references(document, declared)
    if document.mistakes:
        raise BadDocument(document.mistakes)
    return _with_break_glass_protected(declared)


def _account(section: Section, refuse_sandbox: Callable[[str], str]) -> DeclaredAccount:
    account_id = section.needed("id", like=ACCOUNT_ID, what="account id of 12 digits")
    sandbox = section.flag("sandbox")
    if sandbox and account_id and (refusal := refuse_sandbox(account_id)):
        section.wrong(section.line_of("sandbox"), refusal)
    roles = {
        key: _role(section, key, account_id)
        for key in ("reader_role", "actor_role", "deleter_role")
    }
    account = DeclaredAccount(
        account_id=account_id,
        name=_name(section),
        time_zone=_time_zone(section),
        regions=_regions(section),
        **roles,
        external_id=section.text("external_id", like=EXTERNAL_ID, what="external id"),
        write_rate=section.whole("write_rate", 10, low=1, high=100),
        sandbox=sandbox,
        policy=account_policy(section, sandbox),
        trail_archive=_trail_archive(section, account_id),
        dashboards=tuple(map(_dashboard, section.sections("dashboards", "a dashboard"))),
        protected=tuple(
            _protection(one) for one in section.sections("protected", "a protected user")
        ),
        line=section.line,
    )
    if len(account.name) > 100:
        section.wrong(section.line_of("name"), "A name has 100 characters at most.")
    _once(section, "protected user", ((p.user.lower(), p.line) for p in account.protected))
    section.close()
    return account


def _role(section: Section, key: str, account_id: str) -> str:
    arn = section.text(key, like=ROLE_ARN, what="ARN of an IAM role")
    match = re.fullmatch(ROLE_ARN, arn, re.ASCII)
    if match and account_id and match[1] != account_id:
        section.wrong(section.line_of(key), f"{arn} is a role of {match[1]}, not of {account_id}.")
    return arn


def _time_zone(section: Section) -> str:
    name = section.text("time_zone", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        section.wrong(section.line_of("time_zone"), f"“{name}” is no time zone.")
        return "UTC"
    return name


def _regions(section: Section) -> tuple[str, ...]:
    if not section.has("regions") or section.is_text("regions", "all"):
        return ()
    found = section.texts("regions", like=REGION, what="Region")
    if not found:
        section.wrong(section.line_of("regions"), "Name at least one Region, or write all.")
    return found


def _trail_archive(section: Section, account_id: str) -> dict[str, str]:
    archive = section.section("trail_archive")
    if archive is None:
        return {}
    found = {
        "s3": archive.text("s3"),
        "lake": archive.text("lake", like=STORE_ARN, what="ARN of an event data store"),
    }
    named = [key for key in found if archive.has(key)]
    if len(named) != 1:
        which = "not both" if named else "one of them"
        archive.wrong(archive.line, f"“trail_archive” names s3 or lake, {which}.")
    address = archive.parsed("s3", log_address)
    if address and address.account_id not in ("", account_id):
        text = f"These are logs of {address.account_id}, not of {account_id}."
        archive.wrong(archive.line_of("s3"), text)
    archive.close()
    return {key: value for key, value in found.items() if value}


def _dashboard(section: Section) -> dict[str, str]:
    found = {
        "name": _name(section),
        "url": section.needed("url", like=URL, what="web address"),
    }
    section.close()
    return found


def _protection(section: Section) -> DeclaredProtection:
    found = DeclaredProtection(
        user=section.needed("user", like=USER_NAME, what="IAM user name"),
        kind=section.text("kind", "exempt", like="break-glass|exempt", what="kind of protection"),
        reason=section.text("reason"),
        owner=section.text("owner"),
        until=section.date("until"),
        line=section.line,
    )
    if found.kind == "break-glass" and found.until:
        section.wrong(section.line_of("until"), "A break-glass user is protected without an end.")
    section.close()
    return found


def _break_glass(document: Section) -> BreakGlass | None:
    section = document.section("break_glass")
    if section is None:
        return None
    section.parsed("drill_every", parse_duration)
    found = BreakGlass(
        account=section.needed("account", like=ACCOUNT_ID, what="account id of 12 digits"),
        user=section.needed("user", like=USER_NAME, what="IAM user name"),
        runbook=section.text("runbook"),
        drill_every=section.text("drill_every"),
        line=section.line,
    )
    section.close()
    return found


def _identity_center(document: Section) -> dict[str, str]:
    section = document.section("identity_center")
    if section is None:
        return {}
    found = {
        "account": section.needed("account", like=ACCOUNT_ID, what="account id of 12 digits"),
        "region": section.needed("region", like=REGION, what="Region"),
    }
    section.close()
    return found


def _name(section: Section, default: str | None = None) -> str:
    """What people read; needed where it has no default."""
    name = section.needed("name") if default is None else section.text("name", default)
    if wrong := wrong_name(name):
        section.wrong(section.line_of("name"), wrong)
    return name


def _team(section: Section) -> DeclaredTeam:
    key = section.needed("key", like=KEY, what="key of small letters, digits, - and _")
    match = section.section("match", "match")
    found = DeclaredTeam(
        key=key,
        name=_name(section, key.replace("-", " ").capitalize()),
        lead=section.text("lead"),
        escalate_to=_email(section, "escalate_to"),
        slack=section.text("slack", like=r"[#@]?[\w.-]{1,80}", what="Slack channel"),
        email=_email(section, "email"),
        jira_project=section.text("jira_project", like="[A-Z][A-Z0-9_]{1,29}", what="Jira project"),
        match=_match(match) if match else {},
        successor=section.text("successor"),
        line=section.line,
    )
    section.close()
    return found


def _match(section: Section) -> dict[str, Any]:
    tags = section.section("tags", "tags")
    found = {
        "tags": {tag: list(tags.texts(tag)) for tag in tags.names()} if tags else {},
        "names": list(section.texts("names", check=_wrong_pattern)),
        "repositories": list(section.texts("repositories")),
    }
    section.close()
    return {key: value for key, value in found.items() if value}


def _wrong_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"“{pattern}” is no regular expression: {error}."
    return ""


def _email(section: Section, key: str) -> str:
    value = section.text(key)
    if value:
        try:
            validate_email(value)
        except ValidationError:
            section.wrong(section.line_of(key), f"“{value}” is no e-mail address.")
    return value


def _person(section: Section) -> DeclaredPerson:
    username = section.needed("username", like=USERNAME, what="username")
    found = DeclaredPerson(
        username=username,
        name=_name(section, username),
        email=_email(section, "email"),
        roles=_roles(section),
        teams=tuple(sorted(section.texts("teams"))),
        successor=section.text("successor"),
        line=section.line,
    )
    section.close()
    return found


def _roles(section: Section) -> tuple[str, ...]:
    known = "|".join(Role.values)
    return tuple(sorted(section.texts("roles", like=known, what=f"role ({known})")))


def _group_roles(
    document: Section, teams: set[str]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, int]]:
    """What each group gives, and in which line it stands."""
    section = document.section("sign_in", "sign_in")
    groups = section.section("group_roles") if section else None
    found: dict[str, dict[str, list[str]]] = {}
    declared: dict[str, int] = {}
    for group in groups.names() if groups else ():
        grant = groups.section(group, "a group") if groups else None
        if grant is None:
            continue
        declared[group] = groups.line_of(group) if groups else 0
        if len(group) > LONGEST_GROUP:
            grant.wrong(declared[group], f"A group has {LONGEST_GROUP} characters at most.")
        found[group] = {"roles": list(_roles(grant)), "teams": list(grant.texts("teams"))}
        for team in set(found[group]["teams"]) - teams:
            grant.wrong(grant.line_of("teams"), f"There is no team “{team}”.")
        grant.close()
    if section:
        section.close()
    return found, declared


def _once(section: Section, noun: str, names: Any) -> None:
    seen: dict[str, int] = {}
    for name, line in names:
        if name and name in seen:
            section.wrong(line, f"The {noun} “{name}” stands twice, first in line {seen[name]}.")
        seen.setdefault(name, line)


def _check_references(document: Section, declared: Declaration) -> None:
    """Whoever or whatever is named must be declared, once."""
    accounts = {account.account_id for account in declared.accounts}
    teams, people = declared.staying_teams, declared.staying_people

    def team(key: str, line: int) -> None:
        if key and key not in teams:
            document.wrong(line, f"There is no team “{key}”.")

    def person(username: str, line: int) -> None:
        if username and username not in people:
            document.wrong(line, f"There is no person “{username}”.")

    _once(document, "account", ((a.account_id, a.line) for a in declared.accounts))
    _once(document, "account name", ((a.name.lower(), a.line) for a in declared.accounts))
    _once(document, "team", ((t.key, t.line) for t in declared.teams))
    _once(document, "person", ((p.username.lower(), p.line) for p in declared.people))
    _once(document, "e-mail address", ((p.email.lower(), p.line) for p in declared.people))
    team(declared.custodian, document.line_of("custodian"))
    for account in declared.accounts:
        for entry in account.protected:
            team(entry.owner, entry.line)
    center = declared.identity_center.get("account", "")
    if center and center not in accounts:
        document.wrong(
            document.line_of("identity_center"),
            f"There is no account {center}. Declare it, since its reader role reads the center.",
        )
    for one in declared.teams:
        person(one.lead if not one.successor else "", one.line)
        team(one.successor, one.line)
    for someone in declared.people:
        for key in someone.teams if not someone.successor else ():
            team(key, someone.line)
        person(someone.successor, someone.line)
    last = declared.break_glass
    if last and last.account and last.account not in accounts:
        document.wrong(last.line, f"There is no account “{last.account}”.")


def _with_break_glass_protected(declared: Declaration) -> Declaration:
    """The break-glass user is protected in its account even if the account does not say so."""
    last = declared.break_glass
    if last is None:
        return declared
    return declared.with_protection(
        last.account,
        DeclaredProtection(
            user=last.user,
            kind="break-glass",
            reason=f"Break-glass user of the organization; runbook {last.runbook or 'not named'}",
            line=last.line,
        ),
    )
