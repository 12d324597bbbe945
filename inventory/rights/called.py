"""Which actions a policy must allow for a call that CloudTrail saw. Pure, and light enough for web.

Events are named after the API, policies after the permission: mostly the same word, yet not in S3,
Lambda, API Gateway and a few more. Here are the differences (Service Authorization Reference, "API
operation to action" notes); every other event needs the action of its own name.
"""

from __future__ import annotations

import re

# Where a service is called otherwise in events than in policies.
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag", "email": "ses", "iotdata": "iot"}
# CreateFunction20150331, UpdateFunctionCode20150331v2, CreateDistribution2020_05_31: the version
# of the API.
_VERSION = re.compile(r"(\d{8}(v\d+)?|\d{4}_\d{2}_\d{2})$")
# Signing in needs a password, and these calls need no policy at all.
_ASK_NOTHING = frozenset({"sts:getcalleridentity", "sts:getsessiontoken"})
_ACTIONS: dict[str, tuple[str, ...]] = {
    "s3:listbuckets": ("s3:listallmybuckets",),
    "s3:headbucket": ("s3:listbucket",),
    "s3:listobjects": ("s3:listbucket",),
    "s3:listobjectsv2": ("s3:listbucket",),
    "s3:listobjectversions": ("s3:listbucketversions",),
    "s3:listmultipartuploads": ("s3:listbucketmultipartuploads",),
    "s3:listparts": ("s3:listmultipartuploadparts",),
    "s3:headobject": ("s3:getobject",),
    "s3:selectobjectcontent": ("s3:getobject",),
    "s3:copyobject": ("s3:getobject", "s3:putobject"),
    "s3:uploadpartcopy": ("s3:getobject", "s3:putobject"),
    "s3:createmultipartupload": ("s3:putobject",),
    "s3:uploadpart": ("s3:putobject",),
    "s3:completemultipartupload": ("s3:putobject",),
    "s3:deleteobjects": ("s3:deleteobject",),
    "s3:getbucketencryption": ("s3:getencryptionconfiguration",),
    "s3:putbucketencryption": ("s3:putencryptionconfiguration",),
    "s3:deletebucketencryption": ("s3:putencryptionconfiguration",),
    "s3:getbucketlifecycle": ("s3:getlifecycleconfiguration",),
    "s3:getbucketlifecycleconfiguration": ("s3:getlifecycleconfiguration",),
    "s3:putbucketlifecycle": ("s3:putlifecycleconfiguration",),
    "s3:putbucketlifecycleconfiguration": ("s3:putlifecycleconfiguration",),
    "s3:deletebucketlifecycle": ("s3:putlifecycleconfiguration",),
    "s3:getbucketreplication": ("s3:getreplicationconfiguration",),
    "s3:putbucketreplication": ("s3:putreplicationconfiguration",),
    "s3:deletebucketreplication": ("s3:putreplicationconfiguration",),
    "s3:deletebucketcors": ("s3:putbucketcors",),
    "s3:deletebuckettagging": ("s3:putbuckettagging",),
    "s3:getbucketnotificationconfiguration": ("s3:getbucketnotification",),
    "s3:putbucketnotificationconfiguration": ("s3:putbucketnotification",),
    "s3:getobjectlockconfiguration": ("s3:getbucketobjectlockconfiguration",),
    "s3:putobjectlockconfiguration": ("s3:putbucketobjectlockconfiguration",),
    "s3:getpublicaccessblock": ("s3:getbucketpublicaccessblock",),
    "s3:putpublicaccessblock": ("s3:putbucketpublicaccessblock",),
    "s3:deletepublicaccessblock": ("s3:putbucketpublicaccessblock",),
    "s3:deletebucketpublicaccessblock": ("s3:putbucketpublicaccessblock",),
    "s3:getbucketaccelerateconfiguration": ("s3:getaccelerateconfiguration",),
    "s3:putbucketaccelerateconfiguration": ("s3:putaccelerateconfiguration",),
    "s3:getbucketanalyticsconfiguration": ("s3:getanalyticsconfiguration",),
    "s3:getbucketinventoryconfiguration": ("s3:getinventoryconfiguration",),
    "s3:getbucketmetricsconfiguration": ("s3:getmetricsconfiguration",),
    "lambda:invoke": ("lambda:invokefunction",),
    "lambda:invokewithresponsestream": ("lambda:invokefunction",),
    "kms:reencrypt": ("kms:reencryptfrom", "kms:reencryptto"),
    "dynamodb:transactgetitems": ("dynamodb:getitem",),
    "dynamodb:transactwriteitems": (
        "dynamodb:conditioncheckitem",
        "dynamodb:deleteitem",
        "dynamodb:putitem",
        "dynamodb:updateitem",
    ),
    "sns:publishbatch": ("sns:publish",),
    "sqs:sendmessagebatch": ("sqs:sendmessage",),
    "sqs:deletemessagebatch": ("sqs:deletemessage",),
    "sqs:changemessagevisibilitybatch": ("sqs:changemessagevisibility",),
    "bedrock:converse": ("bedrock:invokemodel",),
    "bedrock:conversestream": ("bedrock:invokemodelwithresponsestream",),
}
# API Gateway's actions are what HTTP calls them.
_HTTP = {
    "get": "get",
    "list": "get",
    "create": "post",
    "import": "post",
    "test": "post",
    "delete": "delete",
    "update": "patch",
    "put": "put",
    "tag": "post",
    "untag": "delete",
}


def policy_prefix(event_service: str) -> str:
    """How policies and Access Advisor call the service that events call `event_service`."""
    return _PREFIXES.get(event_service, event_service)


def actions_of(event_service: str, event_name: str) -> tuple[str, ...]:
    """The actions (lower case) that an event's call needs; empty if it needs no policy.

    Whether such an action exists is not asked here; see `known_actions.is_known`.
    """
    service = policy_prefix(event_service.lower())
    action = f"{service}:{_VERSION.sub('', event_name)}".lower()
    if service == "signin" or action in _ASK_NOTHING:
        return ()
    if service == "apigateway":
        verb = next((verb for verb in _HTTP if action.startswith(f"apigateway:{verb}")), "")
        return (f"apigateway:{_HTTP[verb]}",) if verb else (action,)
    return _ACTIONS.get(action, (action,))
