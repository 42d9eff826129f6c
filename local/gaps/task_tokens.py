"""Task tokens: the machine they belong to, one callback for each, and failing functions.

ministack 1.5.33
- does not know which machine a token belongs to, so a policy that allows SendTaskSuccess for that
  machine allows nothing;
- accepts a second callback, and lets it replace the first until the machine has read it;
- waits for a callback although the function has failed. On AWS the task fails with the function's
  error: the machine waits for a callback only after the call itself has succeeded;
- accepts an error name and a cause of any length.
"""

import contextvars
import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import stepfunctions as sfn

from local.gaps import newest_only

_execute_upstream = sfn._execute_task
_invoke_upstream = sfn._invoke_with_callback
_call_upstream = sfn._call_lambda
_success_upstream = sfn._send_task_success
_failure_upstream = sfn._send_task_failure

_MAX_LENGTHS = {"error": 256, "cause": 32_768}  # botocore's model of SendTaskFailure
_machine: contextvars.ContextVar[str] = contextvars.ContextVar("machine_of_this_task", default="")
_token: contextvars.ContextVar[str] = contextvars.ContextVar("token_of_this_task", default="")
# ARN of each token's machine. Kept after the callback: a second one needs permission, too, and then
# gets the error that it is late. Only the newest, beside those of tasks that wait.
_TOKENS_OF_AN_EXECUTION = 10
_owners: dict[str, str] = {}


def owner(request: bytes) -> str | None:
    """The ARN of the machine that made the token in a request's body."""
    try:
        return _owners.get(json.loads(request)["taskToken"])
    except (ValueError, TypeError, KeyError):
        return None


def execute_task(
    state: dict[str, Any], data: Any, execution: dict[str, Any], ctx: dict[str, Any]
) -> Any:
    _machine.set(execution["stateMachineArn"])
    return _execute_upstream(state, data, execution, ctx)


def invoke_with_callback(resource: str, data: Any, token: str, state: dict[str, Any]) -> Any:
    _owners[token] = _machine.get()
    _forget_old_tokens(_TOKENS_OF_AN_EXECUTION * newest_only.keep)
    outer = _token.set(token)
    try:
        return _invoke_upstream(resource, data, token, state)
    finally:
        _token.reset(outer)


def _forget_old_tokens(limit: int) -> None:
    if len(_owners) <= 2 * limit:
        return
    for token in list(_owners)[:-limit]:
        if token not in sfn._task_tokens:
            _owners.pop(token, None)


def call_lambda(function: str, event: Any) -> Any:
    try:
        return _call_upstream(function, event)
    except sfn._ExecutionError as error:
        waiting = sfn._task_tokens.get(_token.get())
        if waiting and not waiting["event"].is_set():
            waiting["error"] = {"Error": error.error, "Cause": error.cause}
            waiting["event"].set()
        raise


def send_task_success(data: dict[str, Any]) -> Any:
    return _refusal_if_used(data) or _success_upstream(data)


def send_task_failure(data: dict[str, Any]) -> Any:
    for name, max_length in _MAX_LENGTHS.items():
        if len(data.get(name, "")) > max_length:
            return error_response_json(
                "ValidationException",
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
                f"Member must have length less than or equal to {max_length}",
                400,
            )
    return _refusal_if_used(data) or _failure_upstream(data)


def _refusal_if_used(data: dict[str, Any]) -> Any:
    """The error that AWS returns to every callback after the first; None for the first."""
    waiting = sfn._task_tokens.get(data.get("taskToken"))
    if waiting is None or waiting["event"].is_set():
        return error_response_json("TaskTimedOut", "Provided task does not exist anymore", 400)
    return None


def install() -> None:
    sfn._execute_task = execute_task
    sfn._invoke_with_callback = invoke_with_callback
    sfn._call_lambda = call_lambda
    sfn._send_task_success = send_task_success
    sfn._send_task_failure = send_task_failure
