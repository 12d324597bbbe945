"""Slack as its documentation describes it: posting, threads, metadata, history, limits, errors.

Strict where Slack is: what it would not take is answered with Slack's own error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.migrations_app.announce.servers import Reply, Request, Server, as_reply

TOKEN = "xoxb-the-token"
HOOK = "/services/T0/B0/the-secret-path"
ARGUMENTS = {
    "channel", "text", "blocks", "thread_ts", "reply_broadcast", "metadata", "parse", "mrkdwn",
    "unfurl_links", "unfurl_media", "link_names",
}  # fmt: skip
ALL_SCOPES = frozenset(
    ("chat:write", "channels:history", "groups:history", "channels:read", "groups:read")
)


class Refused(Exception):
    """Slack's answer `{"ok": false, "error": …}`."""


@dataclass(slots=True)
class Room:
    name: str
    is_private: bool = False
    is_archived: bool = False
    has_app: bool = True
    messages: list[dict[str, Any]] = field(default_factory=list)


class SlackServer:
    """One workspace: its rooms by id, the scopes of its token, and what was posted."""

    def __init__(self) -> None:
        self.rooms = {"C0PAYMENTS": Room("payments"), "G0SECURITY": Room("security", True)}
        self.scopes = ALL_SCOPES
        self.error = ""
        self.page = 200
        self.server = Server(self.process)
        self.server.spared = ("/api/conversations.",)
        self.api = f"{self.server.url}/api/"
        self.hook = f"{self.server.url}{HOOK}"
        self._stamps = 0

    def keys(self) -> list[str]:
        """The key of each message in any room, in the order of arrival."""
        every = [message for room in self.rooms.values() for message in room.messages]
        every.sort(key=lambda message: message["ts"])
        return [(m.get("metadata") or {}).get("event_payload", {}).get("key", "") for m in every]

    def process(self, request: Request) -> Reply:
        if request.path == HOOK:
            return self._hook(request)
        method = request.path.removeprefix("/api/")
        try:
            if request.headers["Authorization"] != f"Bearer {TOKEN}":
                raise Refused("invalid_auth")
            answer = self._call(method, arguments(request))
        except Refused as refused:
            needed = {"needed": "channels:history", "provided": "chat:write"}
            extra = needed if str(refused) == "missing_scope" else {}
            return as_reply({"ok": False, "error": str(refused), **extra})
        return as_reply({"ok": True, **answer})

    def _call(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        if self.error and method == "chat.postMessage":
            raise Refused(self.error)
        match method:
            case "chat.postMessage":
                return self._post(given)
            case "conversations.history":
                room = self._readable(given["channel"])
                shown = [m for m in room.messages if not m.get("thread_ts") or m.get("broadcast")]
                return self._paged(given, "messages", newest_first(shown, given))
            case "conversations.replies":
                room = self._readable(given["channel"])
                thread = [m for m in room.messages if given["ts"] in (m["ts"], m.get("thread_ts"))]
                if not thread:
                    raise Refused("thread_not_found")
                return self._paged(given, "messages", with_metadata(thread, given))
            case "conversations.list":
                self._need("channels:read")
                rooms = [{"id": id_, "name": room.name} for id_, room in self.rooms.items()]
                return self._paged(given, "channels", rooms)
        raise Refused("unknown_method")

    def _post(self, given: dict[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        if not given.keys() <= ARGUMENTS:
            raise Refused("invalid_arguments")
        room_id, room = self._room(given["channel"])
        if room.is_archived:
            raise Refused("is_archived")
        if not room.has_app:
            raise Refused("not_in_channel")
        check_message(given)
        thread = given.get("thread_ts")
        if thread and not any(message["ts"] == thread for message in room.messages):
            raise Refused("thread_not_found")
        self._stamps += 1
        message = {**given, "ts": f"{3000000000 + self._stamps}.000100"}
        message["broadcast"] = bool(given.get("reply_broadcast"))
        room.messages.append(message)
        return {"channel": room_id, "ts": message["ts"], "message": {"text": given["text"]}}

    def _hook(self, request: Request) -> Reply:
        body = json.loads(request.body)
        try:
            if self.error:
                raise Refused(self.error)
            check_message(body)
            if "channel" in body or "thread_ts" in body:
                raise Refused("invalid_payload")
        except Refused as refused:
            return Reply(404 if "not_found" in str(refused) else 400, str(refused).encode())
        self._stamps += 1
        message = {**body, "ts": f"{3000000000 + self._stamps}.000100"}
        self.rooms["C0PAYMENTS"].messages.append(message)
        return Reply(200, b"ok", "text/html")

    def _room(self, named: str) -> tuple[str, Room]:
        for room_id, room in self.rooms.items():
            if named in (room_id, f"#{room.name}", room.name):
                return room_id, room
        raise Refused("channel_not_found")

    def _readable(self, room_id: str) -> Room:
        """Reading takes ids only."""
        if room_id not in self.rooms:
            raise Refused("channel_not_found")
        room = self.rooms[room_id]
        self._need("groups:history" if room.is_private else "channels:history")
        return room

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused("missing_scope")

    def _paged(self, given: dict[str, Any], name: str, rows: list[Any]) -> dict[str, Any]:
        size, start = min(self.page, int(given["limit"])), int(given.get("cursor") or 0)
        more = str(start + size) if start + size < len(rows) else ""
        return {name: rows[start : start + size], "response_metadata": {"next_cursor": more}}


def arguments(request: Request) -> dict[str, Any]:
    if request.headers["Content-Type"].startswith("application/json"):
        given: dict[str, Any] = json.loads(request.body)
        return given
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


def newest_first(messages: list[dict[str, Any]], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    oldest = float(given.get("oldest", 0))
    return with_metadata([m for m in reversed(messages) if float(m["ts"]) > oldest], given)


def with_metadata(messages: list[dict[str, Any]], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    if given.get("include_all_metadata") in ("1", "true"):
        return messages
    return [{name: m[name] for name in m if name != "metadata"} for m in messages]


def check_message(given: Mapping[str, Any]) -> None:
    """What Slack checks of a message before it takes it."""
    if not given.get("text") and not given.get("blocks"):
        raise Refused("no_text")
    if units(given.get("text", "")) > 40_000:
        raise Refused("msg_too_long")
    blocks = given.get("blocks", [])
    if len(blocks) > 50 or not all(check_block(block) for block in blocks):
        raise Refused("invalid_blocks")
    if units(json.dumps(blocks, ensure_ascii=False)) > 12_000:
        raise Refused("msg_blocks_too_long")
    metadata = given.get("metadata")
    if metadata is not None:
        if set(metadata) != {"event_type", "event_payload"}:
            raise Refused("invalid_metadata_format")
        if len(json.dumps(metadata)) > 8_000:
            raise Refused("metadata_too_large")


def check_block(block: Mapping[str, Any]) -> bool:
    match block["type"]:
        case "header":
            return is_plain(block["text"], 150)
        case "rich_text":
            kinds = {"rich_text_section", "rich_text_list"}
            return all(part["type"] in kinds and check_rich(part) for part in block["elements"])
        case "actions":
            buttons = block["elements"]
            ids = {button["action_id"] for button in buttons}
            return (
                0 < len(buttons) <= 25 and len(ids) == len(buttons) and all(map(is_button, buttons))
            )
    return False


def check_rich(part: Mapping[str, Any]) -> bool:
    if part["type"] == "rich_text_list":
        sections = part["elements"]
        return bool(sections) and part["style"] == "bullet" and all(map(check_rich, sections))
    return part["type"] == "rich_text_section" and all(map(is_rich_element, part["elements"]))


def is_rich_element(element: Mapping[str, Any]) -> bool:
    if element["type"] not in ("text", "link") or not 0 < units(element["text"]) <= 3000:
        return False
    if not set(element.get("style", {})) <= {"bold", "italic", "strike", "code"}:
        return False
    return element["type"] == "text" or is_url(element["url"])


def is_button(button: Mapping[str, Any]) -> bool:
    known = {"type", "text", "url", "action_id", "style", "value"}
    style = button.get("style", "primary") in ("primary", "danger")
    return (
        button["type"] == "button"
        and set(button) <= known
        and style
        and is_plain(button["text"], 75)
        and is_url(button["url"])
    )


def is_plain(text: Mapping[str, Any], most: int) -> bool:
    return text["type"] == "plain_text" and 0 < units(text["text"]) <= most


def is_url(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= 3000


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def texts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every element that shows text in the blocks of a message."""
    for block in message["blocks"]:
        yield from _texts(block)


def _texts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "elements" in node:
        for inner in node["elements"]:
            yield from _texts(inner)
    else:
        yield node
