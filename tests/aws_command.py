"""The `aws` command for scripts under test: the real one, or a small one that starts at once.

The small one reads a command line as AWS CLI does for what our scripts use: the operation and each
option by their names in botocore's model of IAM, `--query` and `--output=text`. The program that
the shell starts only hands its words to this process, which sends the call over HTTP.
"""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from demo.aws.authentication import ADMIN_CREDENTIALS

_HANDS_OVER = """\
import json, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({door!r})
    line.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    told = json.loads(line.makefile().readline())
sys.stdout.write(told["out"]); sys.stderr.write(told["err"]); sys.exit(bool(told["err"]))
"""


def real() -> bool:
    """Whether this machine has an AWS CLI of its own."""
    return shutil.which("aws") is not None


def run_script(
    script: str, endpoint: str, home: Path, *, small: bool
) -> subprocess.CompletedProcess[str]:
    """Run a shell script of `aws` lines as an administrator of the account behind `endpoint`.

    Unless `small`, with this machine's own AWS CLI, if it has one.
    """
    if small or not real():
        with _listening(endpoint, home):
            return _run(script, endpoint, home, f"{home}:{os.environ['PATH']}")
    return _run(script, endpoint, home, os.environ["PATH"])


def _run(script: str, endpoint: str, home: Path, path: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **ADMIN_CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "HOME": str(home),
        "PATH": path,
    }
    return subprocess.run(
        ["/bin/sh", "-s"],
        input=script,
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
        check=False,
    )


@contextmanager
def _listening(endpoint: str, home: Path) -> Iterator[None]:
    """Put a small `aws` into `home`, and do what it is told."""
    door = str(home / "door")
    (home / "aws.py").write_text(_HANDS_OVER.format(door=door))
    command = home / "aws"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{home}/aws.py" "$@"\n')
    command.chmod(0o755)
    session = botocore.session.get_session()
    session.set_credentials(
        ADMIN_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        ADMIN_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        ADMIN_CREDENTIALS["AWS_SESSION_TOKEN"],
    )
    client = session.create_client("iam", "us-east-1", endpoint_url=endpoint)

    class Line(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            told = {"out": "", "err": ""}
            try:
                told["out"] = perform(client, json.loads(self.rfile.readline()))
            except Exception as error:  # noqa: BLE001
                told["err"] = str(error)
            self.wfile.write(json.dumps(told).encode() + b"\n")

    with socketserver.UnixStreamServer(door, Line) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def perform(client: Any, words: list[str]) -> str:
    """Do what one command line says; what it prints. KeyError for what IAM does not know."""
    _, verb, *options = words
    model = client.meta.service_model
    operation = {xform_name(name, "-"): name for name in model.operation_names}[verb]
    shape = model.operation_model(operation).input_shape
    members = {xform_name(name, "-"): (name, one) for name, one in shape.members.items()}
    params: dict[str, Any] = {}
    own: dict[str, str] = {}
    for option in options:
        name, _, value = option.removeprefix("--").partition("=")
        if name in ("query", "output"):
            own[name] = value
            continue
        parameter, member = members[name]
        params[parameter] = value if member.type_name == "string" else json.loads(value)
    told = getattr(client, xform_name(operation))(**params)
    if "query" not in own:
        return ""
    # Only Name.Name is asked for here.
    for name in own["query"].split("."):
        told = told[name]
    return str(told)
