"""AWS's protocols: an HTTP request becomes a `Call`, an answer or an error becomes HTTP again.

Parsing and serializing are moto's, driven by the service models that botocore ships. EC2, Account
and S3 have one to three operations here and are written out by hand, which spares their models.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.model import OperationNotFoundError
from botocore.utils import parse_timestamp
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import SerializationContext, get_serializer_class
from moto.core.utils import get_service_model

from .calls import Call
from .errors import AwsError

_SCOPE = re.compile(r"Credential=([A-Z0-9]+)/\d+/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_MODELLED = {
    "iam": "query",
    "sts": "query",
    "sns": "query",
    "cloudtrail": "json",
    "events": "json",
    "organizations": "json",
    "sqs": "json",
    "kms": "json",
    "secretsmanager": "json",
    "sso": "json",
    "identitystore": "json",
    "eks": "rest-json",
}
_JSON_ERRORS = {
    "account",
    "cloudtrail",
    "eks",
    "events",
    "identitystore",
    "kms",
    "organizations",
    "secretsmanager",
    "sqs",
    "sso",
}
# The service that signs is not the one that the model is named after.
_MODEL_OF = {"sso": "sso-admin"}
_EKS_PATHS = {
    "ListClusters": re.compile(r"/clusters"),
    "ListAccessEntries": re.compile(r"/clusters/(?P<clusterName>[^/]+)/access-entries"),
    "DescribeAccessEntry": re.compile(
        r"/clusters/(?P<clusterName>[^/]+)/access-entries/(?P<principalArn>[^/]+)"
    ),
    "ListAssociatedAccessPolicies": re.compile(
        r"/clusters/(?P<clusterName>[^/]+)/access-entries/(?P<principalArn>[^/]+)/access-policies"
    ),
}
_QUERY_ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
)
_EC2_ERROR = (
    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>{request_id}</RequestID></Response>"
)
_S3_ERROR = (
    "<Error><Code>{code}</Code><Message>{message}</Message>"
    "<RequestId>{request_id}</RequestId></Error>"
)


@dataclass
class HttpRequest:
    """`headers` by lower-case name."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    source_ip: str = "127.0.0.1"


@dataclass
class HttpAnswer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _aware(value: Any) -> datetime:
    return parse_timestamp(value).astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=512)
def _tools(service: str, operation: str) -> tuple[Any, Any, Any]:
    """Operation model, parser and serializer class; KeyError-like for an unknown operation."""
    model: Any = get_service_model(_MODEL_OF.get(service, service)).operation_model(operation)
    protocol = _MODELLED[service]
    parser = PROTOCOL_PARSERS[protocol](model, timestamp_parser=_aware)
    return model, parser, get_serializer_class(_MODEL_OF.get(service, service), protocol)


def read_call(request: HttpRequest, request_id: str) -> Call:
    """The call in a request. MissingAuthenticationToken, InvalidAction."""
    scope = _SCOPE.search(request.headers.get("authorization", ""))
    if scope is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    key, region, service = scope.groups()
    operation, params = _operation(service, request)
    return Call(
        service=service,
        operation=operation,
        region=region,
        params=params,
        access_key_id=key,
        session_token=request.headers.get("x-amz-security-token", ""),
        user_agent=request.headers.get("user-agent", ""),
        source_ip=request.source_ip,
        request_id=request_id,
    )


def _operation(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    if service == "s3":
        return _s3_operation(request)
    if service == "eks":
        return _eks_operation(request)
    if service == "account":
        name = request.url.rsplit("/", 1)[-1]
        name = name[0].upper() + name[1:] if name else ""
        return name, json.loads(request.body or b"{}")
    target = request.headers.get("x-amz-target", "")
    values: dict[str, str] = {}
    if target:
        operation = target.rsplit(".", 1)[-1]
    else:
        values = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        operation = values.get("Action", "")
    if service == "ec2":
        names = [value for key, value in values.items() if key.startswith("RegionName.")]
        paging: dict[str, Any] = {
            key: values[key] for key in ("MaxResults", "NextToken") if key in values
        }
        every = values.get("AllRegions") == "true"
        return operation, {"AllRegions": every, "RegionNames": names, **paging}
    if service not in _MODELLED:
        return operation, {}
    try:
        _, parser, _ = _tools(service, operation)
    except OperationNotFoundError as error:
        message = f"Could not find operation {operation}"
        raise AwsError("InvalidAction", message, 400) from error
    parsed = parser.parse({"values": values, "body": request.body, "headers": request.headers})
    return operation, dict(parsed or {})


def _eks_operation(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(request.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for operation, path in _EKS_PATHS.items():
        if found := path.fullmatch(parts.path):
            return operation, query | {k: unquote(v) for k, v in found.groupdict().items()}
    raise AwsError("InvalidAction", f"Could not find {parts.path}", 404)


def _s3_operation(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(request.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    host, _, amazon = (parts.netloc or request.headers.get("host", "")).partition(".s3.")
    path = f"/{host}{parts.path}" if amazon else parts.path
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets", {"Query": query}
    if request.method == "HEAD":
        return ("HeadObject" if key else "HeadBucket"), {"Bucket": bucket, "Key": key}
    if key:
        return "GetObject", {"Bucket": bucket, "Key": key}
    if "policy" in query:
        return "GetBucketPolicy", {"Bucket": bucket}
    if "location" in query:
        return "GetBucketLocation", {"Bucket": bucket}
    return "ListObjectsV2", {"Bucket": bucket, "Query": query}


def write_answer(call: Call, result: dict[str, Any]) -> HttpAnswer:
    """A result on the wire."""
    headers = {"x-amzn-RequestId": call.request_id}
    if call.service == "s3":
        content_type = result.get("Type", "application/xml")
        body = result["Body"]
        headers |= {"x-amz-request-id": call.request_id, "Content-Type": content_type}
        return HttpAnswer(200, body if isinstance(body, bytes) else body.encode(), headers)
    if call.service == "account":
        headers["Content-Type"] = "application/json"
        return HttpAnswer(200, json.dumps(result).encode(), headers)
    if call.service == "ec2":
        headers["Content-Type"] = "text/xml"
        shown = _regions_xml if "Regions" in result else _instances_xml
        return HttpAnswer(200, shown(call, result).encode(), headers)
    model, _, serializer = _tools(call.service, call.operation)
    context = SerializationContext(call.request_id)
    answer = serializer(operation_model=model, context=context).serialize(result or None)
    body = answer["body"]
    body = body.encode() if isinstance(body, str) else body
    return HttpAnswer(int(answer["status_code"]), body, dict(answer["headers"]) | headers)


def _regions_xml(call: Call, result: dict[str, Any]) -> str:
    items = "".join(
        f"<item><regionName>{row['RegionName']}</regionName>"
        f"<regionEndpoint>{row['Endpoint']}</regionEndpoint>"
        f"<optInStatus>{row['OptInStatus']}</optInStatus></item>"
        for row in result["Regions"]
    )
    return (
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{call.request_id}</requestId><regionInfo>{items}</regionInfo>"
        "</DescribeRegionsResponse>"
    )


def _instances_xml(call: Call, result: dict[str, Any]) -> str:
    items = "".join(
        f"<item><reservationId>r-{row['InstanceId'][2:]}</reservationId><instancesSet><item>"
        f"<instanceId>{row['InstanceId']}</instanceId>"
        f"<instanceState><code>16</code><name>{row['State']}</name></instanceState>"
        + (
            f"<iamInstanceProfile><arn>{row['Profile']}</arn></iamInstanceProfile>"
            if row["Profile"]
            else ""
        )
        + "</item></instancesSet></item>"
        for row in result["Instances"]
    )
    more = f"<nextToken>{result['NextToken']}</nextToken>" if "NextToken" in result else ""
    return (
        '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{call.request_id}</requestId><reservationSet>{items}</reservationSet>{more}"
        "</DescribeInstancesResponse>"
    )


def write_error(service: str, error: AwsError, request_id: str) -> HttpAnswer:
    """An error in the protocol of its service."""
    headers = {"x-amzn-RequestId": request_id}
    if service in _JSON_ERRORS:
        shown = {"__type": error.code, "message": error.message, "Message": error.message}
        shown |= error.more
        headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code}
        return HttpAnswer(error.status, json.dumps(shown).encode(), headers)
    template = {"ec2": _EC2_ERROR, "s3": _S3_ERROR}.get(service, _QUERY_ERROR)
    body = template.format(
        code=escape(error.code), message=escape(error.message), request_id=request_id
    )
    headers["Content-Type"] = "text/xml"
    return HttpAnswer(error.status, body.encode(), headers)
