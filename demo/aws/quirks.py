"""The traps of AWS_FACTS.md section 10, each as something one user has or does.

`PARTS` names who plays which; `HOLDINGS` gives them what they hold, `RHYTHMS` what they do instead
of the usual. A size too small for all of them plays as many as fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .cast import Member
from .estate import RUNNER_ROLE
from .habits import address, calls, sign_in
from .ids import drawn_id
from .managed_policies import QUARANTINE
from .rhythm import DAY, HOUR, Habit
from .state import (
    AccessKey,
    Account,
    MfaDevice,
    ServiceCredential,
    Upload,
    Use,
    User,
    VirtualMfa,
)

LONG_NAME = "contractor.with-the-longest_name+that=IAM,will.take@acme.example"
_PEM = "-----BEGIN CERTIFICATE-----\nMIIC{}SIMULATED\n-----END CERTIFICATE-----"
_SSH = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB{} simulated"
Part = tuple[str, str, str, str, str, tuple[str, ...]]

PARTS: list[Part] = [
    # name, category, status, team, path, quirks
    ("nora.berg", "human-console", "active", "data", "/", ("namesake",)),
    ("new.starter", "human-console", "active", "platform", "/", ("young",)),
    ("kim.newhire", "human-console", "active", "marketing", "/", ("young",)),
    ("hal.token", "human-console", "active", "security", "/", ("hardware-mfa",)),
    ("fay.passkey", "human-console", "active", "platform", "/", ("fido-mfa",)),
    ("@mentions", "human-console", "active", "marketing", "/", ("edge-name",)),
    ("_under_score", "human-console", "active", "data", "/", ("edge-name",)),
    ("-dash.dana", "human-console", "active", "finance", "/", ("edge-name",)),
    ("idle.keys", "human-console", "active", "payments", "/", ("inactive-keys",)),
    ("alex.admin", "human-console", "active", "infrastructure", "/admins/", ("admin",)),
    ("marta.ruiz", "human-console", "dormant", "payments", "/", ("session-twin",)),
    ("tom.baker", "human-console", "dormant", "finance", "/", ("knocked",)),
    ("..", "human-console", "dormant", "platform", "/", ("edge-name",)),
    ("--help", "human-console", "dormant", "infrastructure", "/", ("edge-name",)),
    ("=2+5", "human-console", "dormant", "finance", "/", ("edge-name", "hostile-tags")),
    (LONG_NAME, "human-console", "dormant", "data", "/", ("edge-name",)),
    ("j.doe@acme.example", "human-console", "dormant", "marketing", "/", ("edge-name",)),
    ("full.house", "human-console", "dormant", "platform", "/people/emea/",
     ("ten-policies", "own-boundary", "ssh-keys", "certificates", "git-credential",
      "virtual-mfa", "inline-policy", "groups")),
    ("carl.three", "human-console", "dormant", "payments", "/", ("three-keys",)),
    ("rita.rsa", "human-console", "dormant", "security", "/", ("hardware-mfa", "virtual-mfa")),
    ("annual.auditor", "human-console", "dormant", "finance", "/", ("yearly-sign-in",)),
    ("lena.koch", "human-programmatic", "active", "data", "/", ("data-plane-only",)),
    ("yusuf.demir", "human-programmatic", "active", "platform", "/", ("git-only",)),
    ("plus+sign", "human-programmatic", "active", "data", "/", ("edge-name",)),
    ("comma,name", "human-programmatic", "dormant", "observability", "/", ("edge-name",)),
    ("ceri.cert", "human-programmatic", "dormant", "security", "/", ("certificates",)),
    ("ex.pired", "human-programmatic", "dormant", "payments", "/", ("expired-key",)),
    ("ira.inactive", "human-programmatic", "dormant", "platform", "/", ("inactive-keys",)),
    ("kay.space", "human-programmatic", "dormant", "data", "/", ("keyspaces-credential",)),
    ("ci-data-artifact-sync", "ci-cd", "active", "data", "/ci/", ("data-plane-only",)),
    ("ci-plat-nightly-eu", "ci-cd", "active", "platform", "/ci/", ("one-region",)),
    ("fin-quarter-close", "ci-cd", "active", "finance", "/ci/", ("quarterly",)),
    ("ci-portal-broker", "ci-cd", "active", "platform", "/ci/", ("federation",)),
    ("BedrockAPIKey-x7k2", "human-programmatic", "active", "data", "/", ("bedrock-key",)),
    ("obs-log-shipper", "ci-cd", "active", "observability", "/ci/", ("logs-key",)),
    ("ses-smtp-user.20230114-101500", "human-programmatic", "active", "marketing", "/", ("smtp",)),
    ("ci-infra-terraform", "ci-cd", "active", "infrastructure", "/ci/",
     ("terraform", "deploys-functions")),
    ("ci-plat-stack-sync", "ci-cd", "active", "platform", "/ci/", ("cloudformation",)),
    ("ci-pay-leaked", "ci-cd", "active", "payments", "/ci/", ("quarantined",)),
    ("ci-partner-feed", "ci-cd", "active", "data", "/ci/", ("named-in-trust",)),
    ("fin-year-end", "ci-cd", "dormant", "finance", "/ci/", ("yearly-job",)),
    ("vendor-scanner", "third-party", "active", "security", "/vendors/", ("hostile-agent",)),
    ("vendor-upload=s3", "third-party", "active", "data", "/vendors/",
     ("edge-name", "named-in-trust")),
    ("vendor-halfyear-audit", "third-party", "dormant", "security", "/vendors/", ("half-yearly",)),
]  # fmt: skip


@dataclass
class Stage:
    """What a quirk works with."""

    account: Account
    seed: int
    born_at: datetime

    def drawn(self, prefix: str, length: int, *parts: object) -> str:
        return drawn_id(prefix, length, self.seed, *parts)


def add_key(stage: Stage, user: User, made_at: datetime, status: str = "Active") -> AccessKey:
    """One more access key, also beyond two."""
    key = AccessKey(stage.drawn("AKIA", 16, user.name, len(user.keys)), made_at, status)
    user.keys[key.id] = key
    stage.account.key_owner[key.id] = user.id
    return key


def _hardware(stage: Stage, user: User) -> None:
    serial = f"GAHT{int.from_bytes(user.name.encode()[:3].ljust(3), 'big') % 10**8:08d}"
    user.mfa[serial] = MfaDevice(serial, user.created_at)


def add_fido(stage: Stage, user: User, *labels: str) -> None:
    for label in labels:
        mark = stage.drawn("", 26, user.name, label)
        serial = stage.account.arn(f"u2f/user/{user.name}/{label}-{mark}")
        user.mfa[serial] = MfaDevice(serial, user.created_at)


def add_virtual(stage: Stage, user: User) -> None:
    serial = stage.account.arn(f"mfa/{user.name}")
    user.mfa[serial] = MfaDevice(serial, user.created_at)
    stage.account.virtual_mfa[serial] = VirtualMfa(serial, user.id, user.created_at)


def _inactive_keys(stage: Stage, user: User) -> None:
    old = user.created_at + timedelta(days=10)
    key = add_key(stage, user, old, "Inactive")
    key.last_used = Use(old, "s3", "N/A")


def _expired_key(stage: Stage, user: User) -> None:
    add_key(stage, user, user.created_at, "Expired")


def _three_keys(stage: Stage, user: User) -> None:
    while len(user.keys) < 3:
        add_key(stage, user, user.created_at + timedelta(seconds=len(user.keys)))


def _ten_policies(stage: Stage, user: User) -> None:
    held = [arn for arn in stage.account.policies if "Full" in arn or "ReadOnly" in arn]
    user.attached = sorted(held)[:10]


def _boundary(stage: Stage, user: User) -> None:
    user.boundary = stage.account.arn("policy/developer-boundary")


def _ssh_keys(stage: Stage, user: User) -> None:
    for number, status in ((1, "Active"), (2, "Inactive")):
        key_id = stage.drawn("APKA", 17, user.name, number)
        user.ssh_keys[key_id] = Upload(key_id, _SSH.format(key_id), user.created_at, status)


def _certificates(stage: Stage, user: User) -> None:
    for number, status in ((1, "Active"), (2, "Inactive")):
        cert_id = stage.drawn("", 24, user.name, "cert", number)
        made_at = user.created_at + timedelta(days=number)
        user.certificates[cert_id] = Upload(cert_id, _PEM.format(cert_id), made_at, status)


def _credential(service: str, days: int = 0) -> Callable[[Stage, User], None]:
    def give(stage: Stage, user: User) -> None:
        credential_id = stage.drawn("ACCA", 17, user.name, service)
        user.service_credentials[credential_id] = ServiceCredential(
            id=credential_id,
            service=service,
            service_user_name=f"{user.name}-at-{stage.account.id}",
            created_at=user.created_at,
            expires_at=stage.born_at + timedelta(days=days) if days else None,
        )

    return give


def _tags(**tags: str) -> Callable[[Stage, User], None]:
    def give(stage: Stage, user: User) -> None:
        user.tags |= {name.replace("__", ":").replace("_", "-"): v for name, v in tags.items()}

    return give


def _hostile_tags(stage: Stage, user: User) -> None:
    user.tags["note"] = "<script>alert(document.cookie)</script>"
    user.tags["=cmd"] = "+1+1"
    user.tags["slack"] = "<!channel> *look*"


def _attach(*arns: str) -> Callable[[Stage, User], None]:
    def give(stage: Stage, user: User) -> None:
        user.attached += [arn for arn in arns if arn not in user.attached]

    return give


def _inline(stage: Stage, user: User) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-*/*"}
    user.inline["reports-read"] = {"Version": "2012-10-17", "Statement": [statement]}


def _deploys_functions(stage: Stage, user: User) -> None:
    """May make a function that runs with any role: an administrator by two calls."""
    actions = ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    user.inline["deploy-lambda"] = {"Version": "2012-10-17", "Statement": statement}


def _groups(stage: Stage, user: User) -> None:
    user.groups = ["developers", "ops", "marketing"]


HOLDINGS: dict[str, Callable[[Stage, User], None]] = {
    "hardware-mfa": _hardware,
    "fido-mfa": lambda stage, user: add_fido(stage, user, "laptop"),
    "virtual-mfa": add_virtual,
    "inactive-keys": _inactive_keys,
    "expired-key": _expired_key,
    "three-keys": _three_keys,
    "ten-policies": _ten_policies,
    "own-boundary": _boundary,
    "ssh-keys": _ssh_keys,
    "git-only": _ssh_keys,
    "certificates": _certificates,
    "git-credential": _credential("codecommit.amazonaws.com"),
    "keyspaces-credential": _credential("cassandra.amazonaws.com"),
    "bedrock-key": _credential("bedrock.amazonaws.com", days=120),
    "logs-key": _credential("logs.amazonaws.com"),
    "hostile-tags": _hostile_tags,
    "terraform": _tags(ManagedBy="Terraform", Workspace="infra-prod"),
    "cloudformation": _tags(aws__cloudformation__stack_name="platform-sync"),
    "quarantined": _attach(QUARANTINE),
    "admin": _attach("arn:aws:iam::aws:policy/AdministratorAccess"),
    "inline-policy": _inline,
    "deploys-functions": _deploys_functions,
    "groups": _groups,
}  # fmt: skip


def _calls(
    every: int, region: str = "", ago: int = 0, agent: str = ""
) -> Callable[..., list[Habit]]:
    def do(stage: Stage, member: Member, user: User) -> list[Habit]:
        habit = calls(member, user, next(iter(user.keys)), stage.born_at, every)
        changes: dict[str, object] = {}
        if region:
            changes["region"] = region
        if agent:
            changes["agent"] = agent
        if ago:
            changes |= {"first": stage.born_at - timedelta(days=ago), "spread": 0.0}
        return [Habit(**{**_fields(habit), **changes})]  # type: ignore[arg-type]

    return do


def _fields(habit: Habit) -> dict[str, object]:
    return {name: getattr(habit, name) for name in Habit.__dataclass_fields__}


def _other(
    kind: str, service: str, event: str, every: int, region: str = ""
) -> Callable[..., list[Habit]]:
    def do(stage: Stage, member: Member, user: User) -> list[Habit]:
        key = {
            "git": next(iter(user.ssh_keys), ""),
            "token": next(iter(user.service_credentials), ""),
            "knock": "",
        }.get(kind, next(iter(user.keys), ""))
        habit = calls(member, user, key, stage.born_at, every)
        changes = {"kind": kind, "service": service, "event": event, "works": False}
        if region:
            changes["region"] = region
        return [Habit(**{**_fields(habit), **changes})]  # type: ignore[arg-type]

    return do


def _sign_in_yearly(stage: Stage, member: Member, user: User) -> list[Habit]:
    habit = sign_in(member, user, stage.born_at, 365 * DAY)
    first = stage.born_at - timedelta(days=320)
    changes = {"first": first, "spread": 0.0, "workdays": False}
    return [Habit(**{**_fields(habit), **changes})]  # type: ignore[arg-type]


def _twin(stage: Stage, member: Member, user: User) -> list[Habit]:
    """A role session that bears the dormant user's name: somebody else."""
    return [
        Habit(
            kind="session", actor=RUNNER_ROLE, key=user.name, service="ec2",
            event="DescribeInstances", region="us-east-1", every=12 * HOUR,
            first=stage.born_at - timedelta(days=80), ip=address("runner", "ci-cd"),
            agent="Terraform/1.9.5 terraform-provider-aws/5.70.0",
        )
    ]  # fmt: skip


def _ghost(stage: Stage, member: Member, user: User) -> list[Habit]:
    """The earlier user of the same name, with another id, in events before this one was made."""
    return [
        Habit(
            kind="ghost", actor=stage.drawn("AIDA", 17, user.name, "earlier"), key=user.name,
            service="s3", event="ListBuckets", region="eu-west-1", every=2 * DAY,
            first=stage.born_at - timedelta(days=85), until=user.created_at - timedelta(days=1),
            ip=address("ghost", "human"), agent="aws-cli/2.15.30 Python/3.11.8",
        )
    ]  # fmt: skip


RHYTHMS: dict[str, Callable[[Stage, Member, User], list[Habit]]] = {
    "data-plane-only": _other("data", "s3", "GetObject", 12 * HOUR),
    "smtp": _other("data", "ses", "SendRawEmail", 12 * HOUR),
    "git-only": _other("git", "codecommit", "GitPull", DAY, "eu-west-1"),
    "bedrock-key": _other("token", "bedrock", "ListFoundationModels", DAY, "us-west-2"),
    "federation": _other("federation", "s3", "ListBuckets", 12 * HOUR),
    "one-region": _calls(DAY, "eu-central-1"),
    "quarterly": _calls(91 * DAY, ago=323),
    "hostile-agent": _calls(DAY, agent="<script>fetch('//x')</script>\x1b[31m=1+1"),
    "yearly-job": _calls(365 * DAY, ago=325),
    "half-yearly": _calls(182 * DAY, ago=130),
    "yearly-sign-in": _sign_in_yearly,
    "namesake": _ghost,
}
BESIDE: dict[str, Callable[[Stage, Member, User], list[Habit]]] = {
    "session-twin": _twin,
    "knocked": _other("knock", "signin", "ConsoleLogin", 3 * DAY),
}
"""Things that happen around a user beside its usual rhythm."""
