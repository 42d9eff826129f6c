"""Describes executions for the API: without their input and without secrets."""

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from handlers.observability.redaction import without_secrets
from handlers.observability.timeline import REMOVED
from handlers.shared.clients import client
from handlers.shared.clock import iso
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.shared.observability import logger_for

logger = logger_for("observability")

# The ARN of a Standard machine's execution. Step Functions accepts 256 characters.
_EXECUTION_ARN = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:execution:[\x21-\x7e]{1,200}")
_NOT_FOUND = {"ExecutionDoesNotExist", "InvalidArn", "ValidationException"}


def describe(execution_arn: str) -> dict[str, Any] | None:
    """Status, times and result of an execution; None if it does not exist or may not be shown.

    {"executionArn", "status", "startDate", "stopDate"?, "output"?, "error"?, "cause"?}: `output` is
    the JSON value that a successful execution returned; times are ISO 8601 in UTC. The function's
    role decides which machines' executions it may read; others are treated as not existing.
    """
    if not _EXECUTION_ARN.fullmatch(execution_arn) or len(execution_arn) > 256:
        return None
    with translate_aws_errors("describing an execution"):
        try:
            execution = client("stepfunctions").describe_execution(executionArn=execution_arn)
        except ClientError as error:
            if error_code(error) in _NOT_FOUND:
                return None
            if error_code(error) in ("AccessDenied", "AccessDeniedException"):
                logger.warning("access to the execution is denied", execution=execution_arn)
                return None
            raise
    description = {
        "executionArn": execution["executionArn"],
        "status": execution["status"],
        "startDate": iso(execution["startDate"], "milliseconds"),
    }
    if execution.get("stopDate"):
        description["stopDate"] = iso(execution["stopDate"], "milliseconds")
    if execution["status"] == "SUCCEEDED" and execution.get("output") is not None:
        description["output"] = _output(execution["output"])
    if execution.get("error"):
        description["error"] = execution["error"]
    if execution.get("cause"):
        description["cause"] = without_secrets(execution["cause"], _removed)
    return description


def _output(text: str) -> Any:
    try:
        return without_secrets(json.loads(text), _removed)
    except (ValueError, RecursionError):  # a number too long, or nesting too deep, to parse
        return REMOVED


def _removed(_: str) -> str:
    return REMOVED
