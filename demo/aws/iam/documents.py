"""Policy documents on their way in and out: IAM takes JSON and gives it back URL-encoded."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from demo.aws.errors import AwsError
from demo.aws.state import Document, Principal


def read_document(text: Any) -> Document:
    """A document from a request; MalformedPolicyDocument when it is not one."""
    try:
        document = json.loads(str(text))
        if "Statement" not in document:
            raise ValueError(text)
    except (TypeError, ValueError):
        message = "Syntax errors in policy."
        raise AwsError("MalformedPolicyDocument", message, 400) from None
    return dict(document)


def shown_document(document: Document) -> str:
    """A document as IAM answers it: RFC 3986 percent-encoded JSON."""
    return quote(json.dumps(document), safe="")


def attached_policies(principal: Principal) -> list[dict[str, str]]:
    """The attached managed policies as every listing shows them."""
    return [{"PolicyName": arn.rsplit("/", 1)[1], "PolicyArn": arn} for arn in principal.attached]


def inline_policies(principal: Principal) -> list[dict[str, str]]:
    """The inline policies as GetAccountAuthorizationDetails shows them."""
    return [
        {"PolicyName": name, "PolicyDocument": shown_document(document)}
        for name, document in principal.inline.items()
    ]


def shown_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as IAM lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
