"""Executions as people outside may see them: without their input, and without task tokens."""

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.clients import client
from handlers.shared.clock import iso
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.shared.observability import logger_for

logger = logger_for("observability")

# Of a Standard machine; Step Functions takes 256 characters.
_EXECUTION = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:execution:[\x21-\x7e]{1,200}")
_NONE_SUCH = {"ExecutionDoesNotExist", "InvalidArn", "ValidationException"}
_TOKEN = re.compile("token", re.IGNORECASE)
_HIDDEN = "(not shown)"


def describe(execution_arn: str) -> dict[str, Any] | None:
    """Status, times and result of an execution; None where there is none to be seen.

    {"executionArn", "status", "startDate", "stopDate"?, "output"?, "error"?, "cause"?}: the output
    is that of a success, as JSON; times are ISO 8601 in UTC. Which machines' executions can be seen
    is for this function's role to say; the others look as if they did not exist.
    """
    if not _EXECUTION.fullmatch(execution_arn) or len(execution_arn) > 256:
        return None
    with translate_aws_errors("describing an execution"):
        try:
            found = client("stepfunctions").describe_execution(executionArn=execution_arn)
        except ClientError as error:
            if error_code(error) in _NONE_SUCH:
                return None
            if error_code(error) in ("AccessDenied", "AccessDeniedException"):
                logger.warning("not an execution of our machines", execution=execution_arn)
                return None
            raise
    shown = {
        "executionArn": found["executionArn"],
        "status": found["status"],
        "startDate": iso(found["startDate"], "milliseconds"),
    }
    if found.get("stopDate"):
        shown["stopDate"] = iso(found["stopDate"], "milliseconds")
    if found["status"] == "SUCCEEDED" and found.get("output") is not None:
        shown["output"] = _output_without_tokens(found["output"])
    if found.get("error"):
        shown["error"] = found["error"]
    if found.get("cause"):
        shown["cause"] = _text_without_tokens(found["cause"])
    return shown


def without_tokens(value: Any) -> Any:
    """The value, with everything hidden whose name has "token" in it, however deep."""
    if isinstance(value, dict):
        return {
            name: _HIDDEN if _TOKEN.search(name) else without_tokens(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_tokens(item) for item in value]
    if isinstance(value, str) and _TOKEN.search(value):
        return _text_without_tokens(value)
    return value


def _output_without_tokens(output: str) -> Any:
    try:
        return without_tokens(json.loads(output))
    except (ValueError, RecursionError):  # a number too long, or nested too deep, to look through
        return _HIDDEN


def _text_without_tokens(text: str) -> str:
    """A text that may be JSON itself, as causes and details of events are."""
    try:
        parsed = json.loads(text)
        return json.dumps(without_tokens(parsed)) if isinstance(parsed, (dict, list)) else text
    except RecursionError:  # nested too deep to look through
        return _HIDDEN
    except ValueError:
        return text
