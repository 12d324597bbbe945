"""What goes with a break-glass user: an alarm on its use everywhere, and a runbook to seal. Pure.

The runbook is one text in two forms, Markdown to keep and HTML to print. It holds no password and
no key: those are written on the paper by hand, by the two people who seal it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from migrations_app.plans import hcl
from migrations_app.plans.break_glass import TAG, BreakGlass, regions
from migrations_app.plans.facts import GeneratedFile
from migrations_app.plans.prose import code, day, one_line, page, plain, steps

_DOMAINS = {"aws-cn": "signin.amazonaws.cn", "aws-us-gov": "signin.amazonaws-us-gov.com"}
_OF_THE_DAY = ("Version", "Printed from the state of")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    lines: tuple[str, ...]
    numbered: bool = True


def files(facts: BreakGlass, emails: tuple[str, ...], now: datetime) -> tuple[GeneratedFile, ...]:
    """Alarm and guard as Terraform, each for its own account; the runbook, also to print."""
    return tuple(sorted([alarm(facts, emails, now), guard(facts, now), *runbook(facts, now)]))


def alarm(facts: BreakGlass, emails: tuple[str, ...], now: datetime) -> GeneratedFile:
    """One rule and one topic per Region; a sign-in is recorded in the Region it lands in."""
    places = list(regions(facts.enabled_regions or ()))
    header = (
        f"Tells of every use of {facts.user_name} in account {facts.account_id}.",
        f"Generated on {day(now)}. Read it before you apply it, in that account.",
        "EventBridge hears of calls only where a trail records them: keep one for all Regions.",
    )
    return GeneratedFile(
        "alarm/main.tf", hcl.document(_alarm(facts, emails, places), header), "hcl"
    )


def _alarm(facts: BreakGlass, emails: tuple[str, ...], places: list[str]) -> Iterator[hcl.Item]:
    provider = {"source": "hashicorp/aws", "version": ">= 6.0"}
    required = hcl.Block("required_providers", (), hcl.attributes(aws=provider))
    yield hcl.Block("terraform", (), (required,))
    yield hcl.Block("locals", (), hcl.attributes(break_glass_regions=places))
    each = hcl.attributes(
        for_each=hcl.Expression("toset(local.break_glass_regions)"),
        region=hcl.Expression("each.value"),
    )
    rule = hcl.attributes(
        name="break-glass-used",
        description="The break-glass user signed in or called AWS, or somebody tried.",
        event_pattern=hcl.Json(pattern(facts)),
        # Without this, calls that only read would not be told.
        state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
    )
    yield hcl.resource("aws_cloudwatch_event_rule", "break_glass", *each, *rule)
    topic = hcl.attributes(name="break-glass-used")
    yield hcl.resource("aws_sns_topic", "break_glass", *each, *topic)
    arn = hcl.Expression("aws_sns_topic.break_glass[each.value].arn")
    target = hcl.attributes(
        rule=hcl.Expression("aws_cloudwatch_event_rule.break_glass[each.value].name"), arn=arn
    )
    yield hcl.resource("aws_cloudwatch_event_target", "break_glass", *each, *target)
    yield from _may_publish(each, arn)
    for number, email in enumerate(sorted({one for one in emails if _EMAIL.fullmatch(one)}), 1):
        told = hcl.attributes(topic_arn=arn, protocol="email", endpoint=email)
        yield hcl.resource("aws_sns_topic_subscription", f"person_{number}", *each, *told)


def _may_publish(each: tuple[hcl.Attribute, ...], arn: hcl.Expression) -> Iterator[hcl.Item]:
    service = hcl.attributes(type="Service", identifiers=["events.amazonaws.com"])
    statement = hcl.Block(
        "statement",
        (),
        (
            *hcl.attributes(actions=["sns:Publish"], resources=[arn]),
            hcl.Block("principals", (), service),
        ),
    )
    name = ("aws_iam_policy_document", "break_glass")
    yield hcl.Block("data", name, (each[0], statement))
    policy = hcl.Expression("data.aws_iam_policy_document.break_glass[each.value].json")
    told = hcl.attributes(arn=arn, policy=policy)
    yield hcl.resource("aws_sns_topic_policy", "break_glass", *each, *told)


def pattern(facts: BreakGlass) -> dict[str, Any]:
    """Which events: its calls and sign-ins, and failed sign-ins, which only have its name."""
    who: list[dict[str, Any]] = [{"userIdentity": {"userName": [facts.user_name]}}]
    if facts.arn:
        who.append({"userIdentity": {"arn": [facts.arn]}})
    if facts.user_id:
        who.append({"userIdentity": {"principalId": [facts.user_id]}})
    kinds = ["AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail"]
    return {"detail-type": kinds, "detail": {"$or": who} if len(who) > 1 else who[0]}


def guard(facts: BreakGlass, now: datetime) -> GeneratedFile:
    """Nobody changes it: an organization policy, which no administrator of the account can lift."""
    policy = hcl.resource(
        "aws_organizations_policy",
        "keep_break_glass",
        *hcl.attributes(
            name="keep-break-glass",
            description="Nobody changes the break-glass user but itself.",
            type="SERVICE_CONTROL_POLICY",
            content=hcl.Json(keeping(facts)),
        ),
    )
    attached = hcl.resource(
        "aws_organizations_policy_attachment",
        "keep_break_glass",
        *hcl.attributes(
            policy_id=hcl.Expression("aws_organizations_policy.keep_break_glass.id"),
            target_id=facts.account_id,
        ),
    )
    header = (
        f"Denies changing {facts.user_name} of account {facts.account_id}.",
        f"Generated on {day(now)}. Apply it in the management account; it does not act in there.",
    )
    return GeneratedFile("guard/main.tf", hcl.document([policy, attached], header), "hcl")


def keeping(facts: BreakGlass) -> dict[str, Any]:
    """The deny, by path, by ARN and by tag. Its group and its MFA devices are meant too: a deny
    on the user alone does not stop its removal from a group.
    """
    kinds = ("group", "mfa", "user")
    named = {f"arn:*:iam::*:{kind}/breakglass/*" for kind in kinds} | {facts.arn}
    itself = sorted({"arn:*:iam::*:user/breakglass/*", facts.arn} - {""})
    others: dict[str, Any] = {"ArnNotLike": {"aws:PrincipalArn": itself}}
    tagged = {"StringEquals": {f"aws:ResourceTag/{TAG[0]}": TAG[1]}}

    def deny(sid: str, resource: list[str], condition: dict[str, Any]) -> dict[str, Any]:
        reading = ["iam:Get*", "iam:List*"]
        told = {"Sid": sid, "Effect": "Deny", "NotAction": reading, "Resource": resource}
        return {**told, "Condition": condition}

    return {
        "Version": "2012-10-17",
        "Statement": [
            deny("KeepBreakGlass", sorted(named - {""}), others),
            deny("KeepTagged", ["arn:*:iam::*:user/*"], {**others, **tagged}),
        ],
    }


def runbook(facts: BreakGlass, now: datetime) -> tuple[GeneratedFile, GeneratedFile]:
    """The same sections as Markdown and as HTML."""
    title = f"Break-glass runbook {facts.runbook}".strip()
    about = _about(facts, now)
    sections = _sections(facts)
    parts = ["\n".join(f"- {plain(name)}: {code(value)}" for name, value in about)]
    for section in sections:
        lines = [plain(line) for line in section.lines]
        parts += [
            f"## {section.title}",
            steps(lines) if section.numbered else "\n".join(f"- [ ] {line}" for line in lines),
        ]
    html = _html(title, about, sections)
    return page("runbook.md", title, *parts), GeneratedFile("runbook.html", html, "html")


def version(facts: BreakGlass) -> str:
    """What the runbook printed now is called: the same until its words change."""
    about = [line for line in _about(facts, None) if line[0] not in _OF_THE_DAY]
    told = repr([about, _sections(facts)])
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _about(facts: BreakGlass, now: datetime | None) -> list[tuple[str, str]]:
    parts = facts.arn.split(":")
    partition = parts[1] if len(parts) > 1 else "aws"
    host = _DOMAINS.get(partition, "signin.aws.amazon.com")
    return [
        ("Account", facts.account_id),
        ("User", facts.user_name),
        ("ARN", facts.arn or "not seen yet"),
        ("User ID", facts.user_id or "not seen yet"),
        ("Sign-in page", f"https://{facts.account_id}.{host}/console"),
        ("Version", version(facts) if now else ""),
        ("Printed from the state of", day(now) if now else ""),
        ("Drill every", f"{facts.drill_every.days} days"),
    ]


def _sections(facts: BreakGlass) -> tuple[_Section, ...]:
    name, account = one_line(facts.user_name), facts.account_id
    return (
        _Section(
            "When",
            (
                "The identity provider or Identity Center does not let anybody in, and something"
                " has to be done in AWS that cannot wait.",
                "Two people agree to it. One signs in, the other watches and writes down what is"
                " done, with times in UTC.",
            ),
        ),
        _Section(
            "Sign in",
            (
                "Tell Security that the glass is broken, and why. The alarm will ring: that is"
                " meant.",
                "Open the envelope with the password, and take one of the FIDO keys from its"
                " place. The other key stays where it is.",
                f"Open the sign-in page above. Account {account}, user {name}.",
                "Do only what was agreed. Make no access key. Change nothing of this user.",
                "For another account, assume its emergency role from here.",
            ),
        ),
        _Section(
            "Afterwards",
            (
                "Sign out. Set a new password, at least 32 signs, made by a password manager.",
                "Write it by hand onto a new sheet, seal it, both sign over the seal.",
                "Bring the FIDO key back to its place.",
                "Go through CloudTrail for this user together, and keep what was written down.",
                "Enter the use in IAM Cleanup, so that the alarm is answered.",
            ),
        ),
        _Section(
            "Drill",
            (
                "Sign in as above, look at the list of accounts, sign out.",
                "See that the alarm reached everybody within 15 minutes.",
                "Try the second FIDO key too.",
                "New password, new seal, new date below. Enter the drill in IAM Cleanup.",
            ),
        ),
        _Section(
            "In the envelope",
            (
                "Password: written by hand, never printed or typed into this page",
                "FIDO key 1 is kept at: ______________________________",
                "FIDO key 2 is kept at: ______________________________",
                "Sealed on ____________ by ____________________ and ____________________",
                "Last drill on ____________ by ____________________ and ____________________",
            ),
            numbered=False,
        ),
    )


def _html(title: str, about: list[tuple[str, str]], sections: tuple[_Section, ...]) -> str:
    def shown(text: str) -> str:
        return escape(one_line(text))

    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f"<title>{shown(title)}</title>",
        "<style>",
        "body { font: 11pt/1.5 serif; max-width: 17cm; margin: 2cm auto; color: #000 }",
        "h1 { font-size: 18pt } h2 { font-size: 13pt; break-after: avoid }",
        "li { margin: 2mm 0; break-inside: avoid } table { border-collapse: collapse }",
        "td, th { border: 1px solid #000; padding: 1mm 3mm; text-align: left }",
        "ul { list-style: none; padding: 0 } ul li::before { content: '\\2610  ' }",
        "</style>",
        "</head>",
        "<body>",
        f"<h1>{shown(title)}</h1>",
        "<table>",
        *(f"<tr><th>{shown(name)}</th><td>{shown(value)}</td></tr>" for name, value in about),
        "</table>",
    ]
    for section in sections:
        tag = "ol" if section.numbered else "ul"
        items = [f"<li>{shown(line)}</li>" for line in section.lines]
        lines += [f"<h2>{shown(section.title)}</h2>", f"<{tag}>", *items, f"</{tag}>"]
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"
