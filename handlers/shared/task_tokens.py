"""Complete or fail a task that waits for its task token."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.clients import client
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.shared.text import shortened

MAX_ERROR = 256  # characters, of SendTaskFailure
MAX_CAUSE = 32_768
# The token was used, or its task timed out or was stopped. AWS returns TaskTimedOut for all three.
_NO_WAITING_TASK = frozenset({"TaskTimedOut", "TaskDoesNotExist"})


@dataclass(frozen=True)
class Success:
    """The task's result: any JSON, at most 256 KiB."""

    output: Any


@dataclass(frozen=True)
class Failure:
    """The task's error name, for its Retry and Catch, and the cause as text."""

    error: str
    cause: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        return cls(type(error).__name__, str(error))


Outcome = Success | Failure


def send_callback(token: str, outcome: Outcome) -> bool:
    """Complete or fail a task; returns False if it no longer waits for its task token.

    Determine the outcome first, then call this once per task token. AWS keeps the first callback. A
    later one changes nothing and is not an error; the SDK sends one again if its response is lost.
    Raises AwsUnavailableError if AWS cannot be reached.
    """
    try:
        with translate_aws_errors("completing a task"):
            _send(token, outcome)
    except ClientError as error:
        if error_code(error) not in _NO_WAITING_TASK:
            raise
        return False
    return True


def _send(token: str, outcome: Outcome) -> None:
    states = client("stepfunctions")
    if isinstance(outcome, Success):
        states.send_task_success(taskToken=token, output=json.dumps(outcome.output))
    else:
        states.send_task_failure(
            taskToken=token,
            error=shortened(outcome.error, MAX_ERROR),
            cause=shortened(outcome.cause, MAX_CAUSE),
        )
