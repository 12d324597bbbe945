"""The same users disabled and deleted by a shell script, and deleted by Cloud Custodian.

Each gets a fresh account with the seed of our own run and the names of the users that went there.
Both tools are installed into a virtual environment of their own, outside the product's lock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from bench import bare, ground
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.control import Control
from demo.aws.estate import EXTERNAL_ID

SCRIPT = Path(__file__).with_name("shell_script.sh")
VERSIONS = {"awscli": "1.46.3", "c7n": "0.9.53"}
_HOME = ground.ROOT / ".demo" / "rivals"
_QUIET = ("dormant", "never-used")


def measure(rival: str) -> dict[str, Any]:
    """`script` or `custodian`: seconds, calls, and what is left."""
    home = _installed({"script": "awscli", "custodian": "c7n"}[rival])
    os.environ["IAMCLEANUP_CLOCK_FILE"] = str(_HOME / "clock")
    (_HOME / "clock").write_text("0")
    with ground.account(206, 206) as endpoint:
        control = Control(endpoint)
        names = sorted(one["user_name"] for one in control.truth() if one["status"] in _QUIET)
        how = _Rival(home, endpoint, control, names)
        return how.script() if rival == "script" else how.custodian()


class _Rival:
    def __init__(self, home: Path, endpoint: str, control: Control, names: list[str]) -> None:
        self.home, self.endpoint, self.control, self.names = home, endpoint, control, names

    def script(self) -> dict[str, Any]:
        told: dict[str, Any] = {"users": len(self.names)}
        for move, role in (("disable", "Actor"), ("delete", "Deleter")):
            command = ["bash", str(SCRIPT), move]
            told[move] = self._timed(role, command, "\n".join(self.names) + "\n")
            told[move]["says"] = told[move].pop("output").count(f"{move}d: ")
        return told

    def custodian(self) -> dict[str, Any]:
        """Whole, with latency, with one lost answer, and with one passing DeleteConflict."""
        named = {"type": "value", "key": "UserName", "op": "in", "value": self.names}
        # Without options it deletes every part that it knows of.
        policy = {"name": "quiet", "resource": "aws.iam-user", "filters": [named]}
        file = _HOME / "policy.json"
        file.write_text(json.dumps({"policies": [policy | {"actions": ["delete"]}]}))
        custodian = str(self.home / "bin" / "custodian")
        cache = ["--cache-period", "0"]
        command = [
            custodian,
            "run",
            *cache,
            "-s",
            str(_HOME / "out"),
            "--region",
            "us-east-1",
            str(file),
        ]
        told: dict[str, Any] = {"users": len(self.names)}
        for name, fault in {
            "delete": None,
            "delete, 50 ms": ("latency", {"count": None, "seconds": 0.05}),
            "delete, one answer lost": ("reset-after", {"operation": "DeleteUser", "skip": 30}),
            "delete, one DeleteConflict": ("delete-conflict", {"operation": "DeleteUser"}),
        }.items():
            self.control.start_over()
            if fault:
                self.control.set_fault(fault[0], **fault[1])
            told[name] = self._timed("Deleter", command, "", patient=True)
            del told[name]["output"]
            self.control.clear_faults()
        return told

    def _timed(
        self, role: str, command: list[str], given: str, *, patient: bool = False
    ) -> dict[str, Any]:
        before = sum(self.control.counts().values())
        began = time.monotonic()
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(role),
        )
        seconds = time.monotonic() - began
        counts = len(self.control.calls(before))
        if patient:
            self.control.clear_faults()
        after = bare.account_after(self.endpoint, self.names)
        told = {"seconds": round(seconds, 1), "calls": counts, "exit": done.returncode, **after}
        return told | {"output": done.stdout}

    def _environment(self, role: str) -> dict[str, str]:
        """As the product's role: whoever disables or deletes has its rights."""
        sts = boto3.session.Session().client(
            "sts",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=PRODUCT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=PRODUCT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        given = sts.assume_role(
            RoleArn=f"arn:aws:iam::{ground.ACCOUNT}:role/IamCleanup{role}",
            RoleSessionName="bench",
            ExternalId=EXTERNAL_ID,
        )["Credentials"]
        return {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "HOME": str(_HOME),
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
        }


def _installed(package: str) -> Path:
    """A virtual environment with that tool, made when it is first asked for."""
    home = _HOME / package
    if not (home / "bin" / "python").exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        wanted = f"{package}=={VERSIONS[package]}"
        subprocess.run([home / "bin" / "pip", "install", "-q", wanted], check=True)
    return home
