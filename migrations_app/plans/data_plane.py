"""The calls that CloudTrail does not log unless somebody pays for it: a service's daily work.

Event history never holds them, a trail only with selectors for data events (CloudTrail User Guide,
"Logging data events"); some services log none at all. A plan made of events alone would leave them
out and break what it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping

_S3 = """AbortMultipartUpload DeleteObject DeleteObjectTagging DeleteObjectVersion GetObject
GetObjectAcl GetObjectAttributes GetObjectTagging GetObjectVersion ListBucket
ListBucketMultipartUploads ListBucketVersions ListMultipartUploadParts PutObject
PutObjectAcl PutObjectTagging PutObjectVersionAcl RestoreObject"""
_DYNAMODB = """BatchGetItem BatchWriteItem ConditionCheckItem DeleteItem GetItem GetRecords
GetShardIterator PartiQLDelete PartiQLInsert PartiQLSelect PartiQLUpdate PutItem Query Scan
UpdateItem"""
_BY_SERVICE = {
    "aoss": "APIAccessAll DashboardsAccessAll",
    "appsync": "GraphQL",
    "bedrock": "InvokeAgent InvokeModel InvokeModelWithResponseStream Retrieve",
    "cassandra": "Modify Select",
    "cloudwatch": "GetMetricData GetMetricStatistics GetMetricWidgetImage ListMetrics "
    "PutMetricData",
    "codeartifact": "ReadFromRepository",
    "dynamodb": _DYNAMODB,
    "ebs": "CompleteSnapshot GetSnapshotBlock ListChangedBlocks ListSnapshotBlocks "
    "PutSnapshotBlock",
    "elasticache": "Connect",
    "elasticfilesystem": "ClientMount ClientRootAccess ClientWrite",
    "es": "ESHttpDelete ESHttpGet ESHttpHead ESHttpPatch ESHttpPost ESHttpPut",
    "events": "PutEvents",
    "execute-api": "Invoke ManageConnections",
    "firehose": "PutRecord PutRecordBatch",
    "iot": "Connect GetRetainedMessage GetThingShadow Publish Receive Subscribe UpdateThingShadow",
    "kafka-cluster": "Connect DescribeGroup DescribeTopic ReadData WriteData AlterGroup",
    "kinesis": "GetRecords GetShardIterator ListShards PutRecord PutRecords SubscribeToShard",
    "lambda": "InvokeFunction InvokeFunctionUrl",
    "logs": "FilterLogEvents GetLogEvents PutLogEvents",
    "memorydb": "Connect",
    "neptune-db": "connect ReadDataViaQuery WriteDataViaQuery DeleteDataViaQuery",
    "rds-data": "BatchExecuteStatement BeginTransaction CommitTransaction ExecuteStatement",
    "rds-db": "connect",
    "s3": _S3,
    "sagemaker": "InvokeEndpoint InvokeEndpointAsync BatchGetRecord GetRecord PutRecord",
    "ses": "SendBulkEmail SendBulkTemplatedEmail SendEmail SendRawEmail SendTemplatedEmail",
    "sns": "Publish",
    "sqs": "ChangeMessageVisibility DeleteMessage GetQueueAttributes GetQueueUrl ReceiveMessage "
    "SendMessage",
    "ssmmessages": "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel",
    "timestream": "Select WriteRecords DescribeEndpoints",
    "xray": "GetSamplingRules GetSamplingTargets PutTelemetryRecords PutTraceSegments",
}
# What people call these calls.
_WORDS = {
    "dynamodb": "reads and writes of items",
    "s3": "reads and writes of objects",
    "ses": "sent mail",
    "sns": "published messages",
    "sqs": "sent and received messages",
    "kinesis": "records",
    "firehose": "records",
    "lambda": "invocations",
    "logs": "reads and writes of log lines",
    "cloudwatch": "metrics",
}

# Who manages a thing of these services mostly also uses it, so one logged call is sign enough.
MOSTLY = frozenset({"dynamodb", "firehose", "kinesis", "s3", "sns", "sqs"})

ACTIONS: Mapping[str, frozenset[str]] = {
    service: frozenset(f"{service}:{name.lower()}" for name in names.split())
    for service, names in _BY_SERVICE.items()
}


def words(service: str) -> str:
    """What CloudTrail does not show of a service: `reads and writes of objects`."""
    return _WORDS.get(service, "data calls")
