"""Slack's Web API as its own library speaks it, over our door; its errors in our three words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from requests.structures import CaseInsensitiveDict
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from migrations_app.announce import outbound
from migrations_app.announce.hostile import one_line
from migrations_app.announce.message import TryLater, Undeliverable

SECONDS = 15.0
# A page of history with the blocks of two hundred messages is larger than other answers.
MOST = 8 * 1024 * 1024

# Errors that pass. True: Slack's documentation says that it may have been done all the same.
PASSING = {
    "ratelimited": False,
    "rate_limited": False,
    "message_limit_exceeded": False,
    "team_added_to_org": False,
    "request_timeout": True,
    "fatal_error": True,
    "internal_error": True,
    "service_unavailable": True,
    "rollup_error": True,
}
_INVITE = "Invite the app there (/invite in the channel)"
_INSTALL = "Slack does not accept the token. Install the app again and set IAMCLEANUP_SLACK_TOKEN."
_FORM = "Slack does not take the message in this form. It is in the inbox; report it as a fault."
_RIGHTS = "Ask an administrator of the Slack workspace to let the app post to {channel}."
LASTING = {
    "channel_not_found": "Slack shows the app no channel {channel}. Check how the team's settings "
    f"name it. {_INVITE} if it is private.",
    "not_in_channel": f"The app is not in {{channel}}. {_INVITE}, or add the scope "
    "chat:write.public.",
    "is_archived": "{channel} is archived. Name another channel in the team's settings.",
    "channel_is_archived": "{channel} is archived. Set another webhook.",
    "missing_scope": "The token lacks the scope {needed}. Add it to the app, install it again, and "
    "set IAMCLEANUP_SLACK_TOKEN.",
    **dict.fromkeys(
        ("no_service", "no_active_hooks", "no_team", "team_disabled", "invalid_token"),
        "Slack knows no such webhook any more. Make one and set IAMCLEANUP_SLACK_WEBHOOK.",
    ),
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
         "not_allowed_token_type"),
        _INSTALL,
    ),
    **dict.fromkeys(
        ("msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format",
         "no_text", "metadata_too_large", "invalid_metadata_format", "invalid_payload",
         "invalid_arguments", "invalid_json"),
        _FORM,
    ),
    **dict.fromkeys(
        ("restricted_action", "restricted_action_read_only_channel",
         "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
         "action_prohibited", "ekm_access_denied", "access_denied", "team_access_not_granted",
         "org_login_required", "posting_to_general_channel_denied"),
        _RIGHTS,
    ),
}  # fmt: skip


class SlackClient(WebClient):
    """Slack's client without its own transport.

    Its own follows redirects with the token in hand, resolves names unchecked, reads answers of
    any size, and does not tell a lost answer from a refused connection. So the one method that
    sends is replaced. It is not public: the version is pinned, and a test sees that every request
    comes through here.
    """

    def __init__(self, token: str, base_url: str) -> None:
        super().__init__(token=token, base_url=base_url, retry_handlers=[])

    def _perform_urllib_http_request(
        self, *, url: str, args: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        headers = dict(args["headers"])
        if args["json"]:
            content = outbound.as_json(args["json"])
            headers["Content-Type"] = "application/json;charset=utf-8"
        else:
            content = urlencode(args["params"]).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = outbound.call("POST", url, content, headers, SECONDS, most=MOST)
        body = answer.body.decode(errors="replace")
        return {"status": answer.status, "headers": answer.headers, "body": body}


def what_slack_says(error: SlackApiError) -> str:
    """The short name of an error, like "channel_not_found"; "" where something else answered."""
    found = error.response.get("error", "")
    return found if isinstance(found, str) and re.fullmatch(r"[a-z_]{1,60}", found) else ""


def in_our_words(error: SlackApiError, channel: str) -> TryLater | Undeliverable:
    """An error of Slack as what the outbox does about it, with a sentence that says what to do."""
    needed = str(error.response.get("needed", ""))
    return words(
        what_slack_says(error),
        channel,
        needed=needed if re.fullmatch(r"[a-z:._,]{1,80}", needed) else "chat:write",
        headers=CaseInsensitiveDict(error.response.headers),
    )


def words(
    name: str, channel: str, *, needed: str = "", headers: Mapping[str, str] | None = None
) -> TryLater | Undeliverable:
    """What the outbox does about the error `name`; `channel` is shown, `needed` is a scope."""
    if name in PASSING:
        after = outbound.wait_asked(headers or {})
        return TryLater(f"Slack answered {name}.", after=after, uncertain=PASSING[name])
    said = LASTING.get(name, "Slack answered {name}: see its documentation of chat.postMessage.")
    if not name:
        said = "What answered is not Slack. Check its address and what stands in between."
    shown = one_line(channel) or "the channel"
    return Undeliverable(said.format(channel=shown, needed=needed, name=name))
