"""The size of an execution's input: at most 262,144 bytes of UTF-8, as on AWS.

ministack 1.5.33 accepts any size. With this module StartExecution fails as on AWS, and the API
returns a 400 with its message.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

import json
from contextlib import suppress
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import stepfunctions as sfn

MAX_BYTES = 262_144

_start_upstream = sfn._start_execution


def size(text: str) -> int:
    """Size of an input in bytes. An escaped character that is not ASCII counts unescaped.

    When a rule starts a machine, ministack escapes the event. EventBridge does not.
    """
    with suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return len(text.encode())


def start_execution(data: dict[str, Any]) -> Any:
    text = data.get("input", "")
    if len(text.encode()) > MAX_BYTES and size(text) > MAX_BYTES:
        return error_response_json(
            "ValidationException",
            "1 validation error detected: Value at 'input' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BYTES}",
            400,
        )
    return _start_upstream(data)


def install() -> None:
    sfn._start_execution = start_execution
