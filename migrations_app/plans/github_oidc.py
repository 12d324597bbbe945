"""A pipeline on GitHub presents its own identity instead of a key. Pure.

The role trusts tokens with exactly these `sub` values, never a pattern: one per branch and per
environment, in the classic form and, where GitHub's numbers are known, in the immutable one that
repositories made, renamed or transferred since 15 July 2026 have. The provider needs its address
only: AWS checks GitHub by its own list of authorities, and a thumbprint is no longer used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.plans import hcl, role
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts, Repository
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import bullets, code, fenced, header, page, steps, word
from migrations_app.plans.workflow import VERSION, Role, Workflow, change, scalar
from migrations_app.plans.workflow_keys import ACTION

TARGET = "github-oidc"
ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the facts do not say. `repositories`: instead of those of the facts, if any are given.

    `workflows`: path and text of the files that use the key. `secrets`: the names it is held by.
    """

    region: str = "us-east-1"
    repositories: tuple[Repository, ...] = ()
    provider_exists: bool = False
    workflows: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """Provider, role and changed workflows; only words where nobody knows who may assume it."""
    chosen = choices or Choices()
    repositories = tuple(sorted(chosen.repositories or facts.repositories))
    trusted = subjects(repositories)
    name = role.name_for("github-", facts.user_name)
    title = f"GitHub Actions assumes {name}"
    if not trusted:
        return role.drafted(TARGET, title, [_unknown(repositories)], policy, warnings=[_UNKNOWN])
    held = _role(facts, policy, chosen, name, trusted)
    changed = _changed(facts, chosen, repositories, name)
    secrets = tuple(sorted({secret for one in changed for secret in one.secrets}))
    before = () if chosen.provider_exists else (_provider(),)
    files = [
        role.terraform(facts, held, before),
        role.script(facts, held, _provider_commands(facts)),
        *role.documents(held),
        *_workflow_files(changed, facts, chosen, name),
        _test(name, trusted),
        _roll_back(facts, held, secrets or chosen.secrets),
        _pull_request(facts, held, trusted, changed),
        _afterwards(repositories, secrets or chosen.secrets),
    ]
    china = [_CHINA] if facts.partition == "aws-cn" else []
    warnings = (*china, *held.warnings, *_left(changed))
    notes = _notes(repositories)
    return role.drafted(TARGET, title, files, policy, notes=notes, warnings=warnings)


def subjects(repositories: tuple[Repository, ...]) -> tuple[str, ...]:
    """Every exact `sub` that a token of these branches and environments may have."""
    found = []
    for one in repositories:
        forms = [f"repo:{one.owner}/{one.name}"]
        if one.owner_id and one.repository_id:
            forms.append(f"repo:{one.owner}@{one.owner_id}/{one.name}@{one.repository_id}")
        for form in forms:
            found += [f"{form}:ref:refs/heads/{branch}" for branch in one.branches]
            # GitHub writes a colon in a name so, since colons part the whole.
            found += [f"{form}:environment:{n.replace(':', '%3A')}" for n in one.environments]
    return tuple(sorted(set(found)))


def provider_arn(facts: PlanFacts) -> str:
    return f"arn:{facts.partition}:iam::{facts.account_id}:oidc-provider/{ISSUER}"


_CHINA = "In China the audience is another: sts.amazonaws.com.cn, in the trust and in the action."
_UNKNOWN = "No repository with a branch or an environment is known, so nobody can be trusted yet."


def _role(
    facts: PlanFacts, policy: Policy, chosen: Choices, name: str, trusted: tuple[str, ...]
) -> role.Role:
    subs: str | list[str] = trusted[0] if len(trusted) == 1 else list(trusted)
    exact = {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subs}}
    principal = {"Federated": provider_arn(facts)}
    return role.Role(
        name,
        role.trusting(principal, exact, "sts:AssumeRoleWithWebIdentity"),
        policy.statements,
        role.description(facts, "Assumed by GitHub Actions"),
        facts.user_id,
        needs=() if chosen.provider_exists else ("aws_iam_openid_connect_provider.github",),
    )


def _provider() -> hcl.Block:
    told = hcl.attributes(url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
    return hcl.resource("aws_iam_openid_connect_provider", "github", *told)


def _provider_commands(facts: PlanFacts) -> list[str]:
    return [
        "# One provider serves the whole account.",
        f"provider={word(provider_arn(facts))}",
        'if ! aws iam get-open-id-connect-provider --open-id-connect-provider-arn="$provider"'
        " >/dev/null 2>&1; then",
        f"  aws iam create-open-id-connect-provider --url=https://{ISSUER}"
        f" --client-id-list={AUDIENCE}",
        "fi",
    ]


def _changed(
    facts: PlanFacts, chosen: Choices, repositories: tuple[Repository, ...], name: str
) -> list[Workflow]:
    branches = {branch for one in repositories for branch in one.branches}
    environments = {name for one in repositories for name in one.environments}
    assumed = Role(
        role.arn(facts, name),
        chosen.region,
        tuple(sorted(branches)),
        tuple(sorted(environments)),
        tuple(sorted(chosen.secrets)),
    )
    return [change(path, text, assumed) for path, text in sorted(chosen.workflows)]


def _workflow_files(
    changed: list[Workflow], facts: PlanFacts, chosen: Choices, name: str
) -> Iterator[GeneratedFile]:
    done = [one for one in changed if one.changed]
    if done:
        yield GeneratedFile("workflows.diff", "".join(one.diff for one in done), "diff")
    for number, one in enumerate(done, start=1):
        stem = hcl.name_of(one.path.rpartition("/")[2].rpartition(".")[0])
        text = one.text if one.text.endswith("\n") else f"{one.text}\n"
        yield GeneratedFile(f"workflows/{number}-{stem}.yml", text, "yaml")
    if not changed:
        yield _example(facts, chosen, name)


def _example(facts: PlanFacts, chosen: Choices, name: str) -> GeneratedFile:
    lines = [
        *(f"# {line}" for line in header(facts)),
        "# Put these into the job that uses the key; no workflow file was given to change.",
        "permissions:",
        "  contents: read",
        "  id-token: write",
        "steps:",
        f"  - uses: {ACTION}@v{VERSION}",
        "    with:",
        f"      role-to-assume: {scalar(role.arn(facts, name))}",
        f"      aws-region: {scalar(chosen.region)}",
    ]
    return GeneratedFile("workflow-example.yml", "\n".join(lines) + "\n", "yaml")


def _test(name: str, trusted: tuple[str, ...]) -> GeneratedFile:
    return page(
        "HOW-TO-TEST.md",
        f"Test {name}",
        "Only these tokens are taken, sign for sign:",
        bullets(code(one) for one in trusted),
        steps(
            [
                "Apply the Terraform (or run create.sh), then merge the workflow.",
                "Run the workflow on a trusted branch or environment. Its log shows"
                f" {code('Assuming role with OIDC')}.",
                "The run does what it did before. A denied call names the action that is missing:"
                " add that one.",
                "The plan turns to Tested by itself once CloudTrail shows"
                f" {code('AssumeRoleWithWebIdentity')} for this role.",
                "A run on another branch is refused: that is meant.",
            ]
        ),
    )


def _roll_back(facts: PlanFacts, held: role.Role, secrets: tuple[str, ...]) -> GeneratedFile:
    kept = " and ".join(code(one) for one in secrets) or "the secrets with the key"
    return page(
        "HOW-TO-ROLL-BACK.md",
        f"Go back from {held.name}",
        "Revert the pull request. The key works until its user is disabled, and"
        f" {kept} must still be there: delete them last.",
        "When nothing assumes the role any more:",
        fenced(role.undo(facts, held)),
        "The provider may serve other roles of the account: leave it.",
    )


def _pull_request(
    facts: PlanFacts, held: role.Role, trusted: tuple[str, ...], changed: list[Workflow]
) -> GeneratedFile:
    told = [
        f"{code(one.path)}: job {', '.join(map(code, one.jobs))}" for one in changed if one.diff
    ]
    notes = [f"{code(one.path)}: {note}" for one in changed for note in one.notes]
    left = [f"{code(one.path)}: {code(one.left_alone)}" for one in changed if one.left_alone]
    return page(
        "PULL-REQUEST.md",
        "Assume an AWS role instead of using a stored key",
        f"The jobs below used the access key of the IAM user {code(facts.user_name)}. They now get"
        f" credentials of an hour from the role {code(held.name)}, which only tokens of"
        f" {' and '.join(map(code, trusted))} can assume. No key is stored any more.",
        bullets(told),
        "Read before merging:" if notes else "",
        bullets(notes),
        "Left alone, to be changed by hand:" if left else "",
        bullets(left),
    )


def _afterwards(repositories: tuple[Repository, ...], secrets: tuple[str, ...]) -> GeneratedFile:
    lines = []
    for one in repositories:
        where = f"--repo={word(f'{one.owner}/{one.name}')}"
        for secret in secrets:
            lines.append(f"gh secret delete {word(secret)} {where}")
            lines += [
                f"gh secret delete {word(secret)} {where} --env={word(name)}"
                for name in one.environments
            ]
    return page(
        "AFTERWARDS.md",
        "Delete the secrets",
        "After the user is deleted these hold a dead key. They may be secrets of the repository,"
        " of an environment or of the whole organization; a command for one that is not there"
        " fails and does no harm.",
        fenced(lines) if lines else "No names of secrets are known: look in the repository.",
    )


def _notes(repositories: tuple[Repository, ...]) -> tuple[str, ...]:
    return tuple(
        f"The ids of {one.owner}/{one.name} are not known. If it was made, renamed or transferred"
        " since 15 July 2026, its tokens have another sub; add the ids."
        for one in repositories
        if not (one.owner_id and one.repository_id)
    )


def _left(changed: list[Workflow]) -> tuple[str, ...]:
    return tuple(
        f"{one.path} was left alone. {one.left_alone}" for one in changed if one.left_alone
    )


def _unknown(repositories: tuple[Repository, ...]) -> GeneratedFile:
    known = [code(f"{one.owner}/{one.name}") for one in repositories]
    return page(
        "WHAT-IS-MISSING.md",
        "Who may assume the role",
        _UNKNOWN,
        f"Known so far: {', '.join(known)}." if known else "",
        "Name the repository and the branches or environments that deploy; the role trusts these"
        " and nothing else.",
    )
