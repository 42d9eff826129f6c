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
from handlers.shared.errors import InvalidEventError, translate_aws_errors
from handlers.shared.observability import logger_for

logger = logger_for("sensor")

_NAME_LENGTH = 80  # Step Functions' limit for the name of an execution
_HASH_LENGTH = 32

Record = Mapping[str, Any]


def uploaded(event: Mapping[str, Any]) -> Sequence[Record]:
    """The records of a notification; none for s3:TestEvent, which S3 sends on set-up."""
    if event.get("Event") == "s3:TestEvent":
        logger.info("s3:TestEvent ignored: it only says that the notification is set up")
        return []
    records = event.get("Records")
    if not isinstance(records, list):
        raise InvalidEventError("The event is not a notification of S3: it has no Records.")
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
            what = _describe(record)
            logger.exception("execution not started", upload=what)
            failed.append(f"{what}: {type(error).__name__}: {error}")
    if failed:
        raise ExecutionNotStartedError(
            f"{len(failed)} of {len(records)} uploads started no execution. " + "; ".join(failed)
        )
    return started


def _start(record: Record, state_machine_arn: str) -> str | None:
    bucket, found = record["s3"]["bucket"]["name"], record["s3"]["object"]
    key = unquote_plus(found["key"])
    if not key.lower().endswith(".csv"):
        logger.info("upload ignored: not a CSV", bucket=bucket, key=key)
        return None
    version_id = real_version(found.get("versionId"))
    source = ObjectRef(bucket, key, version_id, found["eTag"].strip('"'))
    name = _name(bucket, key, version_id, found.get("sequencer"))
    states = client("stepfunctions")
    with translate_aws_errors(f"starting the execution {name}"):
        try:
            states.start_execution(
                stateMachineArn=state_machine_arn,
                name=name,
                input=json.dumps(source.as_dict() | {"size": found["size"]}),
            )
            logger.info("execution started", execution=name, bucket=bucket, key=key)
        except states.exceptions.ExecutionAlreadyExists:
            logger.info("execution was started before", execution=name, bucket=bucket, key=key)
    return name


def _name(*upload: str | None) -> str:
    """The same name for the same upload: its key, with only [A-Za-z0-9_-], and a hash."""
    digest = hashlib.sha256(json.dumps(upload).encode()).hexdigest()[:_HASH_LENGTH]
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", str(upload[1])).strip("-")
    return f"{slug[: _NAME_LENGTH - _HASH_LENGTH - 1]}-{digest}".lstrip("-")


def _describe(record: Record) -> str:
    try:
        s3 = record["s3"]
        return f"s3://{s3['bucket']['name']}/{unquote_plus(s3['object']['key'])}"
    except (KeyError, TypeError):
        return "a record that does not name an object"
