"""Answer a machine that waits with a task token."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.clients import client
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.shared.text import shortened

MAX_ERROR = 256  # characters, of SendTaskFailure
MAX_CAUSE = 32_768
# A token that was used, or whose task has timed out or been stopped. AWS says TaskTimedOut for all.
_NOBODY_WAITS = frozenset({"TaskTimedOut", "TaskDoesNotExist"})


@dataclass(frozen=True)
class Success:
    """The task's result: any JSON, 256 KiB at most."""

    output: Any


@dataclass(frozen=True)
class Failure:
    """The task's error name, for its Retry and Catch, and a text that says why."""

    error: str
    cause: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        return cls(type(error).__name__, str(error))


Outcome = Success | Failure


def answer(token: str, outcome: Outcome) -> bool:
    """Send the one answer of a task; False if nobody waits for it any more.

    Call it once a token: whoever has worked the outcome out first cannot send two. AWS keeps the
    first answer it gets; one that comes later, or again because the first one's receipt was lost,
    changes nothing and is no error. AwsUnavailableError if AWS could not be told.
    """
    try:
        with translate_aws_errors("answering a task token"):
            _send(token, outcome)
    except ClientError as error:
        if error_code(error) not in _NOBODY_WAITS:
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
