"""A Jira Cloud on this machine: the documented parts of REST v3, strict, and broken as told.

It refuses with 400 whatever Jira does not know: other fields, other ADF nodes, too long texts. Its
search lags behind: an issue is found only once the test says so. Faults are taken in turn, each
for the first request whose method and path it names.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.migrations_app.announce.jira_document import Refused, check_document

EMAIL, TOKEN = "cleanup@example.com", "secret-token"


class HangUp(Exception):
    pass


@dataclass
class Fault:
    """`what` is "close", "lost" (done, then closed), "slow" (done, answered late) or a status.

    With a status nothing is done, unless `done` says so.
    """

    where: str
    what: str
    retry_after: str = ""
    done: bool = False


@dataclass
class Jira:
    projects: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"ACME": {"issues": 0, "types": {"Task", "Story"}}}
    )
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    transitions: list[dict[str, Any]] = field(
        default_factory=lambda: [
            transition("11", "Start", "In Progress", "indeterminate"),
            transition("31", "Finish", "Done", "done"),
        ]
    )
    faults: list[Fault] = field(default_factory=list)
    # Issues made while it lags are not in the index.
    lags: bool = True
    indexed: set[str] = field(default_factory=set)
    fields_on_screen: set[str] = field(
        default_factory=lambda: {"summary", "description", "labels", "project", "issuetype"}
    )
    may_edit: bool = True
    calls: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: int = 10_000

    def comments(self, key: str) -> list[dict[str, Any]]:
        return list(self.issues[key]["comments"])

    def next_id(self) -> str:
        self.ids += 1
        return str(self.ids)

    # --- The resources --------------------------------------------------------------------------

    def create(self, body: Any) -> tuple[int, Any]:
        known(body, {"fields", "properties", "update"})
        fields = body["fields"]
        self.check_fields(fields, on_screen=self.fields_on_screen)
        project = self.projects.get(fields.get("project", {}).get("key"))
        if project is None:
            raise Refused(400, project="valid project is required")
        if fields.get("issuetype", {}).get("name") not in project["types"]:
            raise Refused(400, issuetype="Specify a valid issue type")
        if "summary" not in fields:
            raise Refused(400, summary="You must specify a summary of the issue.")
        project["issues"] += 1
        key = f"{fields['project']['key']}-{project['issues']}"
        self.issues[key] = {
            "id": self.next_id(),
            "fields": fields,
            "properties": properties(body),
            "comments": [],
            "status": status("To Do", "new"),
        }
        if not self.lags:
            self.indexed.add(key)
        return 201, {"id": self.issues[key]["id"], "key": key, "self": f"http://x/{key}"}

    def check_fields(self, fields: Any, *, on_screen: set[str]) -> None:
        for name in fields:
            if name not in on_screen:
                text = f"Field '{name}' cannot be set. It is not on the appropriate screen."
                raise Refused(400, **{name: text})
        summary = fields.get("summary", "x")
        if not summary.strip():
            raise Refused(400, summary="You must specify a summary of the issue.")
        if len(summary) > 255:
            raise Refused(400, summary="Summary must be less than 255 characters.")
        if "\n" in summary or "\r" in summary:
            raise Refused(400, summary="The summary is invalid because it contains newline.")
        for label in fields.get("labels", []):
            if not re.fullmatch(r"\S{1,255}", label):
                raise Refused(400, labels=f"The label '{label}' contains spaces.")
        if "description" in fields:
            check_document(fields["description"], "description")

    def edit(self, key: str, body: Any) -> tuple[int, Any]:
        known(body, {"fields", "update", "properties"})
        if not self.may_edit:
            raise Refused(403, "You do not have permission to edit issues in this project.")
        self.check_fields(body["fields"], on_screen=self.fields_on_screen - {"project"})
        self.issue(key)["fields"].update(body["fields"])
        return 204, None

    def issue(self, key: str) -> dict[str, Any]:
        if key not in self.issues:
            raise Refused(404, "Issue does not exist or you do not have permission to see it.")
        return self.issues[key]

    def show(self, key: str) -> tuple[int, Any]:
        issue = self.issue(key)
        return 200, {"id": issue["id"], "key": key, "fields": {"status": issue["status"]}}

    def found(self, key: str, body: Any) -> dict[str, Any]:
        issue = self.issues[key]
        shown = {name: issue["fields"].get(name) for name in body.get("fields", [])}
        wanted = body.get("properties", [])
        kept = {name: value for name, value in issue["properties"].items() if name in wanted}
        return {"id": issue["id"], "key": key, "fields": shown, "properties": kept}

    def search(self, body: Any) -> tuple[int, Any]:
        known(body, {"jql", "fields", "properties", "maxResults", "reconcileIssues"})
        asked = re.fullmatch(
            r'project = "(\w+)"(?: AND labels = "([\w-]+)")? ORDER BY (created ASC|key DESC)',
            body["jql"],
        )
        if not asked:
            raise Refused(400, "Error in the JQL Query.")
        project, label, order = asked.groups()
        if project not in self.projects:
            text = f"The value '{project}' does not exist for the field 'project'."
            raise Refused(400, text)
        keys = [
            key
            for key, issue in self.issues.items()
            if key in self.indexed
            and key.startswith(f"{project}-")
            and (label is None or label in issue["fields"].get("labels", []))
        ]
        keys.sort(key=lambda key: int(key.split("-")[1]), reverse=order == "key DESC")
        shown = [self.found(key, body) for key in keys[: body.get("maxResults", 50)]]
        return 200, {"issues": shown, "isLast": True}

    def bulk_fetch(self, body: Any) -> tuple[int, Any]:
        known(body, {"issueIdsOrKeys", "fields", "properties", "expand", "fieldsByKeys"})
        if not 1 <= len(body["issueIdsOrKeys"]) <= 100:
            raise Refused(400, "Between 1 and 100 issues.")
        keys = [key for key in body["issueIdsOrKeys"] if key in self.issues]
        return 200, {"issues": [self.found(key, body) for key in keys], "issueErrors": []}

    def list_comments(self, key: str, query: dict[str, str]) -> tuple[int, Any]:
        if set(query) - {"startAt", "maxResults", "orderBy", "expand"}:
            raise Refused(400, "Unknown parameter.")
        comments = self.issue(key)["comments"]
        start, most = int(query.get("startAt", 0)), min(int(query.get("maxResults", 50)), 100)
        page = [dict(comment) for comment in comments[start : start + most]]
        if query.get("expand") != "properties":
            for comment in page:
                comment.pop("properties")
        return 200, {
            "startAt": start,
            "maxResults": most,
            "total": len(comments),
            "comments": page,
        }

    def add_comment(self, key: str, body: Any) -> tuple[int, Any]:
        known(body, {"body", "visibility", "properties"})
        check_document(body["body"], "comment")
        given = [{"key": name, "value": value} for name, value in properties(body).items()]
        comment = {"id": self.next_id(), "body": body["body"], "properties": given}
        self.issue(key)["comments"].append(comment)
        return 201, {"id": comment["id"], "body": comment["body"]}

    def list_transitions(self, key: str) -> tuple[int, Any]:
        self.issue(key)
        shown = [{k: v for k, v in way.items() if k != "refuses"} for way in self.transitions]
        return 200, {"expand": "transitions", "transitions": shown}

    def transit(self, key: str, body: Any) -> tuple[int, Any]:
        known(body, {"transition", "fields", "update", "properties"})
        ways = [way for way in self.transitions if way["id"] == body["transition"]["id"]]
        if not ways:
            raise Refused(400, "Transition id is not valid for this issue.")
        if ways[0].get("refuses"):
            raise Refused(400, resolution="Resolution is required.")
        self.issue(key)["status"] = ways[0]["to"]
        return 204, None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """The documented resource of this method and path."""
        key = path.split("/")[1] if path.startswith("issue/") else ""
        routes = {
            "POST issue": lambda: self.create(body),
            "POST search/jql": lambda: self.search(body),
            "POST issue/bulkfetch": lambda: self.bulk_fetch(body),
            f"PUT issue/{key}": lambda: self.edit(key, body),
            f"GET issue/{key}": lambda: self.show(key),
            f"GET issue/{key}/comment": lambda: self.list_comments(key, query),
            f"POST issue/{key}/comment": lambda: self.add_comment(key, body),
            f"GET issue/{key}/transitions": lambda: self.list_transitions(key),
            f"POST issue/{key}/transitions": lambda: self.transit(key, body),
        }
        route = routes.get(f"{method} {path}")
        if route is None:
            raise Refused(404, "No such resource.")
        return route()


def status(name: str, category: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": category}}


def transition(id_: str, name: str, to: str, category: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "to": status(to, category), **more}


def known(body: Any, names: set[str]) -> None:
    strange = set(body) - names
    if strange:
        raise Refused(400, f'Unrecognized field "{min(strange)}"')


def properties(body: Any) -> dict[str, Any]:
    found = {}
    for given in body.get("properties", []):
        if set(given) != {"key", "value"} or len(given["key"]) > 255:
            raise Refused(400, "A property has a key and a value.")
        found[given["key"]] = given["value"]
    return found


# --- HTTP -----------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def serve(self) -> None:
        jira = self.server.jira
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/rest/api/3/")
        jira.calls.append(f"{self.command} {path}")
        fault = self.take_fault(path)
        try:
            if fault and fault.what == "close":
                raise HangUp
            if fault and fault.what.isdigit() and not fault.done:
                raise Refused(int(fault.what), "Broken as told.")
            self.check_request(raw)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            with jira.lock:
                code, body = jira.answer(
                    self.command, path, query, json.loads(raw) if raw else None
                )
            if fault and fault.what == "lost":
                raise HangUp
            if fault and fault.what == "slow":
                time.sleep(0.6)
            if fault and fault.done:
                raise Refused(int(fault.what), "Done, and broken after it.")
            self.reply(code, body)
        except Refused as refused:
            self.reply(refused.status, refused.body, fault.retry_after if fault else "")
        except HangUp:
            self.close_connection = True

    def take_fault(self, path: str) -> Fault | None:
        for fault in self.server.jira.faults:
            if re.fullmatch(fault.where, f"{self.command} {path}"):
                self.server.jira.faults.remove(fault)
                return fault
        return None

    def check_request(self, raw: bytes) -> None:
        expected = "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            raise Refused(401, "Client must be authenticated to access this resource.")
        if raw and self.headers.get("Content-Type") != "application/json":
            raise Refused(415, "Unsupported Media Type")

    def reply(self, code: int, body: Any, retry_after: str = "") -> None:
        data = b"" if body is None else json.dumps(body).encode()
        with contextlib.suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(data)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, jira: Jira) -> None:
        self.jira = jira
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextlib.contextmanager
def running(jira: Jira) -> Iterator[str]:
    """The base URL of this Jira, for a `with` block."""
    with _Server(jira) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
