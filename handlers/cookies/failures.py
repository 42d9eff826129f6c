"""What Lambda says of an invocation it has given up on, and the event that tells the task.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
from collections.abc import Mapping
from typing import Any

from handlers.cookies.tasks import reply, task
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event

MAX_ERROR = 256  # SendTaskFailure: characters of an error name
# SendTaskFailure takes 32,768 characters of a cause; the machine carries it in its state.
MAX_CAUSE = 4096
_TIMED_OUT = "Task timed out after"  # Lambda names this error in its message alone


def task_failed(body: str) -> Event:
    """The `task.failed` of a failure record; InvalidEventError if no task was waiting."""
    record = _record(body)
    event = record.get("requestPayload")
    if not isinstance(event, Mapping):
        raise InvalidEventError("The failure record holds no event.")
    task(event)
    error, cause = _reason(record)
    failure = {"error": error[:MAX_ERROR], "cause": cause[:MAX_CAUSE]}
    return reply(event, "task.failed", failure, fn="reportTaskFailure")


def _record(body: str) -> Mapping[str, Any]:
    try:
        record = json.loads(body)
    except ValueError:
        record = None
    if not isinstance(record, Mapping):
        raise InvalidEventError("The message is no failure record.")
    return record


def _reason(record: Mapping[str, Any]) -> tuple[str, str]:
    """Error name and cause: what the function raised, or why Lambda did not even call it."""
    response = record.get("responsePayload")
    response = response if isinstance(response, Mapping) else {}
    condition = str(record.get("requestContext", {}).get("condition") or "Unknown")
    message = str(response.get("errorMessage") or f"Lambda gave up: {condition}.")
    error = response.get("errorType")
    if not error:
        error = "Sandbox.Timedout" if _TIMED_OUT in message else f"Lambda.{condition}"
    return _utf8(str(error)), _utf8(message)


def _utf8(text: str) -> str:
    """A function may fail with any text; an event holds UTF-8 alone."""
    return text.encode(errors="replace").decode()
