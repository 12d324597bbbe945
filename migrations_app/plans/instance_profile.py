"""A program on an EC2 instance gets its credentials from the instance. Pure.

The role is the small part. A key on the host wins over it, so a host with both goes on using the
key, and nobody notices until the user is disabled: the script that finds such keys is the point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from migrations_app.plans import hcl, role
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import code, fenced, header, one_line, page, steps, word

TARGET = "instance-profile"
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
_PARTS = re.compile(r"[A-Z0-9]{4}")


@dataclass(frozen=True, slots=True)
class Choices:
    """Which instances it runs on, where that is known."""

    instances: tuple[str, ...] = ()
    region: str = "us-east-1"


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """Role, instance profile, and how to find the key that would win over both."""
    chosen = choices or Choices()
    name = role.name_for("ec2-", facts.user_name)
    service = "ec2.amazonaws.com.cn" if facts.partition == "aws-cn" else "ec2.amazonaws.com"
    trust = role.trusting({"Service": service}, {}, "sts:AssumeRole")
    about = role.description(facts, "Assumed by EC2 instances")
    held = role.Role(name, trust, policy.statements, about, facts.user_id)
    instances = tuple(sorted({one for one in chosen.instances if _INSTANCE.fullmatch(one)}))
    files = [
        role.terraform(facts, held, after=[_profile(held)]),
        role.script(facts, held, after=_commands(held, instances, chosen.region)),
        *role.documents(held),
        _finder(facts),
        _test(held),
        _roll_back(facts, held),
        _pull_request(facts, held, instances),
    ]
    notes = () if instances else ("Which instances run it is not known; their addresses are:",)
    addresses = tuple(address for caller in facts.callers for address in caller.addresses)
    if notes and addresses:
        notes = (f"{notes[0]} {', '.join(map(one_line, addresses[:10]))}.",)
    elif notes:
        notes = ("Which instances run it is not known.",)
    title = f"EC2 instances get {name}"
    warnings = (_KEY_WINS, *held.warnings)
    return role.drafted(TARGET, title, files, policy, notes=notes, warnings=warnings)


_KEY_WINS = (
    "A key on the host wins over the role: with both, the program goes on using the key. Run"
    " find-static-keys.sh on each host and take out what it names."
)


def _profile(held: role.Role) -> hcl.Block:
    told = hcl.attributes(name=held.name, role=hcl.Expression(f"aws_iam_role.{held.label}.name"))
    return hcl.resource("aws_iam_instance_profile", held.label, *told)


def _commands(held: role.Role, instances: tuple[str, ...], region: str) -> list[str]:
    name = f"--instance-profile-name={word(held.name)}"
    profile = f"--iam-instance-profile=Name={word(held.name)}"
    told = [
        f"aws iam create-instance-profile {name}",
        f"aws iam add-role-to-instance-profile {name} --role-name={word(held.name)}",
        "# An instance has one profile. Where one is there already, give its role the policy.",
    ]
    where = f"--region={word(region)}"
    for one in instances:
        told.append(f"aws ec2 associate-iam-instance-profile {where} --instance-id={one} {profile}")
    return told


def _finder(facts: PlanFacts) -> GeneratedFile:
    """Names files and processes, and never what stands in them."""
    ends = sorted({key[-4:] for key in facts.key_ids if _PARTS.fullmatch(key[-4:])})
    pattern = "|".join(f"(AKIA|ASIA)[A-Z0-9]+{end}" for end in ends) or "AKIA[A-Z0-9]{16}"
    head = "\n".join(f"# {line}" for line in header(facts))
    text = f"""#!/usr/bin/env bash
{head}
# Names the files, processes, units and containers of this host that hold the key of that user, and
# prints nothing of what they hold. Run it as root. Another folder than / may be named.
set -uo pipefail

root="${{1:-/}}"
pattern={word(pattern)}
found=0

tell() {{
  found=1
  printf '%s: %s\\n' "$1" "$2"
}}

while IFS= read -r file; do
  tell file "$file"
done < <(
  for folder in root home etc opt srv usr/local var/lib var/spool/cron; do
    if [ -d "$root/$folder" ]; then
      grep --recursive --files-with-matches --binary-files=without-match --no-messages \\
        --extended-regexp --regexp="$pattern" -- "$root/$folder"
    fi
  done
)

for environment in "$root"/proc/[0-9]*/environ; do
  if [ -r "$environment" ] && grep --quiet --text --extended-regexp --regexp="$pattern" \\
    -- "$environment" 2>/dev/null; then
    process="${{environment%/environ}}"
    tell process "${{process##*/}}"
  fi
done

if [ "$root" = / ] && command -v docker >/dev/null; then
  for container in $(docker ps --quiet); do
    if docker inspect "$container" | grep --quiet --extended-regexp --regexp="$pattern"; then
      tell container "$container"
    fi
  done
fi

if [ "$found" -eq 0 ]; then
  echo "Nothing found. See also user data, images that hosts are made from, and deployment tools."
fi
exit "$found"
"""
    return GeneratedFile("find-static-keys.sh", text, "shell")


def _test(held: role.Role) -> GeneratedFile:
    return page(
        "HOW-TO-TEST.md",
        f"Test {held.name}",
        steps(
            [
                f"Run {code('find-static-keys.sh')} on the host, take out the keys that it names"
                " and start those programs anew.",
                f"As the program's own user, {code('aws configure list')} shows"
                f" {code('iam-role')} as the type of the access key. {code('env')} or"
                f" {code('shared-credentials-file')} mean that a key is left.",
                f"{code('aws sts get-caller-identity')} names {code(f'assumed-role/{held.name}')}.",
                "In a container on the host, the metadata service needs a hop limit of 2:"
                f" {code('HttpPutResponseHopLimit')}.",
                "The plan turns to Tested by itself once CloudTrail shows the role in use.",
            ]
        ),
    )


def _roll_back(facts: PlanFacts, held: role.Role) -> GeneratedFile:
    name = f"--instance-profile-name={word(held.name)}"
    return page(
        "HOW-TO-ROLL-BACK.md",
        f"Go back from {held.name}",
        "Put the key back where it was and start the program anew. It works until its user is"
        " disabled. The profile may stay: the key wins over it.",
        "When nothing uses the role any more:",
        fenced(
            [
                f"aws iam remove-role-from-instance-profile {name} --role-name={word(held.name)}",
                f"aws iam delete-instance-profile {name}",
                *role.undo(facts, held),
            ]
        ),
    )


def _pull_request(facts: PlanFacts, held: role.Role, instances: tuple[str, ...]) -> GeneratedFile:
    which = ", ".join(map(code, instances)) or "the instances that run it"
    return page(
        "PULL-REQUEST.md",
        "Give the instances a role instead of a key",
        f"A program on {which} used the access key of the IAM user {code(facts.user_name)}. The"
        f" instances now have the role {code(held.name)}.",
        _KEY_WINS,
    )
