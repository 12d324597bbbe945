"""A key that cannot go is rotated: with a reason, an end and a second person. Pure.

Such a user is never deleted while it lasts. It is exempt until the end date and counted as such,
and its keys change by themselves: two live side by side until everybody reads the new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from migrations_app.plans import hcl, role, statements
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import bullets, code, fenced, header, page, plain, steps, word
from migrations_app.plans.rotation_source import FILE_NAME, HANDLER, SOURCE
from migrations_app.plans.statements import Statement

TARGET = "secrets-manager"


@dataclass(frozen=True, slots=True)
class Choices:
    """Why, until when, and who stands behind it, as a username and as people read it.

    `every_days`, `overlap_hours`: the rhythm.
    """

    reason: str = ""
    until: date | None = None
    asked_by: str = ""
    approved_by: str = ""
    asked_name: str = ""
    approved_name: str = ""
    region: str = "us-east-1"
    every_days: int = 30
    overlap_hours: int = 24


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is needed before a user may stay. `met` None of them is a default."""

    key: str
    words: str
    met: bool


def requirements(facts: PlanFacts, choices: Choices) -> tuple[Requirement, ...]:
    """A reason, an end date that lies ahead, and somebody other than who asked."""
    today = facts.generated_at.date()
    ahead = choices.until is not None and choices.until > today
    asked, approved = choices.asked_by.strip(), choices.approved_by.strip()
    other = bool(asked and approved) and asked.casefold() != approved.casefold()
    return (
        Requirement("reason", "Why can it not use a role?", bool(choices.reason.strip())),
        Requirement("until", "Until when? The date has to lie ahead.", ahead),
        Requirement("second-person", "A second person has to agree to it.", other),
    )


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """Secret, function, rhythm and alarm. The user keeps its policy, cut to `policy`."""
    chosen = choices or Choices()
    held = _role(facts, chosen)
    lacking = [one.words for one in requirements(facts, chosen) if not one.met]
    if not 1 <= chosen.every_days <= 1000 or not 4 <= chosen.overlap_hours < 24 * chosen.every_days:
        lacking.append("Rotate every 1 to 1000 days, with an overlap that ends before the next.")
    files = [
        role.terraform(facts, held, _secret(facts), _around(facts, held, chosen)),
        GeneratedFile(FILE_NAME, SOURCE, "python"),
        *_cut_to(policy),
        _test(facts, chosen),
        _roll_back(facts),
        _pull_request(facts, chosen),
        _consumers(facts, chosen),
    ]
    notes = (
        "The user stays. It is exempt until the end date and counted as such.",
        "While both keys are active the user has no room for a third.",
        "Where a policy denies CreateAccessKey in the organization, except this function's role"
        f" {held.name}.",
    )
    title = f"{facts.user_name} keeps a key that rotates"
    return role.drafted(TARGET, title, files, policy, notes=notes, warnings=lacking)


def _cut_to(policy: Policy) -> Iterator[GeneratedFile]:
    if policy.statements:
        yield role.document("policy.json", statements.document(policy.statements))


def rotation_role(user_arn: str, user_name: str) -> str:
    """The ARN of the role that rotates this user's key, as the files make it."""
    return f"{user_arn.partition(':user/')[0]}:role/{_function(user_name)}"


def secret_name(facts: PlanFacts) -> str:
    return f"iam-user/{role.name_for('', facts.user_name)}"


def _function(user_name: str) -> str:
    return role.name_for("rotate-", user_name)[:64]


def _role(facts: PlanFacts, chosen: Choices) -> role.Role:
    where = f"{facts.partition}:{{}}:{chosen.region}:{facts.account_id}"
    secret = f"arn:{where.format('secretsmanager')}:secret:{secret_name(facts)}-??????"
    logs = f"arn:{where.format('logs')}:log-group:/aws/lambda/{_function(facts.user_name)}:*"
    keys = ("CreateAccessKey", "DeleteAccessKey", "ListAccessKeys", "UpdateAccessKey")
    values = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    held = (
        _allow("OneUsersKeys", "iam", (*keys, "GetAccessKeyLastUsed"), facts.arn),
        _allow("OneSecret", "secretsmanager", values, secret),
        _allow("Logs", "logs", ("CreateLogStream", "PutLogEvents"), logs),
    )
    return role.Role(
        _function(facts.user_name),
        role.trusting({"Service": "lambda.amazonaws.com"}, {}, "sts:AssumeRole"),
        held,
        role.description(facts, "Rotates an access key"),
        facts.user_id,
    )


def _allow(sid: str, service: str, actions: tuple[str, ...], resource: str) -> Statement:
    named = tuple(f"{service}:{action}" for action in actions)
    return Statement(sid, actions=named, resources=(resource,))


def _secret(facts: PlanFacts) -> Iterator[hcl.Item]:
    about = role.description(facts, "Access key that rotates")
    told = hcl.attributes(name=secret_name(facts), description=about)
    yield hcl.resource("aws_secretsmanager_secret", "key", *told)
    # Rotation needs a value to begin with; the function takes this one for none.
    yield hcl.Comment("Holds nothing: the first rotation puts the key in.")
    kept = hcl.attributes(ignore_changes=_names("secret_string", "version_stages"))
    yield hcl.resource(
        "aws_secretsmanager_secret_version",
        "key",
        hcl.Attribute("secret_id", hcl.Expression("aws_secretsmanager_secret.key.id")),
        hcl.Attribute("secret_string", "{}"),
        hcl.Block("lifecycle", (), kept),
    )


def _names(*names: str) -> list[hcl.Expression]:
    return [hcl.Expression(name) for name in names]


def _around(facts: PlanFacts, held: role.Role, chosen: Choices) -> Iterator[hcl.Item]:
    """Function, permissions to call it, rhythm, daily retirement, alarm."""
    function = _function(facts.user_name)
    here = hcl.Expression(f'"${{path.module}}/{FILE_NAME}"')
    packed = hcl.attributes(
        type="zip", source_file=here, output_path=hcl.Expression('"${path.module}/rotate.zip"')
    )
    yield hcl.Block("data", ("archive_file", "rotate"), packed)
    group = hcl.attributes(name=f"/aws/lambda/{function}", retention_in_days=90)
    yield hcl.resource("aws_cloudwatch_log_group", "rotate", *group)
    yield hcl.resource(
        "aws_lambda_function",
        "rotate",
        *hcl.attributes(
            function_name=function,
            role=hcl.Expression(f"aws_iam_role.{held.label}.arn"),
            filename=hcl.Expression("data.archive_file.rotate.output_path"),
            source_code_hash=hcl.Expression("data.archive_file.rotate.output_base64sha256"),
            handler=HANDLER,
            runtime="python3.13",
            timeout=120,
        ),
        hcl.Block("environment", (), hcl.attributes(variables=_variables(facts, chosen))),
        *hcl.attributes(depends_on=_names("aws_cloudwatch_log_group.rotate")),
    )
    yield _may_call("secrets", "secretsmanager.amazonaws.com", "aws_secretsmanager_secret.key.arn")
    yield _may_call("daily", "events.amazonaws.com", "aws_cloudwatch_event_rule.retire.arn")
    yield hcl.resource(
        "aws_secretsmanager_secret_rotation",
        "key",
        *hcl.attributes(
            secret_id=hcl.Expression("aws_secretsmanager_secret_version.key.secret_id"),
            rotation_lambda_arn=hcl.Expression("aws_lambda_function.rotate.arn"),
        ),
        hcl.Block("rotation_rules", (), hcl.attributes(automatically_after_days=chosen.every_days)),
        *hcl.attributes(depends_on=_names("aws_lambda_permission.secrets")),
    )
    yield from _daily(function)
    yield _alarm(function)


def _variables(facts: PlanFacts, chosen: Choices) -> dict[str, object]:
    return {
        "USER_NAME": facts.user_name,
        "USER_ID": facts.user_id,
        "SECRET_ID": hcl.Expression("aws_secretsmanager_secret.key.arn"),
        "OVERLAP_HOURS": str(chosen.overlap_hours),
    }


def _may_call(label: str, service: str, source: str) -> hcl.Block:
    told = hcl.attributes(
        function_name=hcl.Expression("aws_lambda_function.rotate.function_name"),
        action="lambda:InvokeFunction",
        principal=service,
        source_arn=hcl.Expression(source),
    )
    return hcl.resource("aws_lambda_permission", label, *told)


def _daily(function: str) -> Iterator[hcl.Item]:
    yield hcl.Comment("Switches the old key off once nobody uses it.")
    rule = hcl.attributes(name=f"{function[:56]}-retire", schedule_expression="rate(1 day)")
    yield hcl.resource("aws_cloudwatch_event_rule", "retire", *rule)
    target = hcl.attributes(
        rule=hcl.Expression("aws_cloudwatch_event_rule.retire.name"),
        arn=hcl.Expression("aws_lambda_function.rotate.arn"),
        input='{"Retire": true}',
    )
    yield hcl.resource("aws_cloudwatch_event_target", "retire", *target)


def _alarm(function: str) -> hcl.Block:
    told = hcl.attributes(
        alarm_name=f"{function} failed",
        alarm_description="A rotation failed, or somebody still uses the old key.",
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions={"FunctionName": function},
        statistic="Sum",
        period=3600,
        evaluation_periods=1,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        treat_missing_data="notBreaching",
    )
    return hcl.resource("aws_cloudwatch_metric_alarm", "rotate", *told)


def _consumers(facts: PlanFacts, chosen: Choices) -> GeneratedFile:
    arn = (
        f"arn:{facts.partition}:secretsmanager:{chosen.region}:{facts.account_id}"
        f":secret:{secret_name(facts)}-??????"
    )
    return page(
        "WHO-READS-IT.md",
        "Read the key from the secret",
        "Whoever uses the key reads it from the secret each time it starts, and again when AWS"
        f" answers {code('InvalidClientTokenId')}. It needs {code('secretsmanager:GetSecretValue')}"
        f" on {code(arn)}.",
        f"The value is JSON with {code('access_key_id')} and {code('secret_access_key')}.",
        "Somebody outside who cannot read it is told each new key by a person, within the"
        f" {chosen.overlap_hours} hours of the overlap or a longer one that you set.",
    )


def _test(facts: PlanFacts, chosen: Choices) -> GeneratedFile:
    where = f"--region={word(chosen.region)} --secret-id={word(secret_name(facts))}"
    return page(
        "HOW-TO-TEST.md",
        "Test the rotation",
        "The user may have one key at most before the first rotation: it makes the second.",
        fenced(
            [
                f"aws secretsmanager rotate-secret {where}",
                f"aws secretsmanager describe-secret {where}",
                f"aws iam list-access-keys --user-name={word(facts.user_name)}",
            ]
        ),
        steps(
            [
                "The second command shows one version with AWSCURRENT and none pending.",
                "The third shows two active keys: the old one works on.",
                "Let everybody read the secret. A day after the last use of the old key the daily"
                " run switches it off; while somebody uses it, the alarm tells.",
                "Rotate once more: the old key is deleted, and nobody notices.",
            ]
        ),
    )


def _roll_back(facts: PlanFacts) -> GeneratedFile:
    name = word(facts.user_name)
    return page(
        "HOW-TO-ROLL-BACK.md",
        "Go back to the key before",
        "Until the next rotation the old key can be switched on again:",
        fenced(
            [
                f"aws iam list-access-keys --user-name={name}",
                f"aws iam update-access-key --user-name={name} --status=Active"
                " --access-key-id=THE-OLD-ONE",
            ]
        ),
        "Put it into the secret as a new version to make it the current one.",
    )


def _pull_request(facts: PlanFacts, chosen: Choices) -> GeneratedFile:
    until = day_of(chosen.until) if chosen.until else "nobody said when"
    return page(
        "PULL-REQUEST.md",
        "Rotate a key that cannot be replaced yet",
        f"The IAM user {code(facts.user_name)} keeps an access key, since:"
        f" {plain(chosen.reason) or 'nobody said why'}.",
        bullets(
            [
                f"It ends: {until}.",
                f"Asked by {plain(chosen.asked_name or chosen.asked_by) or 'nobody'}, agreed by"
                f" {plain(chosen.approved_name or chosen.approved_by) or 'nobody'}.",
                f"A new key every {chosen.every_days} days; both work until the old one was not"
                f" used for {chosen.overlap_hours} hours.",
            ]
        ),
        f"What it may do is cut to {code('policy.json')}: put this in the place of its policies.",
        f"Evidence: {header(facts)[1]}",
    )


def day_of(at: date) -> str:
    return f"{at.day} {at:%b %Y}"
