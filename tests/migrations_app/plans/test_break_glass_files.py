"""The alarm hears of every use everywhere, and the runbook can be printed and sealed."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, settings

from migrations_app.plans.break_glass import SIGN_IN_REGIONS
from migrations_app.plans.break_glass_files import alarm, files, guard, pattern, runbook, version
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.test_break_glass import NOW, READY

EMAILS = ("security@acme.example", "not an address", "oncall@acme.example")


class Page(HTMLParser):
    """Which tags a page has, and what it shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.shown = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_every_region_a_sign_in_can_land_in_has_a_rule_that_also_hears_of_reading() -> None:
    told = alarm(READY, EMAILS, NOW)
    parsing.check((told,))
    for region in (*SIGN_IN_REGIONS, "eu-west-1"):
        assert f'"{region}",' in told.text
    found = parsing.hcl(told.text)
    rule = found["aws_cloudwatch_event_rule.break_glass"]
    assert rule["for_each"] == "${toset(local.break_glass_regions)}"
    assert rule["region"] == "${each.value}"
    assert parsing.meant(rule["state"]) == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert parsing.policy(rule["event_pattern"]) == pattern(READY)
    people = [one for name, one in found.items() if "subscription" in name]
    assert [parsing.meant(one["endpoint"]) for one in people] == [
        "oncall@acme.example",
        "security@acme.example",
    ]


def test_the_rule_knows_it_by_name_arn_and_id() -> None:
    told = pattern(READY)
    assert told["detail"]["$or"] == [
        {"userIdentity": {"userName": ["break-glass"]}},
        {"userIdentity": {"arn": [READY.arn]}},
        {"userIdentity": {"principalId": [READY.user_id]}},
    ]
    unseen = pattern(replace(READY, arn="", user_id=""))
    assert unseen["detail"] == {"userIdentity": {"userName": ["break-glass"]}}


def test_both_forms_of_the_runbook_say_the_same_and_hold_no_secret() -> None:
    markdown, html = runbook(READY, NOW)
    parsing.check((markdown,))
    page = Page(html.text)
    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body"),
        *("h1", "h2", "table", "tr", "th", "td", "ol", "ul", "li"),
    }
    for words in (
        "https://123456789012.signin.aws.amazon.com/console",
        version(READY),
        "6 Mar 2025",
        "Two people agree to it.",
        "FIDO key 2 is kept at",
        "Make no access key.",
    ):
        assert words in page.shown
        assert words in markdown.text.replace("\\", "")


def test_other_partitions_have_their_own_sign_in_page() -> None:
    gov = replace(READY, arn=READY.arn.replace(":aws:", ":aws-us-gov:"))
    assert "https://123456789012.signin.amazonaws-us-gov.com/" in runbook(gov, NOW)[0].text


def test_nobody_but_itself_may_change_it_its_group_or_its_devices() -> None:
    told = guard(READY, NOW)
    parsing.check((told,))
    held = parsing.hcl(told.text)["aws_organizations_policy.keep_break_glass"]["content"]
    by_name, by_tag = parsing.policy(held)["Statement"]
    assert by_name["Resource"] == [
        "arn:*:iam::*:group/breakglass/*",
        "arn:*:iam::*:mfa/breakglass/*",
        "arn:*:iam::*:user/breakglass/*",
        READY.arn,
    ]
    assert by_name["NotAction"] == ["iam:Get*", "iam:List*"]
    assert READY.arn in by_name["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert by_tag["Condition"]["StringEquals"] == {"aws:ResourceTag/iam-retire": "never"}
    unseen = parsing.hcl(guard(replace(READY, arn=""), NOW).text)
    policy = unseen["aws_organizations_policy.keep_break_glass"]["content"]
    assert "" not in parsing.policy(policy)["Statement"][0]["Resource"]


@settings(max_examples=25)
@given(parsing.NAMES)
def test_whatever_it_is_called_every_file_can_be_read(name: str) -> None:
    facts = replace(READY, user_name=name, arn=name, user_id=name, runbook=name)
    told = files(facts, (name,), NOW)
    parsing.check(tuple(one for one in told if one.language == "markdown"))
    assert all(parsing.hcl(one.text) for one in told if one.language == "hcl")
    html = next(one.text for one in told if one.language == "html")
    assert not Page(html).tags & {"script", "a", "img"}
    assert told == files(facts, (name,), NOW)
