"""What is shipped fits together: compose file, image, environment example and settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from iamcleanup import celery
from iamcleanup.play import WEB_CREDENTIALS

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
DOCUMENTED = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))
OURS = ("migrate", "web", "read", "write", "restore", "notify", "beat")


def read_by_the_code() -> set[str]:
    """Every variable that settings, gunicorn or the demo read from the environment."""
    patterns = (
        r'env\.\w+\(\s*"([A-Z_]+)"',
        r'environ\.get\("([A-Z_]+)"',
        r'secret\("([A-Z_]+)"\)',
    )
    found: set[str] = set()
    for path in ("iamcleanup", "demo"):
        for file in (ROOT / path).glob("*.py"):
            for pattern in patterns:
                found |= set(re.findall(pattern, file.read_text()))
    return found


def test_every_variable_the_code_reads_is_documented() -> None:
    assert read_by_the_code() - {"PATH", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} <= DOCUMENTED


def test_every_documented_variable_is_read() -> None:
    read_by_others = {
        "POSTGRES_PASSWORD",  # the PostgreSQL image
        "AWS_ACCESS_KEY_ID",  # boto3
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
    }
    assert DOCUMENTED - read_by_others <= read_by_the_code()


def test_every_variable_of_the_compose_file_is_documented() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert used <= DOCUMENTED


def test_every_variable_of_an_installation_reaches_a_container() -> None:
    only_at_home = {
        "DEBUG",
        "IAMCLEANUP_DEMO",
        "IAMCLEANUP_TEST",
        "IAMCLEANUP_CLOCK_FILE",
        "IAMCLEANUP_DEMO_DIR",
        "PORT",
    }
    handed_on = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert DOCUMENTED - only_at_home <= handed_on


@pytest.mark.parametrize("name", ["migrate", "web", "beat"])
def test_only_workers_are_given_aws_credentials(name: str) -> None:
    assert not set(SERVICES[name]["environment"]) & set(WEB_CREDENTIALS)


def test_only_the_worker_that_sends_is_given_the_secrets_of_channels() -> None:
    secrets = {
        name for name in DOCUMENTED if re.search(r"SLACK_(TOKEN|WEBHOOK)|_SECRET$|JIRA|MAIL", name)
    }
    secrets -= {*WEB_CREDENTIALS, *(name for name in DOCUMENTED if name.startswith("OIDC_"))}
    assert "IAMCLEANUP_SLACK_TOKEN" in secrets
    holders = {name for name in OURS if secrets & set(SERVICES[name].get("environment", {}))}
    assert holders == {"notify"}
    assert not set(SERVICES["notify"]["environment"]) & set(WEB_CREDENTIALS)


def test_only_the_web_process_is_given_the_secret_of_sign_in() -> None:
    holders = {name for name in OURS if "OIDC_CLIENT_SECRET" in SERVICES[name]["environment"]}
    assert holders == {"web"}


def test_every_queue_has_a_worker_of_its_own() -> None:
    workers = {
        name: service["command"][service["command"].index("-Q") + 1]
        for name, service in SERVICES.items()
        if "-Q" in service.get("command", [])
    }
    assert workers == {queue: queue for queue in celery.QUEUES}


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_the_compose_file_exists(name: str) -> None:
    program = SERVICES[name]["command"][0]
    installed = ROOT / ".venv" / "bin" / program
    assert installed.exists()
    for word in SERVICES[name]["command"]:
        module = re.fullmatch(r"(?:python:)?(iamcleanup(?:\.\w+)?)", word)
        if module:
            path = ROOT / module[1].replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").exists()


def test_the_image_holds_every_package_of_the_product_and_not_the_demo() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert copied == {"iamcleanup", "inventory", "migrations_app", "templates", "static"}


def test_the_image_runs_the_same_web_command_as_the_compose_file() -> None:
    command = re.search(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert command is not None
    assert YAML(typ="safe").load(command[1]) == SERVICES["web"]["command"]
