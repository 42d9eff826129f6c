"""S3's notification of uploads, and the executions that it starts."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from handlers.sensor.errors import ExecutionNotStartedError
from handlers.sensor.source import ObjectRef, real_version
from handlers.shared.clients import client
from handlers.shared.errors import (
    AwsRequestRefusedError,
    InvalidEventError,
    error_code,
    translate_aws_errors,
)
from handlers.shared.observability import logger_for

logger = logger_for("sensor")

_MAX_NAME = 80  # Step Functions' limit for the name of an execution
_HASH_CHARACTERS = 32

Record = Mapping[str, Any]


def upload_records(event: Mapping[str, Any]) -> Sequence[Record]:
    """The records of a notification; none for s3:TestEvent, which S3 sends on set-up."""
    if event.get("Event") == "s3:TestEvent":
        logger.info("s3:TestEvent ignored: S3 sends it when a notification is set up")
        return []
    records = event.get("Records")
    if not isinstance(records, list):
        raise InvalidEventError("The event is not an S3 notification: it has no Records.")
    return records


def start_executions(records: Sequence[Record], state_machine_arn: str) -> list[str]:
    """Start an execution for each CSV in the records; returns the names of the executions.

    S3 may deliver a notification twice, and Lambda retries a failed one. Each upload still has only
    one execution, because the name of the execution is derived from the upload's identity. A record
    that fails does not stop the others: at the end, ExecutionNotStartedError names each of them.
    """
    started, failed = [], []
    for record in records:
        try:
            if name := _start(record, state_machine_arn):
                started.append(name)
        except Exception as error:  # any error: the other records must still start
            upload = _uri(record)
            logger.exception("execution not started", upload=upload)
            failed.append(f"{upload}: {type(error).__name__}: {error}")
    if failed:
        raise ExecutionNotStartedError(
            f"No execution was started for {len(failed)} of {len(records)} uploads: "
            + "; ".join(failed)
        )
    return started


def _start(record: Record, state_machine_arn: str) -> str | None:
    bucket, uploaded = record["s3"]["bucket"]["name"], record["s3"]["object"]
    key = unquote_plus(uploaded["key"])
    if not key.lower().endswith(".csv"):
        logger.info("upload ignored: not a CSV", bucket=bucket, key=key)
        return None
    version_id = real_version(uploaded.get("versionId"))
    source = ObjectRef(bucket, key, version_id, uploaded["eTag"].strip('"'))
    name = _execution_name(bucket, key, version_id, uploaded.get("sequencer"))
    states = client("stepfunctions")
    with translate_aws_errors(f"starting the execution {name}"):
        try:
            states.start_execution(
                stateMachineArn=state_machine_arn,
                name=name,
                input=json.dumps(source.as_dict() | {"size": uploaded["size"]}),
            )
            logger.info("execution started", execution=name, bucket=bucket, key=key)
        except AwsRequestRefusedError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            logger.info("execution already exists", execution=name, bucket=bucket, key=key)
    return name


def _execution_name(*upload: str | None) -> str:
    """The same name for the same upload: its key, with only [A-Za-z0-9_-], and a hash."""
    digest = hashlib.sha256(json.dumps(upload).encode()).hexdigest()[:_HASH_CHARACTERS]
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", str(upload[1])).strip("-")
    return f"{slug[: _MAX_NAME - _HASH_CHARACTERS - 1]}-{digest}".lstrip("-")


def _uri(record: Record) -> str:
    try:
        s3 = record["s3"]
        return f"s3://{s3['bucket']['name']}/{unquote_plus(s3['object']['key'])}"
    except (KeyError, TypeError):
        return "a record without a bucket name or an object key"
