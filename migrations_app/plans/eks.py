"""A workload in Kubernetes gets its credentials from its service account. Pure.

Pod Identity first: the role trusts one service of AWS, needs no provider per cluster and serves
any number of clusters; what narrows it are the tags that EKS puts on the session. IRSA where it is
asked for: one provider per cluster, and the service account in the subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.plans import hcl, role
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.policy import Policy
from migrations_app.plans.prose import code, fenced, header, page, steps, word
from migrations_app.plans.workflow import scalar

TARGET = "eks"
AUDIENCE = "sts.amazonaws.com"
_CLUSTER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ISSUER = re.compile(r"https://[A-Za-z0-9./-]+")


@dataclass(frozen=True, slots=True)
class Choices:
    """Where the workload runs. `issuer`: the cluster's own `https://oidc.eks.…`, for IRSA only."""

    cluster: str = ""
    namespace: str = ""
    service_account: str = ""
    region: str = "us-east-1"
    irsa: bool = False
    issuer: str = ""
    provider_exists: bool = False


def draft(facts: PlanFacts, policy: Policy, choices: Choices | None = None) -> Draft:
    """Role and association, or what has to be known first."""
    chosen = choices or Choices()
    name = role.name_for("eks-", facts.user_name)
    title = f"A service account in Kubernetes gets {name}"
    missing = tuple(_missing(chosen))
    if missing:
        return role.drafted(TARGET, title, [_unknown(facts, missing)], policy, warnings=missing)
    held = _irsa(facts, policy, chosen, name) if chosen.irsa else _pods(facts, policy, name, chosen)
    files = [
        *role.documents(held),
        *(_irsa_files(facts, held, chosen) if chosen.irsa else _pod_files(facts, held, chosen)),
        _test(held, chosen),
        _roll_back(facts, held, chosen),
        _pull_request(facts, held, chosen),
    ]
    warnings = (_KEY_WINS, *held.warnings)
    return role.drafted(TARGET, title, files, policy, warnings=warnings)


_KEY_WINS = (
    "A key in the pod's environment or in a mounted file wins over the role: remove the Kubernetes"
    " Secret from the pod, or the workload keeps using it."
)


def _missing(chosen: Choices) -> Iterator[str]:
    if not _CLUSTER.fullmatch(chosen.cluster):
        yield "The cluster is not known."
    if not _LABEL.fullmatch(chosen.namespace):
        yield "The namespace is not known."
    if not _ACCOUNT.fullmatch(chosen.service_account):
        yield "The service account is not known."
    if chosen.irsa and not _ISSUER.fullmatch(chosen.issuer):
        yield "The cluster's OIDC issuer is not known."


def _pods(facts: PlanFacts, policy: Policy, name: str, chosen: Choices) -> role.Role:
    exact = {
        "StringEquals": {
            "aws:RequestTag/kubernetes-namespace": chosen.namespace,
            "aws:RequestTag/kubernetes-service-account": chosen.service_account,
        }
    }
    service = {"Service": "pods.eks.amazonaws.com"}
    trust = role.trusting(service, exact, "sts:AssumeRole", "sts:TagSession")
    about = role.description(facts, "Assumed by pods through EKS Pod Identity")
    return role.Role(name, trust, policy.statements, about, facts.user_id)


def _irsa(facts: PlanFacts, policy: Policy, chosen: Choices, name: str) -> role.Role:
    issuer = chosen.issuer.removeprefix("https://")
    subject = f"system:serviceaccount:{chosen.namespace}:{chosen.service_account}"
    exact = {"StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": subject}}
    principal = {"Federated": _provider_arn(facts, chosen)}
    trust = role.trusting(principal, exact, "sts:AssumeRoleWithWebIdentity")
    needs = () if chosen.provider_exists else ("aws_iam_openid_connect_provider.cluster",)
    about = role.description(facts, "Assumed by pods through IRSA")
    return role.Role(name, trust, policy.statements, about, facts.user_id, needs=needs)


def _provider_arn(facts: PlanFacts, chosen: Choices) -> str:
    issuer = chosen.issuer.removeprefix("https://")
    return f"arn:{facts.partition}:iam::{facts.account_id}:oidc-provider/{issuer}"


def _pod_files(facts: PlanFacts, held: role.Role, chosen: Choices) -> list[GeneratedFile]:
    association = hcl.resource(
        "aws_eks_pod_identity_association",
        held.label,
        *hcl.attributes(
            cluster_name=chosen.cluster,
            namespace=chosen.namespace,
            service_account=chosen.service_account,
            role_arn=hcl.Expression(f"aws_iam_role.{held.label}.arn"),
        ),
    )
    command = (
        f"aws eks create-pod-identity-association --region={word(chosen.region)}"
        f" --cluster-name={word(chosen.cluster)} --namespace={word(chosen.namespace)}"
        f" --service-account={word(chosen.service_account)}"
        f" --role-arn={word(role.arn(facts, held.name))}"
    )
    return [
        role.terraform(facts, held, after=[association]),
        role.script(facts, held, after=[command]),
    ]


def _irsa_files(facts: PlanFacts, held: role.Role, chosen: Choices) -> list[GeneratedFile]:
    told = hcl.attributes(url=chosen.issuer, client_id_list=[AUDIENCE])
    provider = hcl.resource("aws_iam_openid_connect_provider", "cluster", *told)
    arn = word(_provider_arn(facts, chosen))
    commands = [
        f"if ! aws iam get-open-id-connect-provider --open-id-connect-provider-arn={arn}"
        " >/dev/null 2>&1; then",
        f"  aws iam create-open-id-connect-provider --url={word(chosen.issuer)}"
        f" --client-id-list={AUDIENCE}",
        "fi",
    ]
    return [
        role.terraform(facts, held, () if chosen.provider_exists else [provider]),
        role.script(facts, held, commands),
        _service_account(facts, held, chosen),
    ]


def _service_account(facts: PlanFacts, held: role.Role, chosen: Choices) -> GeneratedFile:
    lines = [
        *(f"# {line}" for line in header(facts)),
        "apiVersion: v1",
        "kind: ServiceAccount",
        "metadata:",
        f"  name: {scalar(chosen.service_account)}",
        f"  namespace: {scalar(chosen.namespace)}",
        "  annotations:",
        f"    eks.amazonaws.com/role-arn: {scalar(role.arn(facts, held.name))}",
    ]
    return GeneratedFile("service-account.yml", "\n".join(lines) + "\n", "yaml")


def _test(held: role.Role, chosen: Choices) -> GeneratedFile:
    where = f"--namespace={word(chosen.namespace)}"
    ready = (
        f"Apply {code('service-account.yml')} and the Terraform."
        if chosen.irsa
        else "See that the add-on runs on the nodes:"
        f" {code('kubectl get daemonset eks-pod-identity-agent --namespace=kube-system')}."
    )
    return page(
        "HOW-TO-TEST.md",
        f"Test {held.name}",
        steps(
            [
                ready,
                "Remove the variables and files with the key from the pod, then restart it: only a"
                " new pod gets the credentials.",
                f"In the pod, {code('aws sts get-caller-identity')} names"
                f" {code(f'assumed-role/{held.name}')}. If it names the IAM user, a key is left.",
                "The plan turns to Tested by itself once CloudTrail shows the role assumed.",
            ]
        ),
        fenced([f"kubectl get pods {where} --output=name"]),
    )


def _roll_back(facts: PlanFacts, held: role.Role, chosen: Choices) -> GeneratedFile:
    find = (
        f"aws eks list-pod-identity-associations --region={word(chosen.region)}"
        f" --cluster-name={word(chosen.cluster)} --namespace={word(chosen.namespace)}"
        f" --service-account={word(chosen.service_account)}"
    )
    return page(
        "HOW-TO-ROLL-BACK.md",
        f"Go back from {held.name}",
        "Give the pod its Secret back and restart it. The key works until its user is disabled.",
        "When nothing uses the role any more:",
        fenced([*([] if chosen.irsa else [find]), *role.undo(facts, held)]),
        ""
        if chosen.irsa
        else "Delete the association that the first command names before the role.",
    )


def _pull_request(facts: PlanFacts, held: role.Role, chosen: Choices) -> GeneratedFile:
    who = code(f"{chosen.namespace}/{chosen.service_account}")
    how = "IRSA" if chosen.irsa else "EKS Pod Identity"
    return page(
        "PULL-REQUEST.md",
        f"Give {chosen.service_account} its own role",
        f"The service account {who} in cluster {code(chosen.cluster)} used the access key of the"
        f" IAM user {code(facts.user_name)}. It now gets credentials of the role"
        f" {code(held.name)} through {how}. No other service account can assume it.",
        _KEY_WINS,
    )


def _unknown(facts: PlanFacts, missing: tuple[str, ...]) -> GeneratedFile:
    seen = [code(agent) for agent in facts.user_agents[:5]]
    return page(
        "WHAT-IS-MISSING.md",
        "Which service account it is",
        " ".join(missing),
        f"Seen calling: {', '.join(seen)}." if seen else "",
        "These find it, in each cluster that may run it:",
        fenced(
            [
                "kubectl get secrets --all-namespaces --output=name | grep -i aws",
                "kubectl get pods --all-namespaces"
                " --output=custom-columns=NS:.metadata.namespace,POD:.metadata.name,"
                "SA:.spec.serviceAccountName",
            ]
        ),
    )
