"""Lambda's failure record of an asynchronous invocation, and the event that fails its task.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
from collections.abc import Mapping
from typing import Any

from handlers.cookies.tasks import reply, task_event
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event
from handlers.shared.text import replace_surrogates

MAX_ERROR = 256  # SendTaskFailure: characters of an error name
# SendTaskFailure accepts 32,768 characters of a cause, but the cause becomes part of the state's
# output.
MAX_CAUSE = 4096
_TIMED_OUT = "Task timed out after"  # only the message says that it was a timeout


def task_failed(body: str) -> Event:
    """The `task.failed` for a failure record; InvalidEventError if the record names no task."""
    record = _record(body)
    event = record.get("requestPayload")
    if not isinstance(event, Mapping):
        raise InvalidEventError("The failure record has no event.")
    received = task_event(event)
    error, cause = _reason(record)
    failure = {"error": error[:MAX_ERROR], "cause": cause[:MAX_CAUSE]}
    return reply(received, "task.failed", failure, fn="reportTaskFailure")


def _record(body: str) -> Mapping[str, Any]:
    try:
        record = json.loads(body)
    except ValueError:
        record = None
    if not isinstance(record, Mapping):
        raise InvalidEventError("The message is not a failure record.")
    return record


def _reason(record: Mapping[str, Any]) -> tuple[str, str]:
    """Error name and cause: the function's error, or the reason why Lambda did not call it."""
    response = record.get("responsePayload")
    response = response if isinstance(response, Mapping) else {}
    condition = str(record.get("requestContext", {}).get("condition") or "Unknown")
    message = str(response.get("errorMessage") or f"Lambda discarded the event: {condition}.")
    error = response.get("errorType")
    if not error:
        error = "Sandbox.Timedout" if _TIMED_OUT in message else f"Lambda.{condition}"
    return replace_surrogates(str(error)), replace_surrogates(message)
